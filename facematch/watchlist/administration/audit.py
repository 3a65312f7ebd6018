"""The audit log behind the roles: who may read, verify, prove and export it."""

from __future__ import annotations

import os
from pathlib import Path

from facematch.governance import AuditAction, AuditEntry
from facematch.governance.audit import AuditVerification, Checkpoint, ConsistencyProof, InclusionProof
from facematch.storage.audit_log import TableAuditLog
from facematch.watchlist.session import Core

__all__ = ["GovernedAuditLog"]


class GovernedAuditLog:
    """The audit log of a watchlist; reach it as ``Watchlist.audit``. A :class:`facematch.governance.AuditLog`.

    Every method raises ``AccessDenied`` unless a role of the actor permits it.

    Args:
        core: The open watchlist.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._log = TableAuditLog(core.database, core.signer, origin=core.origin, actor=core.actor, clock=core.clock)

    @property
    def public_key(self) -> bytes:
        """The key that checkpoints are verified with, 32 bytes; hand it to auditors by a way that they trust."""
        return self._core.signer.public_key

    @property
    def origin(self) -> str:
        """Name of the log in its checkpoints."""
        return self._core.origin

    def __len__(self) -> int:
        """Number of entries, pruned ones included."""
        with self._core.operation(AuditAction.READ_AUDIT):
            return len(self._log)

    def entries(
        self, *, limit: int | None = None, since_seq: int | None = None, subject_ref: str | None = None
    ) -> list[AuditEntry]:
        """The entries in order, those that were pruned left out.

        Args:
            limit: Only the latest so many of those that are asked for, not negative.
            since_seq: Only those with this ``seq`` or a higher one.
            subject_ref: Only those of this subject.
        """
        with self._core.operation(AuditAction.READ_AUDIT):
            return self._log.entries(limit=limit, since_seq=since_seq, subject_ref=subject_ref)

    def verify(self, checkpoint: Checkpoint | str | None = None) -> AuditVerification:
        """Recompute everything and name every place that does not fit.

        Args:
            checkpoint: A checkpoint that was kept elsewhere; only that finds an older state put back as a whole.
        """
        with self._core.operation(AuditAction.READ_AUDIT):
            return self._log.verify(checkpoint)

    def checkpoint(self) -> Checkpoint:
        """Make a signed checkpoint; keep its ``note`` somewhere else."""
        with self._core.operation(AuditAction.CHECKPOINT):
            return self._log.checkpoint()

    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints made so far, oldest first."""
        with self._core.operation(AuditAction.READ_AUDIT):
            return self._log.checkpoints()

    def prove(self, seq: int) -> InclusionProof:
        """Prove that an entry is in the log as it stands now."""
        with self._core.operation(AuditAction.READ_AUDIT):
            return self._log.prove(seq)

    def consistency(self, old_size: int) -> ConsistencyProof:
        """Prove that the log begins with the log of ``old_size`` entries."""
        with self._core.operation(AuditAction.READ_AUDIT):
            return self._log.consistency(old_size)

    def export(self, folder: str | os.PathLike[str]) -> Path:
        """Write everything that an offline verification needs into a new folder, readable by its owner only."""
        with self._core.operation(AuditAction.EXPORT_AUDIT):
            return self._log.export(folder)
