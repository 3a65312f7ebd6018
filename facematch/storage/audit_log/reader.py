"""The log of a watchlist as its users see it; see :class:`facematch.governance.AuditLog`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import Row, func, select

from facematch.errors import AuditTampered, DatabaseCorrupt, DatabaseUnavailable, FacematchError, InvalidArgument
from facematch.governance.audit.checkpoint import DEFAULT_ORIGIN, AuditSigner, read_checkpoint
from facematch.governance.audit.entries import AuditAction, AuditEntry, AuditOutcome, AuditRecord
from facematch.governance.audit.log import AuditVerification
from facematch.governance.audit.merkle import consistency_path, inclusion_path
from facematch.governance.audit.proofs import ConsistencyProof, InclusionProof
from facematch.governance.audit.verifier import Checkpoint
from facematch.governance.time import from_microseconds, to_utc, utc_now
from facematch.protocols import Clock
from facematch.storage.audit_log.export import publish, require_free, write_export
from facematch.storage.audit_log.state import TAMPERED_HINT, Head, node_getter, read_head, read_tree
from facematch.storage.audit_log.verify import canonical_row, verify_log
from facematch.storage.audit_log.writer import TableAuditWriter
from facematch.storage.database import Database
from facematch.storage.schema import audit, audit_checkpoints

__all__ = ["TableAuditLog"]


class TableAuditLog:
    """Reads, verifies, proves and exports the log.

    Args:
        database: The watchlist's database.
        signer: The log's key. Its public key is what the log is verified with, so it must not come from the database.
        origin: Name of the log in its signatures.
        actor: Who uses it, for the entries of checkpoints and exports.
        clock: The present moment.
    """

    def __init__(
        self,
        database: Database,
        signer: AuditSigner,
        *,
        origin: str = DEFAULT_ORIGIN,
        actor: str = "facematch",
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._signer = signer
        self._origin = origin
        self._actor = actor
        self._clock = clock

    def __len__(self) -> int:
        """Number of entries, pruned ones included."""
        with self._database.read() as connection:
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
        if limit is not None and limit < 0:
            raise InvalidArgument(f"limit must be at least 0, got {limit!r}", hint="leave it out")
        query = select(audit).order_by(audit.c.seq.desc())
        if since_seq is not None:
            query = query.where(audit.c.seq >= since_seq)
        if subject_ref is not None:
            query = query.where(audit.c.subject_ref == subject_ref)
        with self._database.read() as connection:
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
        with self._database.read() as connection:
            return verify_log(connection, public_key=self._signer.public_key, origin=self._origin, outside=note)

    def checkpoint(self) -> Checkpoint:
        """Make a signed checkpoint, which covers the entry that says so; keep its ``note`` somewhere else.

        Raises:
            AuditError: It could not be written.
            AuditTampered: The end of the log is not what was signed.
        """
        with self._database.write() as connection:
            return TableAuditWriter(connection, self._signer, origin=self._origin).checkpoint(
                self._record(AuditAction.CHECKPOINT, {})
            )

    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints made so far, oldest first.

        Raises:
            AuditTampered: One is damaged.
        """
        with self._database.read() as connection:
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
        with self._database.read() as connection:
            head = self._head(read_head(connection))
            if not head.pruned < seq <= head.size:
                raise InvalidArgument(
                    f"there is no audit entry {seq}: the log has {head.pruned + 1} to {head.size}",
                    hint="entries() lists what is there",
                )
            row = connection.execute(select(audit).where(audit.c.seq == seq)).one_or_none()
            entry = None if row is None else canonical_row(row)
            path = inclusion_path(seq - 1, head.size, node_getter(connection))
        proof = InclusionProof(seq, head.size, tuple(path), entry or b"")
        if not proof.verify(head.root):
            raise AuditTampered(f"audit entry {seq} is not what was signed", hint=TAMPERED_HINT)
        return proof

    def root_at(self, size: int) -> bytes:
        """The root of the first ``size`` entries, 32 bytes, proved to be what the signed log begins with.

        Raises:
            InvalidArgument: The log has fewer.
            AuditTampered: The tree is not what was signed.
        """
        return self._consistent(size)[1]

    def consistency(self, old_size: int) -> ConsistencyProof:
        """Prove that the log begins with the log of ``old_size`` entries.

        Args:
            old_size: Size of the earlier log, for example of a checkpoint that was kept.

        Raises:
            InvalidArgument: The log was never of that size.
            AuditTampered: The proof does not hold: the tree is not what was signed.
        """
        return self._consistent(old_size)[0]

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
        path = require_free(folder)
        try:
            with self._database.read() as connection:
                head = self._head(read_head(connection))
                written = write_export(connection, head, self._origin, path.parent)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            with self._database.write() as connection:
                details = {"size": head.size, "root": head.root.hex()}
                writer = TableAuditWriter(connection, self._signer, origin=self._origin)
                writer.append(self._record(AuditAction.EXPORT_AUDIT, details))
                written = publish(written, path)
        except BaseException as error:  # no export without its entry
            shutil.rmtree(written, ignore_errors=True)
            if isinstance(error, OSError):
                raise _unwritable(path, error) from error
            raise
        return written

    def _consistent(self, size: int) -> tuple[ConsistencyProof, bytes]:
        """The proof that the log begins with its first ``size`` entries, and the root of these."""
        with self._database.read() as connection:
            head = self._head(read_head(connection))
            if not 0 <= size <= head.size:
                raise InvalidArgument(
                    f"the log has {head.size} entries, so none of size {size} came before",
                    hint="a checkpoint with more entries than the log says that its end was cut off: run verify()",
                )
            path = consistency_path(size, head.size, node_getter(connection))
            root = read_tree(connection, size).root()
        proof = ConsistencyProof(size, head.size, tuple(path))
        if not proof.verify(root, head.root):
            raise AuditTampered(
                f"the tree over the first {size} audit entries is not what was signed", hint=TAMPERED_HINT
            )
        return proof, root

    def _head(self, head: Head | None) -> Head:
        if head is None:
            raise InvalidArgument("the audit log is empty", hint="it begins with the first call of the watchlist")
        if not head.signed_by(self._signer.public_key, self._origin):
            raise AuditTampered("the head of the audit log is not signed by its key", hint=TAMPERED_HINT)
        return head

    def _record(self, action: AuditAction, details: dict[str, Any]) -> AuditRecord:
        now = to_utc(self._clock(), "the clock's time")
        return AuditRecord(now, self._actor, action, AuditOutcome.DONE, details=details)


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
