"""Rules of scope: purposes, sites, zones, recipients and capture bases."""

from __future__ import annotations

from typing import Annotated, ClassVar

from facematch.governance.names import check_name, check_purpose, check_site
from facematch.governance.policy.requests import DisclosureRequest, EnrollmentRequest, SearchRequest, ZoneRequest
from facematch.governance.policy.rules.base import ANY, Flag, Refusal, Rule, allows, listing, names
from facematch.governance.terms import check_capture_basis

__all__ = ["CaptureBases", "Purposes", "Recipients", "Sites", "Zones"]


class Purposes(Rule):
    """Purposes of the watchlist.

    Attributes:
        allowed: Kebab names, or ``"*"`` for any; empty refuses all.
    """

    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest, SearchRequest)

    allowed: Annotated[tuple[str, ...], names(check_purpose, wildcard=True)] = ()

    def check(self, request: object) -> Refusal | None:
        """Refuses a consent or a search for a purpose that is not listed."""
        if isinstance(request, EnrollmentRequest):
            asked = request.consent.purposes
        elif isinstance(request, SearchRequest):
            asked = (request.purpose,)
        else:
            return None
        beyond = [purpose for purpose in asked if not allows(self.allowed, purpose)]
        if not beyond:
            return None
        return self.refuse(
            f"the purpose {beyond[0]!r} is not allowed; allowed: {listing(self.allowed)}",
            "name an allowed purpose, or add this one to [purposes]",
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        return f"Consents and searches may name these purposes: {listing(self.allowed)}."


class Sites(Rule):
    """Sites of the watchlist.

    Attributes:
        allowed: Names of sites, or ``"*"`` for any and for none at all; empty refuses all.
    """

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
        """Statement of the rule."""
        return f"Consents and searches may name these sites: {listing(self.allowed)}."


class Zones(Rule):
    """Open zones as a condition of searches.

    Attributes:
        required: Whether a search has to name a zone. A zone that is named must be open in any case.
    """

    concerns: ClassVar[tuple[type, ...]] = (SearchRequest,)

    required: Flag = True

    def check(self, request: object) -> Refusal | None:
        """Refuses a search in a zone that is not open and, where zones are required, one without a zone."""
        if not isinstance(request, SearchRequest):
            return None
        if request.zone is None:
            if not self.required:
                return None
            return self.refuse("a search must name a zone", "name the zone that the camera sees, after opening it")
        if request.site is not None and (request.site, request.zone) in request.open_zones:
            return None
        place = "without a site" if request.site is None else f"of site {request.site!r}"
        return self.refuse(
            f"the zone {request.zone!r} {place} is not open",
            "open it with a capture basis, a notice and an assessment, or name an open zone and its site",
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        asked = "Every search must name a zone, and it" if self.required else "A search may name a zone, which then"
        return f"{asked} must be open."


def _recipient(value: object) -> str:
    return check_name(value, "a recipient")


class Recipients(Rule):
    """Recipients of data: the policy has to allow them, and the subject's consent has to name them.

    Attributes:
        allowed: Names, or ``"*"`` for any that the consent names; empty allows none.
    """

    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest, DisclosureRequest)

    allowed: Annotated[tuple[str, ...], names(_recipient, wildcard=True)] = ()

    def check(self, request: object) -> Refusal | None:
        """Refuses a consent that names, or a disclosure to, a recipient that is not allowed or not consented to."""
        if isinstance(request, EnrollmentRequest):
            asked = request.consent.recipients
        elif isinstance(request, DisclosureRequest):
            asked = (request.recipient,)
        else:
            return None
        beyond = [recipient for recipient in asked if not allows(self.allowed, recipient)]
        if beyond:
            return self.refuse(
                f"the recipient {beyond[0]!r} is not allowed; allowed: {listing(self.allowed)}",
                "leave the recipient out, or add it to [recipients]",
            )
        if isinstance(request, DisclosureRequest) and request.recipient not in request.consent.recipients:
            return self.refuse(
                f"the consent does not name the recipient {request.recipient!r}; "
                f"it names: {listing(request.consent.recipients)}",
                "share nothing, or let the subject give a consent that names the recipient",
            )
        return None

    def sentence(self) -> str:
        """Statement of the rule."""
        return f"Data may go to these recipients, where the consent names them too: {listing(self.allowed)}."


class CaptureBases(Rule):
    """Capture bases of zones.

    Attributes:
        allowed: Members of :data:`~facematch.governance.terms.CAPTURE_BASES`; empty refuses all.
    """

    concerns: ClassVar[tuple[type, ...]] = (ZoneRequest,)

    allowed: Annotated[tuple[str, ...], names(check_capture_basis)] = ()

    def check(self, request: object) -> Refusal | None:
        """Refuses a zone whose capture basis is not listed."""
        if not isinstance(request, ZoneRequest) or request.zone.capture_basis in self.allowed:
            return None
        return self.refuse(
            f"the capture basis {request.zone.capture_basis!r} is not allowed; allowed: {listing(self.allowed)}",
            "open the zone on an allowed basis, or list this one in [capture_bases] after an assessment",
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        return f"A zone may be opened on these capture bases: {listing(self.allowed)}."
