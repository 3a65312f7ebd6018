"""Consent records of a watchlist: filed, answered, renewed, ended, listed, receipted."""

from __future__ import annotations

from datetime import timedelta
from os import PathLike

from facematch.governance import AuditAction, Consent, ConsentState, check_subject_id
from facematch.governance.consent.receipts import ConsentReceipt
from facematch.types import FiledConsent, Withdrawal
from facematch.watchlist.consents import record as records
from facematch.watchlist.consents.end import end
from facematch.watchlist.session import Session

__all__ = ["Consents"]


class Consents:
    """The consent records of a watchlist; reach it as ``Watchlist.consents``.

    Args:
        session: The actor's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self, subject_id: str) -> tuple[Consent, ...]:
        """The consent records of a subject as they stand now, oldest first; audited.

        Raises:
            SubjectNotFound: There is no such subject.
        """
        with (
            self._session.operation(AuditAction.READ_CONSENTS, subject_id=subject_id) as operation,
            operation.write() as tx,
        ):
            subject = tx.require_subject(check_subject_id(subject_id))
            filed = operation.resources.consents.of(tx.connection, subject)
            tx.audit({"consents": len(filed)}, subject=subject)
        return tuple(stored.consent for stored in filed)

    def record(self, consent: Consent) -> FiledConsent:
        """File a consent record before any picture is taken, also one that was only asked for.

        Raises:
            PolicyRefused: The policy refuses it.
            ConsentInvalid: It is malformed, or filed already.
            AuditError: The audit entry could not be written; nothing was filed.
        """
        return records.file(self._session, consent)

    def give(
        self, subject_id: str, *, valid_for: timedelta, evidence: str | PathLike[str], record_id: str | None = None
    ) -> FiledConsent:
        """File that the subject agreed to a consent that was only asked for.

        Args:
            subject_id: The subject.
            valid_for: How long from now on.
            evidence: Path of the evidence; only its digest is kept.
            record_id: Which record; default the latest.

        Raises:
            SubjectNotFound: There is no such subject.
            ConsentTransitionError: The record was answered already, or there is none.
            PolicyRefused: The policy refuses it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        return records.give(self._session, subject_id, valid_for=valid_for, evidence=evidence, record_id=record_id)

    def refuse(self, subject_id: str, *, reason: str | None = None, record_id: str | None = None) -> FiledConsent:
        """File that the subject said no to a consent that was asked for; the record is final then.

        Raises:
            SubjectNotFound: There is no such subject.
            ConsentTransitionError: The record was answered already, or there is none.
            AuditError: The audit entry could not be written; nothing changed.
        """
        return records.refuse(self._session, subject_id, reason=reason, record_id=record_id)

    def renew(
        self, subject_id: str, *, valid_for: timedelta, evidence: str | PathLike[str], record_id: str | None = None
    ) -> FiledConsent:
        """Renew a consent that is in force: the subject gave it again, and there is evidence.

        Args:
            subject_id: The subject.
            valid_for: How long from now on.
            evidence: Path of the new evidence; only its digest is kept.
            record_id: Which record; default the latest.

        Raises:
            SubjectNotFound: There is no such subject.
            ConsentTransitionError: The record is not in force any more, or there is none.
            PolicyRefused: The policy refuses it, for example for its length.
            AuditError: The audit entry could not be written; nothing changed.
        """
        return records.renew(self._session, subject_id, valid_for=valid_for, evidence=evidence, record_id=record_id)

    def revoke(self, subject_id: str, *, reason: str) -> Withdrawal:
        """The controller ends every open consent of a subject; otherwise as :meth:`Watchlist.withdraw`."""
        return end(self._session, subject_id, reason, ConsentState.REVOKED)

    def invalidate(self, subject_id: str, *, reason: str) -> Withdrawal:
        """A consent turns out never to have been valid: all open ones end; otherwise as :meth:`Watchlist.withdraw`."""
        return end(self._session, subject_id, reason, ConsentState.INVALIDATED)

    def receipt(self, subject_id: str, *, record_id: str | None = None) -> ConsentReceipt:
        """A signed receipt of a consent record, to hand to the subject; audited.

        Args:
            subject_id: The subject.
            record_id: Which record; default the latest.

        Raises:
            SubjectNotFound: There is no such subject.
        """
        return records.receipt(self._session, subject_id, record_id)
