"""Consent records filed before any picture is taken, answered, and renewed; receipts of them."""

from __future__ import annotations

from datetime import timedelta
from os import PathLike

from facematch.errors import ConsentInvalid, ConsentRequired, ConsentTransitionError
from facematch.governance import AuditAction, Consent, check_subject_id
from facematch.governance.consent.receipts import ConsentReceipt
from facematch.governance.policy import EnrollmentRequest
from facematch.storage.consents import StoredConsent, check_new_record, checked_record
from facematch.storage.subjects import Subject
from facematch.types import FiledConsent
from facematch.watchlist.session import Session, Transaction

__all__ = ["file", "give", "receipt", "refuse", "renew"]


def file(session: Session, consent: Consent) -> FiledConsent:
    """File a consent record; see :meth:`facematch.watchlist.consents.consents.Consents.record`."""
    action = AuditAction.RECORD_CONSENT
    with session.operation(action, subject_id=getattr(consent, "subject_id", None)) as operation:
        record = checked_record(consent)
        resources = operation.resources
        with operation.write() as tx:
            _ask_the_policy(tx, record)
            if record.record_id in resources.vault.tombstones():
                raise ConsentRequired(
                    "this consent record has ended for good", hint="let the subject give a new consent record"
                )
            subject = resources.subjects.subject(tx.connection, record.subject_id)
            if resources.consents.find(tx.connection, subject, record) is not None:
                raise ConsentInvalid("this consent record is filed already", hint="nothing needs to be done")
            check_new_record(record, [] if subject is None else resources.consents.of(tx.connection, subject), tx.now)
            if subject is None:
                subject = tx.add_subject(record.subject_id)
            resources.consents.file(tx.connection, subject, record)
            return _filed(tx, subject, record)


def give(
    session: Session, subject_id: str, *, valid_for: timedelta, evidence: str | PathLike[str], record_id: str | None
) -> FiledConsent:
    """File that a subject agreed; see :meth:`facematch.watchlist.consents.consents.Consents.give`."""
    with session.operation(AuditAction.RECORD_CONSENT, subject_id=subject_id) as operation:
        check_subject_id(subject_id)
        with operation.write() as tx:
            subject, stored = _the_record(tx, subject_id, record_id)
            changed = stored.consent.give(valid_for=valid_for, evidence=evidence, actor=tx.actor, now=tx.now)
            _ask_the_policy(tx, changed)
            return _changed(tx, subject, stored, changed)


def refuse(session: Session, subject_id: str, *, reason: str | None, record_id: str | None) -> FiledConsent:
    """File that a subject said no; see :meth:`facematch.watchlist.consents.consents.Consents.refuse`."""
    with session.operation(AuditAction.RECORD_CONSENT, subject_id=subject_id) as operation:
        check_subject_id(subject_id)
        with operation.write() as tx:
            subject, stored = _the_record(tx, subject_id, record_id)
            changed = stored.consent.refuse(actor=tx.actor, now=tx.now, reason=reason)
            return _changed(tx, subject, stored, changed)


def renew(
    session: Session, subject_id: str, *, valid_for: timedelta, evidence: str | PathLike[str], record_id: str | None
) -> FiledConsent:
    """Renew a consent; see :meth:`facematch.watchlist.consents.consents.Consents.renew`."""
    with session.operation(AuditAction.RENEW, subject_id=subject_id) as operation:
        check_subject_id(subject_id)
        with operation.write() as tx:
            subject, stored = _the_record(tx, subject_id, record_id)
            changed = stored.consent.renew(valid_for=valid_for, evidence=evidence, actor=tx.actor, now=tx.now)
            _ask_the_policy(tx, changed)
            return _changed(tx, subject, stored, changed)


def receipt(session: Session, subject_id: str, record_id: str | None) -> ConsentReceipt:
    """A signed receipt; see :meth:`facematch.watchlist.consents.consents.Consents.receipt`."""
    with session.operation(AuditAction.RECEIPT, subject_id=subject_id) as operation:
        check_subject_id(subject_id)
        with operation.write() as tx:
            subject, stored = _the_record(tx, subject_id, record_id)
            made = ConsentReceipt.issue(stored.consent, operation.resources.signer, tx.now)
            tx.audit({"consent_record_id": stored.consent.record_id}, subject=subject)
    return made


def _ask_the_policy(tx: Transaction, consent: Consent) -> None:
    tx.policy.policy.check_enrollment(EnrollmentRequest(consent=consent, now=tx.now, actor=tx.actor))


def _changed(tx: Transaction, subject: Subject, stored: StoredConsent, changed: Consent) -> FiledConsent:
    tx.operation.resources.consents.record_transition(tx.connection, subject, stored, changed)
    return _filed(tx, subject, changed)


def _filed(tx: Transaction, subject: Subject, consent: Consent) -> FiledConsent:
    generation = tx.begin_generation()
    state = consent.state.value
    tx.audit({"consent_record_id": consent.record_id, "state": state, "generation": generation}, subject=subject)
    return FiledConsent(consent.subject_id, consent.record_id, state, consent.valid_until, generation)


def _the_record(tx: Transaction, subject_id: str, record_id: str | None) -> tuple[Subject, StoredConsent]:
    """The subject, and the record of that id among theirs; without an id the latest one."""
    subject = tx.require_subject(subject_id)
    filed = tx.operation.resources.consents.of(tx.connection, subject)
    found = [stored for stored in filed if record_id in {None, stored.consent.record_id}]
    if not found:
        raise ConsentTransitionError(
            f"subject {subject_id!r} has no such consent record",
            hint="Watchlist.consents.list() lists them",
        )
    return subject, found[-1]
