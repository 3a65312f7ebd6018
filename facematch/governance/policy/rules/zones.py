"""Whether a search has to name an open zone."""

from __future__ import annotations

from typing import ClassVar

from facematch.governance.policy.requests import SearchRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule

__all__ = ["Zones"]


class Zones(Rule):
    """Searches happen in zones that were opened.

    Attributes:
        required: Whether a search has to name a zone. A zone that is named must be open in any case.
    """

    name: ClassVar[str] = "zones"
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
        """What the rule says."""
        asked = "Every search must name a zone, and it" if self.required else "A search may name a zone, which then"
        return f"{asked} must be open."
