"""Vulnerable people are not enrolled; no policy can say otherwise."""

from __future__ import annotations

from typing import ClassVar

from facematch.governance.policy.requests import EnrollmentRequest
from facematch.governance.policy.rules.base import Refusal, Rule

__all__ = ["Vulnerable"]


class Vulnerable(Rule):
    """A subject marked as vulnerable is refused. The rule has no values: it cannot be loosened."""

    name: ClassVar[str] = "vulnerable"
    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    def check(self, request: object) -> Refusal | None:
        """Refuses a subject whose record marks them as vulnerable."""
        if not isinstance(request, EnrollmentRequest) or not request.consent.vulnerable:
            return None
        return self.refuse(
            "the subject is marked as a vulnerable person",
            "do not enroll them; where they are enrolled already, invalidate the consent and erase",
        )

    def sentence(self) -> str:
        """What the rule says."""
        return "A subject marked as a vulnerable person is not enrolled."

    @property
    def value(self) -> str:
        """Its values in short."""
        return "always"
