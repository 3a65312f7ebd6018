"""On which bases a camera may take in passers-by."""

from __future__ import annotations

from typing import Annotated, ClassVar

from facematch.governance.policy.requests import ZoneRequest
from facematch.governance.policy.rules.base import Refusal, Rule, listing, names
from facematch.governance.terms import check_capture_basis

__all__ = ["CaptureBases"]


class CaptureBases(Rule):
    """The bases on which a zone may be opened.

    Attributes:
        allowed: Members of :data:`~facematch.governance.terms.CAPTURE_BASES`; empty refuses all.
    """

    name: ClassVar[str] = "capture_bases"
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
        """What the rule says."""
        return f"A zone may be opened on these capture bases: {listing(self.allowed)}."
