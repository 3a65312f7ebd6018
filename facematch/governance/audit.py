"""The audit seam: what is recorded about every call, and the two small protocols that keep it.

The log that ships today is an append-only table in the watchlist's database. It is *not* tamper-evident: whoever can
write the file can rewrite it. The Merkle log with signed checkpoints comes later behind these same protocols, and only
that log will offer ``verify()``.

An entry never holds biometric data: no embedding, no crop, no box, no digest of a probe picture, no score of anybody
who is not a candidate. Subjects appear as ``subject_ref``, a random reference kept in the subject's row; erasing the
row unlinks the entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, runtime_checkable

__all__ = ["AuditAction", "AuditEntry", "AuditLog", "AuditOutcome", "AuditRecord", "AuditWriter", "Details"]

Details: TypeAlias = Mapping[str, Any]
"""Plain JSON data."""


class AuditAction(StrEnum):
    """What was asked for."""

    ENROLL = "enroll"
    IDENTIFY = "identify"
    VERIFY = "verify"
    WITHDRAW = "withdraw"
    ERASE = "erase"
    LIST_SUBJECTS = "list_subjects"
    COUNT_TEMPLATES = "count_templates"
    READ_CONSENTS = "read_consents"
    PREVIEW = "preview"
    SET_CALIBRATION = "set_calibration"


class AuditOutcome(StrEnum):
    """How it ended."""

    DONE = "done"
    """It took effect, or the search was answered (with or without a candidate)."""
    REFUSED = "refused"
    """Governance or a check refused it; ``details["code"]`` is the error's code."""
    FAILED = "failed"
    """A part below failed; ``details["code"]`` is the error's code."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What a caller hands to the log.

    Attributes:
        time: When, UTC.
        actor: Who.
        action: What was asked for.
        outcome: How it ended.
        subject_ref: Random reference of the subject concerned, or ``None``.
        details: Plain JSON data without biometric data.
    """

    time: datetime
    actor: str
    action: AuditAction
    outcome: AuditOutcome
    subject_ref: str | None = None
    details: Details = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the log.

    Attributes:
        seq: Position in the log, from 1, without gaps while nothing was lost.
        time: When, UTC.
        actor: Who.
        action: What was asked for; a value of :class:`AuditAction`.
        outcome: How it ended; a value of :class:`AuditOutcome`.
        subject_ref: Random reference of the subject concerned, or ``None``.
        details: Plain JSON data.
    """

    seq: int
    time: datetime
    actor: str
    action: str
    outcome: str
    subject_ref: str | None
    details: Details

    def to_dict(self) -> dict[str, Any]:
        """The entry as plain data, ready for JSON."""
        return {
            "seq": self.seq,
            "time": self.time.isoformat(),
            "actor": self.actor,
            "action": self.action,
            "outcome": self.outcome,
            "subject_ref": self.subject_ref,
            "details": dict(self.details),
        }


@runtime_checkable
class AuditWriter(Protocol):
    """The writing side, bound to one transaction: the entry commits together with what it records, or neither does."""

    def append(self, record: AuditRecord) -> int:
        """Append one entry and return its ``seq``.

        Raises:
            AuditError: It could not be written; the caller must let the whole operation fail.
        """
        ...


@runtime_checkable
class AuditLog(Protocol):
    """The reading side."""

    def __len__(self) -> int:
        """Number of entries."""
        ...

    def entries(self, *, limit: int | None = None) -> list[AuditEntry]:
        """The entries in order; with ``limit``, the latest ``limit`` of them, still in order."""
        ...
