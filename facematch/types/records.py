"""What the watchlist answers about its subjects, and the receipts it gives when something ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["Erasure", "PendingEnrollment", "Renewal", "SubjectRecord", "Sweep", "Withdrawal"]


@dataclass(frozen=True, slots=True)
class Withdrawal:
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
class Renewal:
    """Receipt of ``renew``.

    Attributes:
        subject_id: The subject.
        consent_record_id: The record that was renewed.
        valid_until: Its new end, UTC.
        generation: Generation of the database after the commit.
    """

    subject_id: str
    consent_record_id: str
    valid_until: datetime
    generation: int


@dataclass(frozen=True, slots=True)
class Erasure:
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
class SubjectRecord:
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
class PendingEnrollment:
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
class Sweep:
    """What a run of the retention sweeper did, or would do.

    Attributes:
        at: The moment it ran for, UTC.
        expired: Subjects whose consents it marked as expired.
        erased: Subjects it erased.
        rejected: Enrollments that nobody approved in time, which it removed.
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
