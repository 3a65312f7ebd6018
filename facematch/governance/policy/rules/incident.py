"""Whether an enrollment has to name the incident behind it."""

from __future__ import annotations

from typing import ClassVar

from facematch.governance.policy.requests import EnrollmentRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule

__all__ = ["Incident"]


class Incident(Rule):
    """The incident behind an enrollment.

    Attributes:
        required: Whether every enrollment needs an ``incident_id``.
    """

    name: ClassVar[str] = "incident"
    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    required: Flag = True

    def check(self, request: object) -> Refusal | None:
        """Refuses an enrollment without an incident where one is required."""
        if not isinstance(request, EnrollmentRequest) or not self.required or request.incident_id is not None:
            return None
        return self.refuse("the enrollment names no incident", "pass incident_id= the number of the incident's report")

    def sentence(self) -> str:
        """What the rule says."""
        return f"An enrollment {'must' if self.required else 'need not'} name the incident behind it."
