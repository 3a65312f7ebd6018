"""Result of a verification of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from facematch.errors import AuditTampered
from facematch.governance.audit.verifier import Finding

__all__ = ["AuditVerification"]


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """Result of the verification of a whole audit log.

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
