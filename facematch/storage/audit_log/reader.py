"""The audit log as its users see it: read, verified, proved and exported, each by an authorized operation."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Row, func, select

from facematch.errors import AuditTampered, DatabaseCorrupt, DatabaseUnavailable, FacematchError, InvalidArgument
from facematch.governance.audit.checkpoint import DEFAULT_ORIGIN, AuditSigner, read_checkpoint
from facematch.governance.audit.entries import AuditAction, AuditEntry, AuditOutcome, AuditRecord
from facematch.governance.audit.findings import AuditVerification
from facematch.governance.audit.proofs import ConsistencyProof, InclusionProof
from facematch.governance.audit.verifier import Checkpoint
from facematch.governance.time import from_microseconds
from facematch.storage.audit_log.export import publish, require_free, write_export
from facematch.storage.audit_log.prove import prove_consistency, prove_inclusion, signed_head
from facematch.storage.audit_log.state import TAMPERED_HINT
from facematch.storage.audit_log.verify import verify_log
from facematch.storage.audit_log.writer import TableAuditWriter
from facematch.storage.schema import audit, audit_checkpoints

__all__ = ["AuditLog", "LogAccess", "LogOperation", "LogTransaction"]


class LogTransaction(Protocol):
    """A write transaction of an operation on the log."""

    @property
    def connection(self) -> Connection:
        """The connection, in the transaction."""
        ...


class LogOperation(Protocol):
    """An authorized operation on the log."""

    @property
    def actor(self) -> str:
        """The actor, for entries."""
        ...

    def now(self) -> datetime:
        """The present moment, UTC."""
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """A read transaction."""
        ...

    def write(self) -> AbstractContextManager[LogTransaction]:
        """A write transaction."""
        ...


class LogAccess(Protocol):
    """What authorizes operations on the log: a session of an actor."""

    def operation(self, action: AuditAction) -> AbstractContextManager[LogOperation]:
        """An operation, refused unless a role permits it."""
        ...


class AuditLog:
    """The audit log of a watchlist; reach it as ``Watchlist.audit``.

    Every method raises ``AccessDenied`` unless a role of the actor permits it.

    Args:
        access: Authorizes each call.
        signer: The log's key. Its public key is what the log is verified with, so it must not come from the database.
        origin: Name of the log in its signatures.
    """

    def __init__(self, access: LogAccess, signer: AuditSigner, *, origin: str = DEFAULT_ORIGIN) -> None:
        self._access = access
        self._signer = signer
        self._origin = origin

    @property
    def public_key(self) -> bytes:
        """The key that checkpoints are verified with, 32 bytes; hand it to auditors by a way that they trust."""
        return self._signer.public_key

    @property
    def origin(self) -> str:
        """Name of the log in its checkpoints."""
        return self._origin

    def __len__(self) -> int:
        """Number of entries, pruned ones included."""
        with self._reading() as connection:
            return int(connection.execute(select(func.coalesce(func.max(audit.c.seq), 0))).scalar_one())

    def entries(
        self, *, limit: int | None = None, since_seq: int | None = None, subject_ref: str | None = None
    ) -> list[AuditEntry]:
        """The entries in order, those that were pruned left out.

        Args:
            limit: Only the latest so many of those that are asked for, not negative.
            since_seq: Only those with this ``seq`` or a higher one.
            subject_ref: Only those of this subject.

        Raises:
            InvalidArgument: The limit is negative.
            DatabaseCorrupt: An entry is damaged.
        """
        with self._reading() as connection:
            if limit is not None and limit < 0:
                raise InvalidArgument(f"limit must be at least 0, got {limit!r}", hint="leave it out")
            query = select(audit).order_by(audit.c.seq.desc())
            if since_seq is not None:
                query = query.where(audit.c.seq >= since_seq)
            if subject_ref is not None:
                query = query.where(audit.c.subject_ref == subject_ref)
            rows = connection.execute(query if limit is None else query.limit(limit)).all()
        return [_entry(row) for row in reversed(rows)]

    def verify(self, checkpoint: Checkpoint | str | None = None) -> AuditVerification:
        """Recompute every leaf, node, root and signature, and name every place that does not fit.

        Without a checkpoint that was kept elsewhere, an older state of the whole log that was put back, with the head
        that was signed then, is not found.

        Args:
            checkpoint: One that was kept elsewhere, or its text.
        """
        note = checkpoint.note if isinstance(checkpoint, Checkpoint) else checkpoint
        with self._reading() as connection:
            return verify_log(connection, public_key=self._signer.public_key, origin=self._origin, outside=note)

    def checkpoint(self) -> Checkpoint:
        """Make a signed checkpoint, which covers the entry that says so; keep its ``note`` somewhere else.

        Raises:
            AuditError: It could not be written.
            AuditTampered: The end of the log is not what was signed.
        """
        with self._access.operation(AuditAction.CHECKPOINT) as operation, operation.write() as tx:
            writer = TableAuditWriter(tx.connection, self._signer, origin=self._origin)
            return writer.checkpoint(_record(operation, AuditAction.CHECKPOINT, {}))

    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints made so far, oldest first.

        Raises:
            AuditTampered: One is damaged.
        """
        with self._reading() as connection:
            notes = connection.execute(select(audit_checkpoints.c.note).order_by(audit_checkpoints.c.id)).scalars()
            try:
                return [read_checkpoint(str(note)) for note in notes]
            except InvalidArgument as error:
                raise AuditTampered("a checkpoint in the database is damaged", hint=TAMPERED_HINT) from error

    def prove(self, seq: int) -> InclusionProof:
        """Prove that an entry is in the log as it stands now.

        Args:
            seq: Its number, from 1.

        Raises:
            InvalidArgument: There is no such entry, or its content was pruned.
            AuditTampered: The proof does not hold: the entry or the tree is not what was signed.
        """
        with self._reading() as connection:
            return prove_inclusion(connection, seq, public_key=self.public_key, origin=self._origin)

    def consistency(self, old_size: int) -> ConsistencyProof:
        """Prove that the log begins with the log of ``old_size`` entries.

        Args:
            old_size: Size of the earlier log, for example of a checkpoint that was kept.

        Raises:
            InvalidArgument: The log was never of that size.
            AuditTampered: The proof does not hold: the tree is not what was signed.
        """
        with self._reading() as connection:
            return prove_consistency(connection, old_size, public_key=self.public_key, origin=self._origin)[0]

    def export(self, folder: str | os.PathLike[str]) -> Path:
        """Write everything that an offline verification needs into a new folder, readable by its owner only.

        The export ends before the entry that says that it was made.

        Args:
            folder: Must not be there yet, or be empty.

        Raises:
            InvalidArgument: The folder is taken.
            DatabaseUnavailable: It cannot be written.
            AuditTampered: The head or an entry is damaged.
            AuditError: The entry could not be written; there is no export.
        """
        with self._access.operation(AuditAction.EXPORT_AUDIT) as operation:
            path = require_free(folder)
            try:
                with operation.read() as connection:
                    head = signed_head(connection, public_key=self.public_key, origin=self._origin)
                    written = write_export(connection, head, self._origin, path.parent)
            except OSError as error:
                raise _unwritable(path, error) from error
            try:
                with operation.write() as tx:
                    details = {"size": head.size, "root": head.root.hex()}
                    writer = TableAuditWriter(tx.connection, self._signer, origin=self._origin)
                    writer.append(_record(operation, AuditAction.EXPORT_AUDIT, details))
                    written = publish(written, path)
            except BaseException as error:  # no export without its entry
                shutil.rmtree(written, ignore_errors=True)
                if isinstance(error, OSError):
                    raise _unwritable(path, error) from error
                raise
        return written

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._access.operation(AuditAction.READ_AUDIT) as operation, operation.read() as connection:
            yield connection


def _record(operation: LogOperation, action: AuditAction, details: dict[str, Any]) -> AuditRecord:
    return AuditRecord(operation.now(), operation.actor, action, AuditOutcome.DONE, details=details)


def _unwritable(path: Path, error: OSError) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"the export {path.name!r} cannot be written: {error.strerror or error}",
        hint="check the folder's permissions and the disk",
    )


def _entry(row: Row[Any]) -> AuditEntry:
    try:
        return AuditEntry(
            seq=row.seq,
            time=from_microseconds(row.time),
            actor=row.actor,
            action=row.action,
            outcome=row.outcome,
            subject_ref=row.subject_ref,
            details=json.loads(row.details),
            sealed=row.sealed,
            nonce=row.nonce,
        )
    except (ValueError, TypeError, FacematchError) as error:
        raise DatabaseCorrupt("an audit entry in the database is damaged", hint="restore a backup") from error
