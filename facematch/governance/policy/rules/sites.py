"""At which sites somebody may be enrolled for and searched."""

from __future__ import annotations

from typing import Annotated, ClassVar

from facematch.governance.names import check_site
from facematch.governance.policy.requests import EnrollmentRequest, SearchRequest, ZoneRequest
from facematch.governance.policy.rules.base import ANY, Refusal, Rule, allows, listing, names

__all__ = ["Sites"]


class Sites(Rule):
    """The sites of the watchlist.

    Attributes:
        allowed: Names of sites, or ``"*"`` for any and for none at all; empty refuses all.
    """

    name: ClassVar[str] = "sites"
    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest, SearchRequest, ZoneRequest)

    allowed: Annotated[tuple[str, ...], names(check_site, wildcard=True)] = ()

    def check(self, request: object) -> Refusal | None:
        """Refuses a site that is not listed; where sites are listed, also a consent or a search that names none."""
        if isinstance(request, EnrollmentRequest):
            asked: tuple[str | None, ...] = request.consent.sites or (None,)
        elif isinstance(request, SearchRequest):
            asked = (request.site,)
        elif isinstance(request, ZoneRequest):
            asked = (request.zone.site,)
        else:
            return None
        if ANY in self.allowed:
            return None
        beyond = [site for site in asked if site is None or not allows(self.allowed, site)]
        if not beyond:
            return None
        what = "no site is named" if beyond[0] is None else f"the site {beyond[0]!r} is not allowed"
        return self.refuse(
            f"{what}; allowed: {listing(self.allowed)}", "name an allowed site, or add the site to [sites]"
        )

    def sentence(self) -> str:
        """What the rule says."""
        return f"Consents and searches may name these sites: {listing(self.allowed)}."
