"""From a subject's consent to the proof of the erasure, and the lists in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import Any

from facematch.governance import Consent, ConsentState
from facematch.governance.consent.receipts import ConsentReceipt
from facematch.protocols import Progress
from facematch.types import Erasure, Renewal, SubjectRecord, Sweep, Withdrawal
from facematch.watchlist import subjects as records
from facematch.watchlist.consents import end as endings
from facematch.watchlist.consents import record as consenting
from facematch.watchlist.data_lifecycle import erasure
from facematch.watchlist.data_lifecycle.retention import sweep
from facematch.watchlist.handle import Handle

__all__ = ["SubjectLifecycle"]


class SubjectLifecycle(Handle):
    """Consents, their endings, and erasure; a part of :class:`~facematch.watchlist.Watchlist`."""

    def record_consent(self, consent: Consent) -> int:
        """File a consent record before any picture is taken, also one that was only asked for; returns the generation.

        Raises:
            PolicyRefused: The policy refuses it.
            ConsentInvalid: It is malformed, or filed already.
            AuditError: The audit entry could not be written; nothing was filed.
        """
        return consenting.record_consent(self._core, consent)

    def give_consent(
        self, subject_id: str, *, valid_for: timedelta, evidence: str | PathLike[str], record_id: str | None = None
    ) -> Renewal:
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
        given = consenting.answer(self._core, subject_id, record_id, given=(valid_for, evidence))
        assert given is not None
        return given

    def refuse_consent(self, subject_id: str, *, reason: str | None = None, record_id: str | None = None) -> None:
        """File that the subject said no to a consent that was asked for; the record is final then.

        Raises:
            SubjectNotFound: There is no such subject.
            ConsentTransitionError: The record was answered already, or there is none.
            AuditError: The audit entry could not be written; nothing changed.
        """
        consenting.answer(self._core, subject_id, record_id, given=None, reason=reason)

    def renew(
        self, subject_id: str, *, valid_for: timedelta, evidence: str | PathLike[str], record_id: str | None = None
    ) -> Renewal:
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
        return consenting.renew(self._core, subject_id, valid_for, evidence, record_id)

    def receipt(self, subject_id: str, *, record_id: str | None = None) -> ConsentReceipt:
        """A signed receipt of a consent record, to hand to the subject; audited.

        Raises:
            SubjectNotFound: There is no such subject.
        """
        return consenting.receipt(self._core, subject_id, record_id)

    def withdraw(self, subject_id: str, *, reason: str) -> Withdrawal:
        """The subject ends every open consent, also one that has expired or not begun.

        From the commit on no search in any process can return the subject, and no restored backup brings the consent
        back. The templates stay until :meth:`erase` or the sweeper.

        Args:
            subject_id: The subject.
            reason: Why; sealed under the subject's key, and gone with it.

        Raises:
            SubjectNotFound: There is no such subject.
            ConsentTransitionError: Everything has ended already.
            AuditError: The audit entry could not be written; nothing was withdrawn.
        """
        return endings.end(self._core, subject_id, reason, ConsentState.WITHDRAWN)

    def revoke(self, subject_id: str, *, reason: str) -> Withdrawal:
        """The controller ends every open consent of a subject; otherwise as :meth:`withdraw`."""
        return endings.end(self._core, subject_id, reason, ConsentState.REVOKED)

    def invalidate(self, subject_id: str, *, reason: str) -> Withdrawal:
        """A consent turns out never to have been valid: all open ones end; otherwise as :meth:`withdraw`."""
        return endings.end(self._core, subject_id, reason, ConsentState.INVALIDATED)

    def erase(self, subject_id: str, *, reason: str) -> Erasure:
        """Remove a subject: templates, consent records, the row itself, and the data key that they were sealed under.

        The file is rebuilt and the write-ahead log emptied, so neither keeps the bytes. Backups keep sealed bytes that
        nobody can open any more. Other processes drop the vectors from memory with their next search. The audit
        entries stay, under a random reference that no longer leads anywhere.

        Args:
            subject_id: The subject.
            reason: Why; in the certificate, and stored nowhere.

        Raises:
            SubjectNotFound: There is no such subject.
            ErasureUnfinished: The rows and the key are gone, but another process kept the files from being rebuilt;
                the next open or erase finishes the work.
            AuditError: The audit entry could not be written; nothing was erased.
        """
        return erasure.erase(self._core, subject_id, reason)

    def check_erasure(
        self, certificate: Mapping[str, Any] | str | bytes, *, also: Sequence[Path] = ()
    ) -> erasure.ErasureCheck:
        """Prove an erasure by its certificate: by rows, gallery, key state, audit log, and the bytes of all files.

        Args:
            certificate: What :meth:`erase` returned, as plain data or JSON.
            also: More files to scan, such as snapshots that should hold nothing.

        Raises:
            ReceiptInvalid: The certificate is not genuine.
        """
        return erasure.check_erasure(self._core, certificate, also)

    def sweep(
        self,
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
        on_erasure: Callable[[Erasure], None] | None = None,
    ) -> Sweep:
        """Apply the policy's retention now, by the watchlist's clock: expire, erase, reject and prune what is due.

        Args:
            dry_run: Only say what would be done.
            progress: Called for every subject that is erased.
            on_erasure: Called with every receipt as soon as it is there, so that its certificate can be kept even if
                the sweep is cut off later.

        Raises:
            AccessDenied: No role of the actor permits it.
            DatabaseUnavailable: Another process kept the files from being rebuilt; a later run goes on.
        """
        return sweep(self._core, dry_run=dry_run, progress=progress, on_erasure=on_erasure)

    def subjects(self) -> list[SubjectRecord]:
        """All subjects by id, with their state now; audited."""
        return records.subjects(self._core)

    def templates(self, subject_id: str | None = None) -> int:
        """Number of templates stored, of one subject or of all; audited.

        Raises:
            SubjectNotFound: There is no such subject.
        """
        return records.template_count(self._core, subject_id)

    def consents(self, subject_id: str) -> list[Consent]:
        """The consent records of a subject as they stand now, oldest first; audited.

        Raises:
            SubjectNotFound: There is no such subject.
        """
        return records.consents(self._core, subject_id)
