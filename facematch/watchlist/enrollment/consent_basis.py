"""Consent basis of new templates: the record that they stand on, and the refusal where there is none in force."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from facematch.errors import ConsentInvalid, ConsentRequired, ReferenceRestricted
from facematch.governance import Consent
from facematch.governance.policy import EnrollmentRequest
from facematch.storage.consents import StoredConsent, check_new_record, checked_record
from facematch.storage.subjects import Subject
from facematch.watchlist.resources import Resources

__all__ = ["ConsentBasis", "callers_record", "require_basis"]


@dataclass(frozen=True, slots=True)
class ConsentBasis:
    """Consent record and subject that new templates stand on.

    Attributes:
        subject: The subject; ``None`` where it is new.
        stored: The filed record; ``None`` where ``consent`` is still to be filed.
        consent: The record, as it stands now.
    """

    subject: Subject | None
    stored: StoredConsent | None
    consent: Consent


def callers_record(consent: object, subject_id: str) -> Consent | None:
    """The caller's consent record, validated once more; ``None`` where none was passed.

    Raises:
        ConsentInvalid: It is malformed, or of another subject.
    """
    if consent is None:
        return None
    record = checked_record(consent)
    if record.subject_id != subject_id:
        raise ConsentInvalid(
            f"the consent record is of another subject than {subject_id!r}",
            hint="enroll a subject with their own consent record",
        )
    return record


def require_basis(
    resources: Resources,
    connection: Connection,
    subject_id: str,
    record: Consent | None,
    *,
    now: datetime,
    actor: str,
    reuse: bool,
) -> ConsentBasis:
    """The basis of new templates of a subject, accepted by the policy in force.

    Args:
        resources: The open watchlist.
        connection: A transaction.
        subject_id: The subject.
        record: The caller's record, or ``None`` for the latest filed one in force.
        now: The present moment, UTC.
        actor: The enrolling actor.
        reuse: Whether a filed record in force on the same evidence and terms serves instead of filing another.

    Raises:
        ConsentRequired: Nothing is in force.
        ConsentInvalid: The record contradicts a filed one.
        ReferenceRestricted: A complaint about the subject is open.
        PolicyRefused: The policy refuses the record.
    """
    consents = resources.consents
    subject = resources.subjects.subject(connection, subject_id)
    if subject is not None and subject.key in consents.restricted(connection):
        raise ReferenceRestricted(
            f"the reference of subject {subject_id!r} is contested, so nothing is added to it",
            hint="decide the complaint first: Watchlist.rights.decide_complaint()",
        )
    filed = [] if subject is None else consents.of(connection, subject)
    ended = resources.vault.tombstones()
    stored = None
    if record is None:
        stored = _latest_in_force(filed, ended, now)
        if stored is None:
            raise ConsentRequired(
                f"no consent record of subject {subject_id!r} is in force, so nothing was enrolled",
                hint="pass consent=Consent.given(...)",
            )
        consent = stored.consent
    else:
        stored = consents.find(connection, subject, record)
        if stored is None and reuse:
            stored = _on_same_evidence(record, filed, ended, now)
        if stored is None:
            check_new_record(record, filed, now)
        consent = record if stored is None else stored.consent
        _require_in_force(consent, ended, now)
    policy = resources.governance.at(connection).policy(now).policy
    policy.check_enrollment(EnrollmentRequest(consent=consent, now=now, actor=actor))
    return ConsentBasis(subject, stored, consent)


def _latest_in_force(filed: Sequence[StoredConsent], ended: Container[str], now: datetime) -> StoredConsent | None:
    for stored in reversed(filed):
        if stored.consent.in_force(now) and stored.consent.record_id not in ended:
            return stored
    return None


def _require_in_force(consent: Consent, ended: dict[str, tuple[str, int]], now: datetime) -> None:
    tombstone = ended.get(consent.record_id)
    if tombstone is None and consent.in_force(now):
        return
    raise ConsentRequired(
        f"the consent record is not in force: state {consent.state if tombstone is None else tombstone[0]}, "
        f"valid from {_written(consent.valid_from)} until {_written(consent.valid_until)}",
        hint="let the subject give a new consent record",
    )


def _on_same_evidence(
    record: Consent, filed: Sequence[StoredConsent], ended: Container[str], now: datetime
) -> StoredConsent | None:
    """The latest filed record in force that stands on the same evidence as ``record`` and says the same.

    Raises:
        ConsentRequired: A consent on that evidence has ended: the form that was signed for it does not count again.
        ConsentInvalid: The consent on that evidence is to last longer or shorter than it was given for.
    """
    if record.evidence_sha256 is None:
        return None
    on_it = [stored for stored in filed if record.evidence_sha256 in stored.consent.evidence_digests]
    if any(stored.consent.record_id in ended or not stored.consent.in_force(now) for stored in on_it):
        raise ConsentRequired(
            "the evidence is that of a consent that has ended, or has not begun",
            hint="let the subject sign again; the old form does not count twice",
        )
    for stored in reversed(on_it):
        if _terms(stored.consent) == _terms(record):
            if _duration(stored.consent) != _duration(record):
                raise ConsentInvalid(
                    f"the consent on this evidence was given until {_written(stored.consent.valid_until)}",
                    hint="leave its duration as it was; to prolong it takes new evidence: facematch consent renew",
                )
            return stored
    return None


def _terms(consent: Consent) -> dict[str, object]:
    return {name: value for name, value in consent.to_dict().items() if name not in {"record_id", "events"}}


def _duration(consent: Consent) -> timedelta | None:
    """For how long a consent was first given."""
    ends = (event.valid_until - event.time for event in consent.events if event.valid_until is not None)
    return next(ends, None)


def _written(moment: datetime | None) -> str:
    return "never" if moment is None else moment.isoformat(timespec="seconds")
