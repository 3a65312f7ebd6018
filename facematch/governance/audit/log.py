"""The two sides of the audit log as protocols, and what a verification says."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

from facematch.errors import AuditTampered
from facematch.governance.audit.entries import AuditEntry, AuditRecord
from facematch.governance.audit.proofs import ConsistencyProof, InclusionProof
from facematch.governance.audit.verifier import Checkpoint, Finding

__all__ = ["AuditLog", "AuditVerification", "AuditWriter"]


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """What a verification of the whole log found.

    Attributes:
        size: Number of entries that were gone through, pruned ones included.
        root: Root of the tree over them, 32 bytes, computed anew.
        findings: What does not fit, with its place; empty when everything does.
        with_outside_checkpoint: Whether it was compared with a checkpoint that was kept elsewhere. Without one, an
            older state of the whole log that was put back is not found.
    """

    size: int
    root: bytes
    findings: tuple[Finding, ...]
    with_outside_checkpoint: bool = False

    @property
    def ok(self) -> bool:
        """Whether everything fits."""
        return not self.findings

    def require(self) -> Self:
        """Itself when everything fits.

        Raises:
            AuditTampered: Something does not; the message names the first places.
        """
        if self.findings:
            first = "; ".join(str(finding) for finding in self.findings[:3])
            more = f"; and {len(self.findings) - 3} more" if len(self.findings) > 3 else ""
            raise AuditTampered(
                f"the audit log is not what was written: {first}{more}",
                hint="keep the files as they are, and compare them with a backup and an outside checkpoint",
            )
        return self

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, ready for JSON."""
        return {
            "ok": self.ok,
            "size": self.size,
            "root": self.root.hex(),
            "findings": [{"place": finding.place, "problem": finding.problem} for finding in self.findings],
            "with_outside_checkpoint": self.with_outside_checkpoint,
        }


@runtime_checkable
class AuditWriter(Protocol):
    """The writing side, bound to one transaction: the entry commits together with what it records, or neither does."""

    def append(self, record: AuditRecord) -> int:
        """Append one entry and return its ``seq``.

        Raises:
            AuditError: It could not be written; the caller must let the whole operation fail.
            AuditTampered: The end of the log is not what was written; nothing may be added to it.
        """
        ...

    def append_many(self, records: Iterable[AuditRecord]) -> range:
        """Append entries in order and return their ``seq``; as :meth:`append`, in one go."""
        ...


@runtime_checkable
class AuditLog(Protocol):
    """The reading side."""

    def __len__(self) -> int:
        """Number of entries, pruned ones included."""
        ...

    def entries(
        self, *, limit: int | None = None, since_seq: int | None = None, subject_ref: str | None = None
    ) -> list[AuditEntry]:
        """The entries in order, those that were pruned left out.

        Args:
            limit: Only the latest so many of those that are asked for.
            since_seq: Only those with this ``seq`` or a higher one.
            subject_ref: Only those of this subject.
        """
        ...

    def verify(self, checkpoint: Checkpoint | str | None = None) -> AuditVerification:
        """Recompute everything and name every place that does not fit.

        Args:
            checkpoint: One that was kept elsewhere, or its text.
        """
        ...

    def checkpoint(self) -> Checkpoint:
        """Make a signed checkpoint of the present state, to be kept somewhere else."""
        ...

    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints made so far, oldest first."""
        ...

    def prove(self, seq: int) -> InclusionProof:
        """Prove that an entry is in the log."""
        ...

    def consistency(self, old_size: int) -> ConsistencyProof:
        """Prove that the log begins with the log of ``old_size`` entries."""
        ...

    def export(self, folder: str | os.PathLike[str]) -> Path:
        """Write everything that an offline verification needs into a new folder, and return its path."""
        ...
