"""Sessions of actors on a watchlist's resources, and the operations that alone may read and write them.

An operation is one call of an actor: authorized by a role when it begins, and once more inside each of its write
transactions. ``Database.write`` asks for an :class:`~facematch.storage.database.Authorization`, and only this module
makes one, so there is no way to write without an operation. Nothing depends on the thread or on a context variable:
sessions and operations are objects, which threads may use side by side.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from facematch.errors import (
    AccessDenied,
    BackupInvalid,
    FacematchError,
    InferenceError,
    KeyUnavailable,
    ModelError,
    SubjectNotFound,
    WatchlistClosed,
    WatchlistError,
)
from facematch.gallery.snapshot import Snapshot
from facematch.governance import AuditAction, AuditOutcome, AuditRecord, to_microseconds
from facematch.governance.names import is_subject_id
from facematch.governance.policy import PolicyVersion
from facematch.governance.roles import check_permitted
from facematch.storage.database import Authorization
from facematch.storage.governance_state import GovernanceState
from facematch.storage.integrity.governance_mac import check_governance_mac
from facematch.storage.key_vault import Tombstone
from facematch.storage.subjects import Subject
from facematch.watchlist.resources import Resources

__all__ = ["Maintenance", "Operation", "Session", "Transaction"]

logger = logging.getLogger(__name__)

_WRITABLE = (SubjectNotFound, KeyUnavailable, BackupInvalid)
"""Errors of a watchlist whose database can still be written to."""


class Session:
    """One actor on the resources of an open watchlist; as cheap as an object.

    Args:
        resources: What is shared.
        actor: The actor that every operation is authorized for and audited under.
    """

    def __init__(self, resources: Resources, actor: str) -> None:
        self._resources = resources
        self.actor = actor
        self._closed = False

    @property
    def resources(self) -> Resources:
        """What is shared.

        Raises:
            WatchlistClosed: The session is closed.
        """
        if self._closed:
            raise WatchlistClosed("the watchlist is closed", hint="open it again with Watchlist.open()")
        return self._resources

    @contextmanager
    def operation(self, action: AuditAction, *, subject_id: str | None = None) -> Iterator[Operation]:
        """One call: refused unless a role permits it; a facematch error that leaves the block is audited.

        An unknown subject id is not kept: it may be a name. Errors of the database itself are not audited, because
        there is nothing to write them to.

        Args:
            action: What is done.
            subject_id: Whom it concerns, for the entry of a refusal.

        Raises:
            AccessDenied: No role of the actor permits it.
        """
        operation = Operation(self, action, subject_id)
        try:
            with operation.read() as connection:
                operation.authorize(self.resources.governance.at(connection))
            logger.debug("operation begins", extra={"operation": str(action)})
            yield operation
            logger.info("operation done", extra={"operation": str(action)})
        except FacematchError as error:
            logger.info("operation refused or failed", extra={"operation": str(action), "code": error.code})
            if not isinstance(error, WatchlistError) or isinstance(error, _WRITABLE):
                operation.audit_failure(error)
            raise

    @contextmanager
    def inspection(self) -> Iterator[tuple[Connection, GovernanceState]]:
        """A read of how the watchlist is set up, for an actor with any role; not audited.

        Raises:
            AccessDenied: The actor has no role.
        """
        resources = self.resources
        with resources.database.read() as connection:
            governance = resources.governance.at(connection)
            if not governance.roles.get(self.actor):
                raise AccessDenied(
                    f"{self.actor!r} has no role on this watchlist",
                    hint="an admin can grant one with Watchlist.actors.grant()",
                )
            yield connection, governance

    def configuration(self) -> GovernanceState:
        """Policies, roles, zones and suspensions, for an actor with any role.

        Raises:
            AccessDenied: The actor has none.
        """
        with self.inspection() as (_, governance):
            return governance

    def close(self) -> None:
        """End the session; the resources stay open. May be called again."""
        self._closed = True


class Operation:
    """One authorized call of an actor; get it from :meth:`Session.operation`.

    Args:
        session: Whose call it is.
        action: What is done.
        subject_id: Whom it concerns, or ``None``.

    Attributes:
        details: Goes into the audit entry of a refusal, together with the error's code.
    """

    def __init__(self, session: Session, action: AuditAction, subject_id: str | None = None) -> None:
        self.session = session
        self.action = action
        self.resources = session.resources
        self.details: dict[str, Any] = {}
        self._subject_id = subject_id

    @property
    def actor(self) -> str:
        """The actor."""
        return self.session.actor

    @property
    def authorization(self) -> Authorization:
        """What opens a write transaction."""
        return Authorization(self.actor, self.action)

    def now(self) -> datetime:
        """The present moment, UTC."""
        return self.resources.now()

    def authorize(self, governance: GovernanceState) -> None:
        """Refuse what the actor has no role for.

        Raises:
            AccessDenied: No role of the actor permits it.
        """
        check_permitted(self.actor, governance.roles.get(self.actor, frozenset()), self.action)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction."""
        with self.resources.database.read() as connection:
            yield connection

    def snapshot(self) -> Snapshot:
        """The gallery, brought up to the database."""
        return self.resources.snapshot()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A write transaction, authorized once more; what it began besides the database is undone where it fails.

        Its tombstones are recorded in the vault just before the commit: cut off between the two, the next opening
        finishes the work, and a restored backup cannot undo it. A generation that it began is noted in the vault after
        the commit, so that an older database is known for what it is.

        Raises:
            AccessDenied: No role of the actor permits the operation any more.
        """
        resources = self.resources
        transaction: Transaction | None = None
        buried = False
        try:
            with resources.database.write(self.authorization) as connection:
                check_governance_mac(connection, resources.cipher)  # a change from outside must not get our MAC
                before = resources.subjects.generation(connection)
                governance = resources.governance.at(connection)
                self.authorize(governance)
                transaction = Transaction(self, connection, governance)
                yield transaction
                after = resources.subjects.generation(connection)
                if transaction.tombstones:
                    resources.vault.record_tombstones(transaction.tombstones)
                    buried = True
        except BaseException:
            if transaction is not None:
                self._undo(transaction, buried=buried)
            raise
        if after > before:
            resources.vault.note_generation(after)

    def _undo(self, transaction: Transaction, *, buried: bool) -> None:
        """Take back what a failed transaction left in the vault; an interruption may also come just after a commit."""
        if not buried and not transaction.new_refs:
            return
        resources = self.resources
        with resources.database.read() as connection:
            subjects = resources.subjects.references(connection)
            records = {row[0] for row in resources.consents.open_records(connection)}
        if buried and any(ref in subjects or ref in records for _, ref, _ in transaction.tombstones):
            resources.vault.remove_tombstones(transaction.tombstones)
        for subject_ref in transaction.new_refs:
            if subject_ref not in subjects:
                resources.cipher.destroy_subject(subject_ref)

    def audit_record(
        self,
        outcome: AuditOutcome,
        details: dict[str, Any],
        *,
        subject_ref: str | None = None,
        now: datetime | None = None,
        private: dict[str, Any] | None = None,
        action: AuditAction | None = None,
    ) -> AuditRecord:
        """An audit entry of this call, not written yet."""
        return AuditRecord(
            time=self.now() if now is None else now,
            actor=self.actor,
            action=self.action if action is None else action,
            outcome=outcome,
            subject_ref=subject_ref,
            details=details,
            private={} if private is None else private,
        )

    def audit_failure(self, error: FacematchError) -> None:
        """Write the audit entry of a call that was refused, or that failed for its models or keys."""
        failed = isinstance(error, ModelError | InferenceError | KeyUnavailable)
        outcome = AuditOutcome.FAILED if failed else AuditOutcome.REFUSED
        resources = self.resources
        with resources.database.write(self.authorization) as connection:
            known = self._subject_id if is_subject_id(self._subject_id) else None
            subject = None if known is None else resources.subjects.subject(connection, known)
            ref = None if subject is None else subject.subject_ref
            record = self.audit_record(outcome, {**self.details, "code": error.code}, subject_ref=ref)
            resources.append_audit(connection, [record])


class Maintenance(Operation):
    """An operation that needs no role: creation and recovery while a watchlist is being opened, audited as others."""

    def authorize(self, governance: GovernanceState) -> None:
        """Permit it; there may be no roles yet."""


class Transaction:
    """A write transaction of an operation; get it from :meth:`Operation.write`.

    Args:
        operation: The call.
        connection: The database connection, in the transaction.
        governance: Policies, roles, zones and suspensions as they stood at its beginning.

    Attributes:
        tombstones: What ends for good with the commit; recorded in the vault just before it.
        new_refs: References of subjects whose data keys were made in it.
    """

    def __init__(self, operation: Operation, connection: Connection, governance: GovernanceState) -> None:
        self.operation = operation
        self.connection = connection
        self.governance = governance
        self.now = operation.now()
        self.tombstones: list[Tombstone] = []
        self.new_refs: list[str] = []

    @property
    def actor(self) -> str:
        """The actor."""
        return self.operation.actor

    @property
    def policy(self) -> PolicyVersion:
        """The policy in force."""
        return self.governance.policy(self.now)

    def require_subject(self, subject_id: str) -> Subject:
        """The subject of that id.

        Raises:
            SubjectNotFound: There is none.
        """
        return self.operation.resources.require_subject(self.connection, subject_id)

    def add_subject(self, subject_id: str) -> Subject:
        """A new subject with a data key; the key goes again where the transaction fails."""
        subject = self.operation.resources.subjects.add_subject(self.connection, subject_id, self.now)
        self.new_refs.append(subject.subject_ref)
        return subject

    def bury(self, kind: str, *references: str) -> None:
        """Record tombstones: that consent records or subjects of these references have ended for good."""
        moment = to_microseconds(self.now)
        self.tombstones.extend((kind, reference, moment) for reference in references)

    def begin_generation(self, *, unscrubbed: bool = False) -> int:
        """Begin a new generation and return it; everything else but audit entries must be written by then.

        Args:
            unscrubbed: The files may hold bytes that were deleted, and must be rebuilt.
        """
        subjects = self.operation.resources.subjects
        generation = subjects.begin_generation(self.connection)
        if unscrubbed:
            subjects.mark_unscrubbed(self.connection, generation)
        return generation

    def audit(
        self,
        details: dict[str, Any],
        *,
        subject: Subject | None = None,
        private: dict[str, Any] | None = None,
        action: AuditAction | None = None,
    ) -> int:
        """Write the audit entry of what was done, and return its ``seq``.

        Raises:
            AuditError: It could not be written; the transaction must not commit.
        """
        record = self.operation.audit_record(
            AuditOutcome.DONE,
            details,
            subject_ref=None if subject is None else subject.subject_ref,
            now=self.now,
            private=private,
            action=action,
        )
        return self.operation.resources.audit_writer(self.connection).append(record)
