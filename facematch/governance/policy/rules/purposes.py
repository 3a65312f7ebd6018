"""For which purposes somebody may be enrolled and searched."""

from __future__ import annotations

from typing import Annotated, ClassVar

from facematch.governance.names import check_purpose
from facematch.governance.policy.requests import EnrollmentRequest, SearchRequest
from facematch.governance.policy.rules.base import Refusal, Rule, allows, listing, names

__all__ = ["Purposes"]


class Purposes(Rule):
    """The purposes of the watchlist.

    Attributes:
        allowed: Kebab names, or ``"*"`` for any; empty refuses all.
    """

    name: ClassVar[str] = "purposes"
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
        """What the rule says."""
        return f"Consents and searches may name these purposes: {listing(self.allowed)}."
