"""Refusals by consent, policy, thresholds and roles."""

from __future__ import annotations

from facematch.errors.base import FacematchError


class ConsentError(FacematchError):
    """Governance refuses what was asked."""

    code = "consent_error"


class ConsentRequired(ConsentError):
    """No consent record in force covers what was asked; nothing was stored."""

    code = "consent_required"


class ConsentInvalid(ConsentError):
    """A consent record lacks or contradicts something."""

    code = "consent_invalid"


class ConsentTransitionError(ConsentError):
    """The consent state machine has no such transition."""

    code = "consent_transition"


class PurposeRequired(ConsentError):
    """A search was asked for without a purpose."""

    code = "purpose_required"


class ThresholdError(FacematchError):
    """A decision threshold cannot be used as asked."""

    code = "threshold_error"


class CalibrationInvalid(ThresholdError):
    """A calibration artifact is malformed, inconsistent or edited."""

    code = "calibration_invalid"


class TooFewPeople(ThresholdError):
    """Too few people to certify the error rate asked for; the message says how many are needed."""

    code = "too_few_people"


class GalleryOutgrown(ThresholdError):
    """The gallery has more subjects, or more templates a subject, than the threshold was tested with."""

    code = "gallery_outgrown"


class ThresholdTooLow(ThresholdError):
    """A caller asked for a threshold below the tested one; it may be raised, never lowered."""

    code = "threshold_too_low"


class ThresholdRequired(ThresholdError):
    """The pack carries no tested threshold and the caller gave none."""

    code = "threshold_required"


class PolicyRefused(ConsentError):
    """The policy in force refuses what was asked.

    Attributes:
        rule: Name of the first rule that refuses.
    """

    code = "policy_refused"

    def __init__(self, message: str, *, rule: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.rule = rule


class PolicyInvalid(ConsentError):
    """A policy document is malformed or contradicts itself."""

    code = "policy_invalid"


class RecipientRefused(ConsentError):
    """Data was to go to a recipient that the consent does not name."""

    code = "recipient_refused"


class ReferenceRestricted(ConsentError):
    """The subject's reference is restricted, by a complaint or otherwise, until that is decided."""

    code = "reference_restricted"


class ZoneClosed(ConsentError):
    """The camera zone is not open: no capture basis, notice and assessment are on record for it."""

    code = "zone_closed"


class Suspended(ConsentError):
    """Identification is suspended for what was asked."""

    code = "suspended"


class ReceiptInvalid(ConsentError):
    """A consent receipt or an erasure certificate does not fit its signature or its files."""

    code = "receipt_invalid"


class AccessError(FacematchError):
    """Who may do what."""

    code = "access_error"


class AccessDenied(AccessError):
    """The actor has no role that permits this."""

    code = "access_denied"


class SeparationOfDuties(AccessError):
    """Another person has to do this."""

    code = "separation_of_duties"


class ApprovalNotFound(AccessError):
    """Nothing of that kind waits for an approval."""

    code = "approval_not_found"
