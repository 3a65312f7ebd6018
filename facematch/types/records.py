"""Records of a watchlist: subjects, consents, enrollments that wait, and receipts of changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from facematch.types.plain import PlainResult

__all__ = [
    "ApprovalDecision",
    "Complaint",
    "Disclosure",
    "Erasure",
    "FiledConsent",
    "KeyStatus",
    "PendingEnrollment",
    "Restored",
    "RetentionRun",
    "SubjectRecord",
    "TemplateCount",
    "Withdrawal",
]


@dataclass(frozen=True, slots=True)
class Withdrawal(PlainResult):
    """Receipt of ``withdraw``, ``revoke`` and ``invalidate``: from ``generation`` on, no search returns the subject.

    Attributes:
        subject_id: The subject.
        reason: Why.
        withdrawn_at: When, UTC.
        consent_record_ids: The records that ended.
        generation: Generation of the database after the commit.
        state: How they ended: ``WITHDRAWN``, ``REVOKED`` or ``INVALIDATED``.
    """

    subject_id: str
    reason: str
    withdrawn_at: datetime
    consent_record_ids: tuple[str, ...]
    generation: int
    state: str = "WITHDRAWN"


@dataclass(frozen=True, slots=True)
class FiledConsent(PlainResult):
    """Receipt of a consent record that was filed, answered or renewed.

    Attributes:
        subject_id: The subject.
        consent_record_id: The record.
        state: Its state now.
        valid_until: When it ends, UTC; ``None`` where consent was not given.
        generation: Generation of the database after the commit.
    """

    subject_id: str
    consent_record_id: str
    state: str
    valid_until: datetime | None
    generation: int


@dataclass(frozen=True, slots=True)
class Erasure(PlainResult):
    """Receipt of ``erase``: what was removed.

    Attributes:
        subject_id: The subject.
        reason: Why.
        erased_at: When, UTC.
        templates_erased: Number of templates.
        consent_records_erased: Number of consent records.
        generation: Generation of the database after the commit.
        certificate: The signed certificate as plain data; see ``facematch.governance.certificates``. It is stored
            nowhere: hand it to the subject, or keep it where the evidence of the request is kept.
    """

    subject_id: str
    reason: str
    erased_at: datetime
    templates_erased: int
    consent_records_erased: int
    generation: int
    certificate: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubjectRecord(PlainResult):
    """One line of the list of subjects.

    Attributes:
        subject_id: The subject.
        state: ``"active"`` when a search may return the subject now, else ``"withdrawn"``, ``"expired"``,
            ``"pending"`` (validity has not begun, there is no template yet, or another actor has not approved it),
            ``"restricted"`` (a complaint is open or was upheld) or ``"requested"`` (consent was asked for, or refused).
        purposes: Purposes that the consent in force names.
        sites: Sites that it names.
        templates: Number of templates stored.
        valid_until: End of the latest consent.
    """

    subject_id: str
    state: str
    purposes: tuple[str, ...]
    sites: tuple[str, ...]
    templates: int
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class PendingEnrollment(PlainResult):
    """An enrollment that waits for another actor.

    Attributes:
        enrollment_id: Its number.
        subject_id: The subject.
        templates: Number of templates.
        consent_record_id: The consent record that they stand on.
        actor: Who prepared it.
        created_at: When, UTC.
    """

    enrollment_id: int
    subject_id: str
    templates: int
    consent_record_id: str
    actor: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RetentionRun(PlainResult):
    """Outcome of one application of the policy's retention, or its forecast.

    Attributes:
        at: The moment it ran for, UTC.
        expired: Subjects whose consents it marked as expired.
        erased: Subjects it erased.
        rejected: Enrollments that were not approved in time, which it removed.
        pruned: Audit entries whose content it removed.
        dry_run: Whether nothing was changed.
        certificates: The certificates of the erasures.
    """

    at: datetime
    expired: tuple[str, ...]
    erased: tuple[str, ...]
    rejected: tuple[int, ...]
    pruned: int
    dry_run: bool
    certificates: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalDecision(PlainResult):
    """Decision on an enrollment that waited for an approval.

    Attributes:
        enrollment_id: Its number.
        subject_id: The subject.
        decision: ``"approved"`` or ``"rejected"``.
        templates: Number of templates that were put in force, or deleted.
        generation: Generation of the database after the commit.
    """

    enrollment_id: int
    subject_id: str
    decision: str
    templates: int
    generation: int


@dataclass(frozen=True, slots=True)
class Complaint(PlainResult):
    """A complaint about a reference.

    Attributes:
        complaint_id: Its number.
        subject_id: The subject.
        state: ``"open"``, ``"upheld"`` or ``"not upheld"``; only the last lifts the restriction.
        generation: Generation of the database after the commit.
    """

    complaint_id: int
    subject_id: str
    state: str
    generation: int


@dataclass(frozen=True, slots=True)
class Disclosure(PlainResult):
    """Disclosure to a recipient that the subject's consent names: consent records, never a template.

    Attributes:
        subject_id: The subject.
        recipient: The recipient.
        disclosed_at: When, UTC.
        consents: The consent records as plain data.
    """

    subject_id: str
    recipient: str
    disclosed_at: datetime
    consents: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class TemplateCount(PlainResult):
    """Number of templates that are stored.

    Attributes:
        subject_id: Of which subject; ``None`` for all.
        templates: The number.
    """

    subject_id: str | None
    templates: int


@dataclass(frozen=True, slots=True)
class KeyStatus(PlainResult):
    """State of a watchlist's keys, without the keys.

    Attributes:
        provider_key: Name of the provider's key that wraps the vault key.
        subjects: Number of data keys.
        rotation: Version of the rotation that templates are stored under.
        signing_key: Name of the key that signs.
        signing_public_key: Its public part, 32 bytes in hexadecimal; verifiers need it from a source they trust.
    """

    provider_key: str
    subjects: int
    rotation: int
    signing_key: str
    signing_public_key: str


@dataclass(frozen=True, slots=True)
class Restored(PlainResult):
    """Outcome of restoring a backup.

    Attributes:
        ended: Consent records of the backup that had ended since, and were ended again.
        erased: Subjects of the backup that had been erased since, and were erased again.
        unreadable: Subjects whose data keys are gone, which were dropped.
        generation: Generation of the database after the commit.
    """

    ended: int
    erased: int
    unreadable: int
    generation: int
