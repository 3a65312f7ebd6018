"""How often a search for a stranger may return somebody."""

from __future__ import annotations

from typing import ClassVar

from facematch.governance.policy.requests import SearchRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule, Share

__all__ = ["TargetFpir"]


class TargetFpir(Rule):
    """The false-positive identification rate (FPIR) that the threshold has to be tested for.

    Attributes:
        maximum: The highest target, a share from 0 to 1; 0 refuses every calibration.
        required: Whether a search needs a tested threshold.
    """

    name: ClassVar[str] = "target_fpir"
    concerns: ClassVar[tuple[type, ...]] = (SearchRequest,)

    maximum: Share = 0.0
    required: Flag = True

    def check(self, request: object) -> Refusal | None:
        """Refuses a search whose threshold was tested for a higher rate or, where that is required, not at all."""
        if not isinstance(request, SearchRequest):
            return None
        hint = "calibrate for this gallery and set it with Watchlist.set_calibration()"
        if request.calibration is None:
            return self.refuse("the threshold was never tested for an FPIR", hint) if self.required else None
        if request.calibration.target_fpir <= self.maximum:
            return None
        return self.refuse(
            f"the threshold was tested for an FPIR of {request.calibration.target_fpir:g}, "
            f"at most {self.maximum:g} is allowed",
            hint,
        )

    def sentence(self) -> str:
        """What the rule says."""
        need = "must" if self.required else "need not"
        return f"A threshold {need} be tested; where it is, for an FPIR of at most {self.maximum:g}."
