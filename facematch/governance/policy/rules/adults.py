"""Only adults are enrolled; no policy can say otherwise."""

from __future__ import annotations

from typing import ClassVar

from facematch.governance.policy.requests import EnrollmentRequest
from facematch.governance.policy.rules.base import Refusal, Rule

__all__ = ["Adults"]


class Adults(Rule):
    """Somebody has to attest that the subject is an adult. The rule has no values: it cannot be loosened."""

    name: ClassVar[str] = "adults"
    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    def check(self, request: object) -> Refusal | None:
        """Refuses an enrollment without the attestation, also in a record that was made past its validation."""
        if not isinstance(request, EnrollmentRequest) or request.consent.adult_attested is True:
            return None
        return self.refuse(  # type: ignore[unreachable]  # a record made with model_construct() can say anything
            "nobody attested that the subject is an adult",
            "enroll adults only; a person attests it with adult_attested=True, never an estimate from a face",
        )

    def sentence(self) -> str:
        """What the rule says."""
        return "Only subjects whom a person attested to be adults are enrolled; age is never estimated."

    @property
    def value(self) -> str:
        """Its values in short."""
        return "always"
