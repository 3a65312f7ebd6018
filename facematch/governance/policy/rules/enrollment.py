"""Rules of enrollment: lawful basis, category, incident, validity, attestations, sources, quality and approval."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from facematch.governance.consent.fields import MAX_VALIDITY
from facematch.governance.consent.states import OPEN_STATES, ConsentState
from facematch.governance.names import same_name
from facematch.governance.policy.requests import ApprovalRequest, EnrollmentRequest, QualityRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule, allows, listing, names, unset
from facematch.governance.terms import EXPLICIT_CONSENT, check_category, check_lawful_basis, check_source

__all__ = [
    "Adults",
    "Categories",
    "DualControl",
    "Incident",
    "LawfulBases",
    "Quality",
    "Sources",
    "Validity",
    "Vulnerable",
]


class LawfulBases(Rule):
    """Lawful bases of enrollment.

    Attributes:
        allowed: Members of :data:`~facematch.governance.terms.LAWFUL_BASES`; empty refuses all.
    """

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
        """Statement of the rule."""
        return f"Enrollment may stand on these lawful bases: {listing(self.allowed)}."


class Categories(Rule):
    """Categories of subjects. Demographic ones cannot even be listed.

    Attributes:
        allowed: Kebab names, or ``"*"`` for any; empty refuses all.
        required: Whether every enrollment needs a category.
    """

    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    allowed: Annotated[tuple[str, ...], names(check_category, wildcard=True)] = ()
    required: Flag = True

    def check(self, request: object) -> Refusal | None:
        """Refuses a category that is not listed, and a missing one where it is required."""
        if not isinstance(request, EnrollmentRequest):
            return None
        if request.category is None:
            if not self.required:
                return None
            return self.refuse(
                f"the enrollment names no category; allowed: {listing(self.allowed)}",
                "pass category= one of the allowed categories",
            )
        if allows(self.allowed, request.category):
            return None
        return self.refuse(
            f"the category {request.category!r} is not allowed; allowed: {listing(self.allowed)}",
            "name an allowed category, or add this one to [categories]",
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        need = "Every enrollment needs" if self.required else "An enrollment may name"
        return f"{need} one of these categories: {listing(self.allowed)}."


class Incident(Rule):
    """Incident behind an enrollment.

    Attributes:
        required: Whether every enrollment needs an ``incident_id``.
    """

    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    required: Flag = True

    def check(self, request: object) -> Refusal | None:
        """Refuses an enrollment without an incident where one is required."""
        if not isinstance(request, EnrollmentRequest) or not self.required or request.incident_id is not None:
            return None
        return self.refuse("the enrollment names no incident", "pass incident_id= the number of the incident's report")

    def sentence(self) -> str:
        """Statement of the rule."""
        return f"An enrollment {'must' if self.required else 'need not'} name the incident behind it."


class Validity(Rule):
    """Longest validity of a GIVEN or RENEWED event.

    Attributes:
        max_days: Days, 0 to 730; 0 refuses all.
    """

    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    max_days: Annotated[int, Field(strict=True, ge=0, le=MAX_VALIDITY.days)] = 0

    def check(self, request: object) -> Refusal | None:
        """Refuses a consent whose latest GIVEN or RENEWED event lasts longer, or that was refused.

        One that was only asked for has no end yet, and nothing may be processed under it: it is judged when given.
        """
        if not isinstance(request, EnrollmentRequest) or request.consent.state is ConsentState.REQUESTED:
            return None
        event = next((e for e in reversed(request.consent.events) if e.state in OPEN_STATES), None)
        if event is None or event.valid_until is None:
            return self.refuse("the consent was never given", "let the subject give it, with an end")
        lasts = event.valid_until - event.time
        if lasts <= timedelta(days=self.max_days):
            return None
        return self.refuse(
            f"the consent lasts {lasts / timedelta(days=1):g} days, at most {self.max_days} are allowed",
            "shorten valid_for; a renewal can follow before it ends",
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        return f"A consent lasts at most {self.max_days} days, and so does each renewal."


class Adults(Rule):
    """Attestation by a person that the subject is an adult. The rule has no values: it cannot be loosened."""

    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    def check(self, request: object) -> Refusal | None:
        """Refuses an enrollment without the attestation, also in a record that was made past its validation."""
        if not isinstance(request, EnrollmentRequest) or request.consent.adult_attested is True:
            return None
        return self.refuse(  # type: ignore[unreachable]  # a record made with model_construct() can say anything
            "no person attested that the subject is an adult",
            "enroll adults only; a person attests it with adult_attested=True, never an estimate from a face",
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        return "Only subjects whom a person attested to be adults are enrolled; age is never estimated."

    @property
    def value(self) -> str:
        """Values in short."""
        return "always"


class Vulnerable(Rule):
    """Exclusion of subjects marked as vulnerable. The rule has no values: it cannot be loosened."""

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
        """Statement of the rule."""
        return "A subject marked as a vulnerable person is not enrolled."

    @property
    def value(self) -> str:
        """Values in short."""
        return "always"


class Sources(Rule):
    """Sources of pictures. ``scraped`` cannot even be listed.

    Attributes:
        allowed: Members of :data:`~facematch.governance.terms.SOURCES`; empty refuses all.
        required: Whether every enrollment has to say its source.
    """

    concerns: ClassVar[tuple[type, ...]] = (EnrollmentRequest,)

    allowed: Annotated[tuple[str, ...], names(check_source)] = ()
    required: Flag = True

    def check(self, request: object) -> Refusal | None:
        """Refuses a source that is not listed, and an unstated one where it is required."""
        if not isinstance(request, EnrollmentRequest):
            return None
        if request.source is None and not self.required:
            return None
        if request.source is not None and request.source in self.allowed:
            return None
        what = "the source of the pictures is not stated" if request.source is None else f"source {request.source!r}"
        verb = "" if request.source is None else " is not allowed"
        return self.refuse(f"{what}{verb}; allowed: {listing(self.allowed)}", "pass source= one of the allowed sources")

    def sentence(self) -> str:
        """Statement of the rule."""
        need = "must" if self.required else "may"
        return f"An enrollment {need} say where its pictures come from, one of: {listing(self.allowed)}."


class Quality(Rule):
    """Quality gate of enrollment.

    Attributes:
        gate: ``required``: pictures whose quality nothing measured are refused; ``where-measured``: they are not.
            ``None`` refuses all.
        overrides: Whether a picture that failed may be enrolled all the same, by a second person, with a reason.
    """

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
        """Statement of the rule."""
        if self.gate is None:
            return "No picture is enrolled, because the policy sets no quality gate."
        where = "Every picture must pass" if self.gate == "required" else "A picture must pass, where it is measured,"
        override = "a second person may override it with a reason" if self.overrides else "it cannot be overridden"
        return f"{where} the quality gate; {override}."


class DualControl(Rule):
    """Dual control of enrollment: it stays PENDING until another person approves it.

    Attributes:
        required: Whether it does.
    """

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
        """Statement of the rule."""
        if self.required:
            return "An enrollment is searched only after another person than the enroller approved it."
        return "An enrollment needs no approval by a second person."
