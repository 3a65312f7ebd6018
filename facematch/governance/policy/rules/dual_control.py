"""Whether a second person has to approve an enrollment."""

from __future__ import annotations

from typing import ClassVar

from facematch.governance.names import same_name
from facematch.governance.policy.requests import ApprovalRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule

__all__ = ["DualControl"]


class DualControl(Rule):
    """An enrollment stays PENDING until another person approves it.

    Attributes:
        required: Whether it does.
    """

    name: ClassVar[str] = "dual_control"
    concerns: ClassVar[tuple[type, ...]] = (ApprovalRequest,)

    required: Flag = True

    def check(self, request: object) -> Refusal | None:
        """Refuses an approval by the person who prepared the enrollment."""
        if not isinstance(request, ApprovalRequest) or not self.required:
            return None
        if not same_name(request.actor, request.approver):
            return None
        return self.refuse(
            f"{request.approver!r} prepared the enrollment and cannot approve it",
            "ask another person who has the role approver",
        )

    def sentence(self) -> str:
        """What the rule says."""
        if self.required:
            return "An enrollment is searched only after another person than the enroller approved it."
        return "An enrollment needs no approval by a second person."
