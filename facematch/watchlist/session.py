"""What the operations of a watchlist share: database, store, gallery, clock, actor, who may do what, and the audit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from facematch.errors import (
    AccessDenied,
    BackupInvalid,
    FacematchError,
    InferenceError,
    KeyUnavailable,
    ModelError,
    SubjectNotFound,
    WatchlistError,
)
from facematch.gallery.gallery import Gallery
from facematch.gallery.snapshot import Snapshot
from facematch.governance import AuditAction, AuditOutcome, AuditRecord, to_utc
from facematch.governance.keys import SigningKey
from facematch.governance.names import is_subject_id
from facematch.governance.policy import Policy
from facematch.governance.roles import check_permitted
from facematch.protocols import Clock
from facematch.storage.audit_log import TableAuditWriter
from facematch.storage.audit_log.group_commit import GroupCommit
from facematch.storage.consents import ConsentTable
from facematch.storage.database import Database
from facematch.storage.encryption import SubjectCipher
from facematch.storage.governance_state import GovernanceState, GovernanceStateCache
from facematch.storage.integrity.governance_mac import check_governance_mac
from facematch.storage.key_vault import KeyVault
from facematch.storage.subjects import Subject

__all__ = ["Core"]

T = TypeVar("T")

_WRITABLE = (SubjectNotFound, KeyUnavailable, BackupInvalid)
"""Errors of a watchlist whose database can still be written to."""

_ATTEMPTS = 5
"""Searches outside the write lock before one is done inside it, where nobody can come in between."""


class Core:
    """The shared parts of one open watchlist.

    Args:
        database: Transactions.
        codec: Seals and unseals under the vault's keys.
        gallery: The projection that searches run on.
        standing: Reads policies, roles, zones and suspensions.
        actor: Who is using the watchlist.
        clock: The present moment.
    """

    def __init__(
        self,
        database: Database,
        codec: SubjectCipher,
        gallery: Gallery,
        standing: GovernanceStateCache,
        *,
        actor: str,
        clock: Clock,
    ) -> None:
        self.database = database
        self.codec = codec
        self.store = gallery.store
        self.filing = ConsentTable(codec)
        self.gallery = gallery
        self.actor = actor
        self.clock = clock
        self.signer: SigningKey = codec.vault.signing_key()
        self.origin = f"facematch.watchlist/{codec.vault.watchlist_id}"
        self._standing = standing
        self.searches = GroupCommit(database, self.append_audit)
        self._acting: ContextVar[AuditAction | None] = ContextVar("acting", default=None)

    @property
    def vault(self) -> KeyVault:
        """The keys."""
        return self.codec.vault

    def close(self) -> None:
        """Close database and vault and forget the gallery; may be called again."""
        if not self.database.closed:
            self.gallery.save_if_due()
        self.forget()
        self.database.close()
        self.vault.close()

    def forget(self) -> None:
        """Drop what was read from the database."""
        self.gallery.forget()
        self._standing.forget()

    def now(self) -> datetime:
        """The present moment by the injected clock, in UTC.

        Raises:
            InvalidArgument: The clock gave a moment without a timezone.
        """
        return to_utc(self.clock(), "the clock's time")

    def snapshot(self) -> Snapshot:
        """The gallery, brought up to the database."""
        first = not self.gallery.loaded
        with self.database.read() as connection:
            snapshot = self.gallery.refresh(connection)
        if first:
            self.gallery.save_if_due()  # reading it took longer than that
        return snapshot

    @contextmanager
    def concluding(self) -> Iterator[tuple[Connection, list[tuple[str, str, int]]]]:
        """A write transaction that ends something for good: a consent, or a subject.

        What is put into the list (kind, reference, microseconds) is noted in the vault just before the commit. Cut off
        between the two, the next opening finishes the work; a restored backup cannot undo it.
        """
        endings: list[tuple[str, str, int]] = []
        noted = False
        try:
            with self.writing() as connection:
                yield connection, endings
                self.vault.note_endings(endings)
                noted = True
        except BaseException:
            if noted and self._undone(endings):
                self.vault.forget_endings(endings)
            raise

    def _undone(self, endings: list[tuple[str, str, int]]) -> bool:
        """Whether the database still holds what was to end; an interruption may also come just after the commit."""
        with self.database.read() as connection:
            there = {*self.store.references(connection), *(row[0] for row in self.filing.open_records(connection))}
        return any(ref in there for _, ref, _ in endings)

    @contextmanager
    def new_subjects(self) -> Iterator[list[str]]:
        """References of subjects whose data keys are made in the block; keys without a subject go again.

        Stands around the transaction. Where it is cut off, the next opening clears up.
        """
        made: list[str] = []
        try:
            yield made
        except BaseException:
            with self.database.read() as connection:
                there = self.store.references(connection)
            for subject_ref in made:
                if subject_ref not in there:
                    self.codec.destroy_subject(subject_ref)
            raise

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """A write transaction that changes what governs; it begins a new generation at its end."""
        with self.writing() as connection:
            yield connection
            self.store.bump(connection)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction of the operation that goes on: roles that were taken since it began are gone here.

        A generation that was begun in it is noted in the vault, so that an older database is known for what it is.

        Raises:
            AccessDenied: No role of the actor permits the operation any more.
        """
        action = self._acting.get()
        with self.database.write() as connection:
            check_governance_mac(connection, self.codec)  # a change from outside must not get the mark of ours
            before = self.store.generation(connection)
            if action is not None:
                self.authorize(action, self.standing(connection))
            yield connection
            after = self.store.generation(connection)
        if after > before:
            self.vault.note_generation(after)

    def standing(self, connection: Connection) -> GovernanceState:
        """Policies, roles, zones and suspensions; ask before anything is changed in the transaction."""
        return self._standing.at(connection)

    def policy(self, connection: Connection, now: datetime) -> Policy:
        """The policy in force."""
        return self.standing(connection).policy(now).policy

    def concluded(self, compute: Callable[[Snapshot], tuple[AuditRecord, T]]) -> T:
        """The result of ``compute`` on a gallery that was still current when its audit entry was stored.

        Args:
            compute: Gives the entry and the result; it must not change the database.

        Raises:
            AuditError: The entry could not be written; there is no result.
        """
        for _ in range(_ATTEMPTS):
            snapshot = self.snapshot()
            record, result = compute(snapshot)
            if self.searches.commit(snapshot.generation, record):
                return result
        with self.database.write() as connection:  # nobody comes in between here
            snapshot = self.gallery.refresh(connection)
            if snapshot.generation != self.store.generation(connection):  # the file was put back under our feet
                self.forget()
                snapshot = self.gallery.refresh(connection)
            record, result = compute(snapshot)
            self.append_audit(connection, [record])
            return result

    def require_subject(self, connection: Connection, subject_id: str) -> Subject:
        """The subject of that id.

        Raises:
            SubjectNotFound: There is none.
        """
        subject = self.store.subject(connection, subject_id)
        if subject is None:
            raise SubjectNotFound(
                f"there is no subject {subject_id!r} on the watchlist",
                hint="check the spelling; Watchlist.subjects() lists them",
            )
        return subject

    def authorize(self, action: AuditAction, standing: GovernanceState) -> None:
        """Refuse what the actor has no role for.

        Raises:
            AccessDenied: No role of the actor permits it.
        """
        check_permitted(self.actor, standing.roles.get(self.actor, frozenset()), action)

    def require_known(self, standing: GovernanceState) -> None:
        """Refuse to tell an actor without any role how the watchlist is set up.

        Raises:
            AccessDenied: The actor has no role.
        """
        if not standing.roles.get(self.actor):
            raise AccessDenied(
                f"{self.actor!r} has no role on this watchlist",
                hint="an admin can grant one with Watchlist.actors.grant()",
            )

    def configuration(self) -> GovernanceState:
        """Policies, roles, zones and suspensions, for an actor who has a role.

        Raises:
            AccessDenied: The actor has none.
        """
        with self.database.read() as connection:
            standing = self.standing(connection)
        self.require_known(standing)
        return standing

    def append_audit(self, connection: Connection, records: Sequence[AuditRecord]) -> None:
        """Append audit entries in the transaction of ``connection``.

        Raises:
            AuditError: They could not be written; the transaction must not commit.
        """
        self.audit_writer(connection).append_many(records)

    def audit_writer(self, connection: Connection) -> TableAuditWriter:
        """Appends to the audit log in the transaction of ``connection``."""
        return TableAuditWriter(connection, self.signer, self.codec.seal_bytes, origin=self.origin)

    def audit(
        self,
        connection: Connection,
        action: AuditAction,
        outcome: AuditOutcome,
        details: dict[str, Any],
        *,
        subject: Subject | None = None,
        now: datetime | None = None,
        private: dict[str, Any] | None = None,
    ) -> int:
        """Write one audit entry in the transaction of ``connection`` and return its ``seq``.

        Raises:
            AuditError: It could not be written; the transaction must not commit.
        """
        record = self.audit_record(action, outcome, details, subject=subject, now=now, private=private)
        return self.audit_writer(connection).append(record)

    def audit_record(
        self,
        action: AuditAction,
        outcome: AuditOutcome,
        details: dict[str, Any],
        *,
        subject: Subject | None = None,
        now: datetime | None = None,
        private: dict[str, Any] | None = None,
    ) -> AuditRecord:
        """An audit entry of this actor, not written yet."""
        return AuditRecord(
            time=self.now() if now is None else now,
            actor=self.actor,
            action=action,
            outcome=outcome,
            subject_ref=None if subject is None else subject.subject_ref,
            details=details,
            private={} if private is None else private,
        )

    @contextmanager
    def operation(self, action: AuditAction, *, subject_id: str | None = None) -> Iterator[dict[str, Any]]:
        """One call: refused unless a role permits it; what leaves the block as one of our errors is audited.

        An unknown subject id is not kept: it may be a name. Errors of the database itself are not audited, because
        there is nothing to write them to.

        Yields:
            Details to fill in; they go into the entry of a refusal together with the error's code.

        Raises:
            AccessDenied: No role of the actor permits it.
        """
        details: dict[str, Any] = {}
        try:
            with self.database.read() as connection:
                standing = self.standing(connection)
            self.authorize(action, standing)
            outer = self._acting.set(action)
            try:
                yield details
            finally:
                self._acting.reset(outer)
        except FacematchError as error:
            unwritable = isinstance(error, WatchlistError) and not isinstance(error, _WRITABLE)
            if unwritable:
                raise
            failed = isinstance(error, ModelError | InferenceError | KeyUnavailable)
            with self.database.write() as connection:
                known = subject_id if is_subject_id(subject_id) else None
                subject = None if known is None else self.store.subject(connection, known)
                self.audit(
                    connection,
                    action,
                    AuditOutcome.FAILED if failed else AuditOutcome.REFUSED,
                    {**details, "code": error.code},
                    subject=subject,
                )
            raise
