"""What quality a picture needs to be enrolled."""

from __future__ import annotations

from typing import ClassVar, Literal

from facematch.governance.names import same_name
from facematch.governance.policy.requests import QualityRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule, unset

__all__ = ["Quality"]


class Quality(Rule):
    """The quality gate of enrollment.

    Attributes:
        gate: ``required``: pictures whose quality nothing measured are refused; ``where-measured``: they are not.
            ``None`` refuses all.
        overrides: Whether a picture that failed may be enrolled all the same, by a second person, with a reason.
    """

    name: ClassVar[str] = "quality"
    concerns: ClassVar[tuple[type, ...]] = (QualityRequest,)

    gate: Literal["required", "where-measured"] | None = None
    overrides: Flag = False

    def check(self, request: object) -> Refusal | None:
        """Refuses a picture that failed or, where the gate is required, was not measured, unless it is overridden."""
        if not isinstance(request, QualityRequest):
            return None
        if self.gate is None:
            return unset(self, "a quality gate")
        if request.outcome == "passed" or (request.outcome == "unmeasured" and self.gate == "where-measured"):
            return None
        what = "failed the quality gate" if request.outcome == "failed" else "was not measured for its quality"
        if not self.overrides:
            return self.refuse(
                f"the picture {what}", "use a sharp, evenly lit picture, and a pack that measures quality"
            )
        if request.approver is None or same_name(request.approver, request.actor):
            return self.refuse(
                f"the picture {what}, and no second person overrides that",
                "use a better picture, or let another person approve the override with a reason",
            )
        if request.reason is None or not request.reason.strip():
            return self.refuse(
                f"the picture {what}, and the override has no reason", "say why no better picture can be had"
            )
        return None

    def sentence(self) -> str:
        """What the rule says."""
        if self.gate is None:
            return "No picture is enrolled, because the policy sets no quality gate."
        where = "Every picture must pass" if self.gate == "required" else "A picture must pass, where it is measured,"
        override = "a second person may override it with a reason" if self.overrides else "nobody may override it"
        return f"{where} the quality gate; {override}."
