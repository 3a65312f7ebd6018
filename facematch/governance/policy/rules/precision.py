"""How often alerts have to be right for a site to go on."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from facematch.governance.policy.requests import PrecisionRequest
from facematch.governance.policy.rules.base import Refusal, Rule, Share, unset

__all__ = ["Precision"]


class Precision(Rule):
    """The live precision of a site: confirmed alerts as a share of those that were confirmed or rejected.

    Attributes:
        minimum: The lowest share, 0 to 1; 0 never refuses, ``None`` always does.
        min_decided: Decided alerts before it is judged, from 1: a share of very few says nothing.
    """

    name: ClassVar[str] = "precision"
    concerns: ClassVar[tuple[type, ...]] = (PrecisionRequest,)

    minimum: Share | None = None
    min_decided: Annotated[int, Field(strict=True, ge=1, le=10**6)] = 1

    def check(self, request: object) -> Refusal | None:
        """Refuses to go on where too many decided alerts were wrong."""
        if not isinstance(request, PrecisionRequest):
            return None
        if self.minimum is None:
            return unset(self, "a minimum")
        decided = request.confirmed + request.rejected
        if decided < self.min_decided or request.confirmed >= self.minimum * decided:
            return None
        place = "searches without a site" if request.site is None else f"site {request.site!r}"
        return self.refuse(
            f"{request.confirmed} of {decided} decided alerts at {place} were right, "
            f"at least {self.minimum:.0%} are needed",
            "suspend the site, find the cause, and calibrate before resuming",
        )

    def sentence(self) -> str:
        """What the rule says."""
        if self.minimum is None:
            return "No site goes on, because the policy sets no minimum precision."
        return (
            f"From {self.min_decided} decided alerts on, a site suspends itself where fewer than {self.minimum:.0%} "
            "were right."
        )
