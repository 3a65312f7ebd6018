"""On which lawful bases somebody may be enrolled."""

from __future__ import annotations

from typing import Annotated, ClassVar

from facematch.governance.policy.requests import EnrollmentRequest
from facematch.governance.policy.rules.base import Refusal, Rule, listing, names
from facematch.governance.terms import EXPLICIT_CONSENT, check_lawful_basis

__all__ = ["LawfulBases"]


class LawfulBases(Rule):
    """The lawful bases that an enrollment may stand on.

    Attributes:
        allowed: Members of :data:`~facematch.governance.terms.LAWFUL_BASES`; empty refuses all.
    """

    name: ClassVar[str] = "lawful_bases"
    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    allowed: Annotated[tuple[str, ...], names(check_lawful_basis)] = ()

    def check(self, request: object) -> Refusal | None:
        """Refuses a basis that is not listed, and one other than consent without evidence and assessment."""
        if not isinstance(request, EnrollmentRequest):
            return None
        consent = request.consent
        if consent.lawful_basis not in self.allowed:
            return self.refuse(
                f"the lawful basis {consent.lawful_basis!r} is not allowed; allowed: {listing(self.allowed)}",
                "enroll on an allowed basis, or list this one in [lawful_bases] after an assessment",
            )
        if consent.lawful_basis != EXPLICIT_CONSENT and not (consent.impact_assessment and consent.evidence_digests):
            return self.refuse(
                f"the lawful basis {consent.lawful_basis!r} needs evidence and an assessment",
                "record evidence and impact_assessment in the consent record",
            )
        return None

    def sentence(self) -> str:
        """What the rule says."""
        return f"Enrollment may stand on these lawful bases: {listing(self.allowed)}."
