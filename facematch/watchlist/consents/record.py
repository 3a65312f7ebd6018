"""Filing a consent before any picture is taken, renewing one, and giving receipts."""

from __future__ import annotations

from datetime import timedelta
from os import PathLike

from facematch.errors import ConsentInvalid, ConsentRequired, ConsentTransitionError
from facematch.governance import AuditAction, AuditOutcome, Consent, check_subject_id
from facematch.governance.consent.receipts import ConsentReceipt
from facematch.governance.policy import EnrollmentRequest
from facematch.storage.consents import StoredConsent, check_new_record, checked_record
from facematch.types import Renewal
from facematch.watchlist.session import Core

__all__ = ["answer", "receipt", "record_consent", "renew"]


def record_consent(core: Core, consent: Consent) -> int:
    """File a consent record; see :meth:`facematch.watchlist.Watchlist.record_consent`."""
    with core.operation(AuditAction.RECORD_CONSENT, subject_id=getattr(consent, "subject_id", None)):
        record = checked_record(consent)
        with core.new_subjects() as made, core.writing() as connection:
            now = core.now()
            ruling = core.standing(connection).policy(now)
            ruling.policy.check_enrollment(EnrollmentRequest(consent=record, now=now, actor=core.actor))
            if record.record_id in core.vault.endings():
                raise ConsentRequired(
                    "this consent record has ended for good", hint="let the subject give a new consent record"
                )
            subject = core.store.subject(connection, record.subject_id)
            if core.filing.find(connection, subject, record) is not None:
                raise ConsentInvalid("this consent record is filed already", hint="nothing needs to be done")
            check_new_record(record, [] if subject is None else core.filing.of(connection, subject), now)
            if subject is None:
                subject = core.store.add_subject(connection, record.subject_id, now)
                made.append(subject.subject_ref)
            core.filing.file(connection, subject, record)
            generation = core.store.bump(connection)
            details = {"consent_record_id": record.record_id, "state": record.state.value, "generation": generation}
            core.audit(connection, AuditAction.RECORD_CONSENT, AuditOutcome.DONE, details, subject=subject, now=now)
    return generation


def answer(
    core: Core,
    subject_id: str,
    record_id: str | None,
    *,
    given: tuple[timedelta, str | PathLike[str]] | None,
    reason: str | None = None,
) -> Renewal | None:
    """File the answer to a consent that was asked for; see :meth:`facematch.watchlist.Watchlist.give_consent`.

    Args:
        core: The open watchlist.
        subject_id: The subject.
        record_id: Which record; default the latest.
        given: How long and on which evidence, or ``None`` where the subject said no.
        reason: Why not.
    """
    with core.operation(AuditAction.RECORD_CONSENT, subject_id=subject_id):
        check_subject_id(subject_id)
        with core.writing() as connection:
            subject = core.require_subject(connection, subject_id)
            now = core.now()
            stored = _the_record(core.filing.of(connection, subject), record_id, subject_id)
            if given is None:
                changed = stored.consent.refuse(actor=core.actor, now=now, reason=reason)
            else:
                changed = stored.consent.give(valid_for=given[0], evidence=given[1], actor=core.actor, now=now)
                ruling = core.standing(connection).policy(now)
                ruling.policy.check_enrollment(EnrollmentRequest(consent=changed, now=now, actor=core.actor))
            core.filing.record_transition(connection, subject, stored, changed)
            generation = core.store.bump(connection)
            details = {"consent_record_id": changed.record_id, "state": changed.state.value, "generation": generation}
            core.audit(connection, AuditAction.RECORD_CONSENT, AuditOutcome.DONE, details, subject=subject, now=now)
    end = changed.valid_until
    return None if end is None else Renewal(subject_id, changed.record_id, end, generation)


def renew(
    core: Core, subject_id: str, valid_for: timedelta, evidence: str | PathLike[str], record_id: str | None
) -> Renewal:
    """Renew a consent; see :meth:`facematch.watchlist.Watchlist.renew`."""
    with core.operation(AuditAction.RENEW, subject_id=subject_id):
        check_subject_id(subject_id)
        with core.writing() as connection:
            subject = core.require_subject(connection, subject_id)
            now = core.now()
            stored = _the_record(core.filing.of(connection, subject), record_id, subject_id)
            changed = stored.consent.renew(valid_for=valid_for, evidence=evidence, actor=core.actor, now=now)
            ruling = core.standing(connection).policy(now)
            ruling.policy.check_enrollment(EnrollmentRequest(consent=changed, now=now, actor=core.actor))
            core.filing.record_transition(connection, subject, stored, changed)
            generation = core.store.bump(connection)
            details = {"consent_record_id": changed.record_id, "generation": generation}
            core.audit(connection, AuditAction.RENEW, AuditOutcome.DONE, details, subject=subject, now=now)
    end = changed.valid_until
    assert end is not None
    return Renewal(subject_id, changed.record_id, end, generation)


def receipt(core: Core, subject_id: str, record_id: str | None) -> ConsentReceipt:
    """A signed receipt; see :meth:`facematch.watchlist.Watchlist.receipt`."""
    with core.operation(AuditAction.RECEIPT, subject_id=subject_id):
        check_subject_id(subject_id)
        with core.writing() as connection:
            subject = core.require_subject(connection, subject_id)
            now = core.now()
            stored = _the_record(core.filing.of(connection, subject), record_id, subject_id)
            made = ConsentReceipt.issue(stored.consent, core.signer, now)
            details = {"consent_record_id": stored.consent.record_id}
            core.audit(connection, AuditAction.RECEIPT, AuditOutcome.DONE, details, subject=subject, now=now)
    return made


def _the_record(filed: list[StoredConsent], record_id: str | None, subject_id: str) -> StoredConsent:
    """The record of that id, or the latest."""
    found = [stored for stored in filed if record_id is None or stored.consent.record_id == record_id]
    if not found:
        raise ConsentTransitionError(
            f"subject {subject_id!r} has no such consent record", hint="Watchlist.consents() lists them"
        )
    return found[-1]
