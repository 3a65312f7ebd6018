"""Audit entries of calls, and the canonical bytes that the Merkle tree is built over.

An entry never holds biometric data: no embedding, no crop, no box, no digest of a probe picture, no score of a person
who is not a candidate. Subjects appear as ``subject_ref``, a random reference kept in the subject's row. What is
personal goes into ``private``: it is sealed under the subject's data key, and the tree is built over the ciphertext,
so it still verifies when the key is destroyed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from json.encoder import encode_basestring
from typing import Any, TypeAlias

import rfc8785

from facematch.errors import DatabaseCorrupt

__all__ = [
    "AuditAction",
    "AuditEntry",
    "AuditOutcome",
    "AuditRecord",
    "Details",
    "Sealer",
    "Unsealer",
    "canonical_json",
    "compose",
    "sealed_binding",
]

Details: TypeAlias = Mapping[str, Any]
"""Plain JSON data."""

Sealer: TypeAlias = Callable[[str, bytes, bytes], bytes]
"""Encrypts: reference of the subject, plaintext, what the result is bound to; returns the sealed bytes."""

Unsealer: TypeAlias = Callable[[str, bytes, bytes], bytes]
"""Decrypts: reference of the subject, sealed bytes, what they are bound to; returns the plaintext."""

_SAFE = 2**53 - 1  # the largest integer of RFC 8785


class AuditAction(StrEnum):
    """Audited action."""

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
    APPROVE = "approve"
    REJECT = "reject"
    RENEW = "renew"
    REVOKE = "revoke"
    INVALIDATE = "invalidate"
    EXPIRE = "expire"
    RECORD_CONSENT = "record_consent"
    RECEIPT = "receipt"
    RESTRICT = "restrict"
    UNRESTRICT = "unrestrict"
    SUSPEND = "suspend"
    RESUME = "resume"
    OPEN_ZONE = "open_zone"
    CLOSE_ZONE = "close_zone"
    SET_POLICY = "set_policy"
    GRANT_ROLE = "grant_role"
    REVOKE_ROLE = "revoke_role"
    CREATE_WATCHLIST = "create_watchlist"
    ROTATE_KEY = "rotate_key"
    RENEW_TEMPLATES = "renew_templates"
    CHECKPOINT = "checkpoint"
    EXPORT_AUDIT = "export_audit"
    PRUNE_AUDIT = "prune_audit"
    READ_AUDIT = "read_audit"
    EXPORT_SUBJECT = "export_subject"
    DISCLOSE = "disclose"
    REPORT = "report"
    BACKUP = "backup"
    RESTORE = "restore"
    SWEEP = "sweep"
    CHECK_ERASURE = "check_erasure"
    COMPLAINT = "complaint"
    REPAIR = "repair"


class AuditOutcome(StrEnum):
    """Outcome of an audited action."""

    DONE = "done"
    """It took effect, or the search was answered (with or without a candidate)."""
    REFUSED = "refused"
    """Governance or a check refused it; ``details["code"]`` is the error's code."""
    FAILED = "failed"
    """A part below failed; ``details["code"]`` is the error's code."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Audit record of a call, before the log numbers it.

    Attributes:
        time: When, timezone-aware.
        actor: Who.
        action: What was asked for.
        outcome: How it ended.
        subject_ref: Random reference of the subject concerned, or ``None``.
        details: Plain JSON data without biometric and without personal data.
        private: Personal data, plain JSON; sealed under the subject's key before it is written, so it needs a
            ``subject_ref``.
    """

    time: datetime
    actor: str
    action: AuditAction
    outcome: AuditOutcome
    subject_ref: str | None = None
    details: Details = field(default_factory=dict)
    private: Details = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Entry of the audit log.

    Attributes:
        seq: Position in the log, from 1, without gaps.
        time: When, UTC.
        actor: Who.
        action: What was asked for; a value of :class:`AuditAction`.
        outcome: How it ended; a value of :class:`AuditOutcome`.
        subject_ref: Random reference of the subject concerned, or ``None``.
        details: Plain JSON data.
        sealed: The personal data, sealed, as base64; ``None`` where there is none.
        nonce: 32 random hexadecimal digits, so that an entry cannot be guessed from its hash.
    """

    seq: int
    time: datetime
    actor: str
    action: str
    outcome: str
    subject_ref: str | None
    details: Details
    sealed: str | None
    nonce: str

    def to_dict(self) -> dict[str, Any]:
        """The entry as plain data; :meth:`canonical` is its RFC 8785 form."""
        return {
            "action": self.action,
            "actor": self.actor,
            "details": dict(self.details),
            "nonce": self.nonce,
            "outcome": self.outcome,
            "sealed": self.sealed,
            "seq": self.seq,
            "subject_ref": self.subject_ref,
            "time": _moment(self.time),
            "v": 1,
        }

    def canonical(self) -> bytes:
        """RFC 8785 canonical JSON of the entry; its leaf in the tree is the hash of it."""
        return rfc8785.dumps(self.to_dict())

    def private(self, unseal: Unsealer) -> dict[str, Any]:
        """The personal data; empty where there is none.

        Args:
            unseal: Undoes what the log was written with.

        Raises:
            KeyUnavailable: By ``unseal``, when the subject's key is gone.
            DatabaseCorrupt: The sealed text is damaged.
        """
        if self.sealed is None or self.subject_ref is None:
            return {}
        try:
            sealed = base64.b64decode(self.sealed, validate=True)
        except (binascii.Error, ValueError) as error:
            raise DatabaseCorrupt(
                f"the sealed part of audit entry {self.seq} is damaged", hint="run verify() on the audit log"
            ) from error
        data = json.loads(unseal(self.subject_ref, sealed, sealed_binding(self.seq, self.nonce)))
        assert isinstance(data, dict)
        return data


def canonical_json(value: object) -> str:
    """``value`` as RFC 8785 canonical JSON: as ``rfc8785.dumps`` writes it, which takes over what is not common.

    Raises:
        CanonicalizationError: It is not plain JSON data.
    """
    kind = type(value)
    if kind is str:
        return encode_basestring(str(value))
    if value is None or kind is bool:
        return "null" if value is None else "true" if value else "false"
    if isinstance(value, int) and kind is int and -_SAFE <= value <= _SAFE:
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{','.join([canonical_json(item) for item in value])}]"
    if isinstance(value, dict) and all(type(key) is str and key.isascii() for key in value):
        return f"{{{','.join([f'{encode_basestring(key)}:{canonical_json(value[key])}' for key in sorted(value)])}}}"
    return rfc8785.dumps(value).decode()  # type: ignore[arg-type]  # it refuses what it does not know


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring(value)  # escapes as RFC 8785, section 3.2.2.2, wants it


def sealed_binding(seq: int, nonce: str) -> bytes:
    """Associated data of the sealed part of an entry, so that it opens in no other entry."""
    return f"facematch audit private v1\n{seq}\n{nonce}".encode()


def compose(
    *,
    seq: int,
    time: datetime,
    actor: str,
    action: str,
    outcome: str,
    subject_ref: str | None,
    details: str,
    sealed: str | None,
    nonce: str,
) -> bytes:
    """The canonical bytes of an entry, put together around its stored ``details``.

    Equal to :meth:`AuditEntry.canonical` when ``details`` is canonical JSON. No byte of the stored text is parsed
    away, and every other text is escaped, so two different entries never give the same bytes.

    Args:
        seq: Position in the log, from 1.
        time: When, UTC.
        actor: Who.
        action: What was asked for.
        outcome: How it ended.
        subject_ref: Reference of the subject, or ``None``.
        details: The details as RFC 8785 text.
        sealed: The sealed personal data as base64, or ``None``.
        nonce: 32 hexadecimal digits.

    Raises:
        UnicodeEncodeError: A text has a lone surrogate.
    """
    return (
        f'{{"action":{_text(action)},"actor":{_text(actor)},"details":{details},"nonce":{_text(nonce)},'
        f'"outcome":{_text(outcome)},"sealed":{_text(sealed)},"seq":{seq},"subject_ref":{_text(subject_ref)},'
        f'"time":"{_moment(time)}","v":1}}'
    ).encode()


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
