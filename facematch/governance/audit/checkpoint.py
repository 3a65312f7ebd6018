"""Signing: checkpoints, which are meant to be kept somewhere else, and the head, which is kept with the log."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, runtime_checkable

from facematch.errors import AuditTampered, InvalidArgument
from facematch.governance.audit.verifier import (
    Checkpoint,
    Malformed,
    checkpoint_text,
    head_message,
    key_hash,
    parse_checkpoint,
)

__all__ = ["DEFAULT_ORIGIN", "AuditSigner", "read_checkpoint", "require_signature", "sign_checkpoint", "sign_head"]

DEFAULT_ORIGIN = "facematch/audit"
"""Name of a log that was given no other."""


@runtime_checkable
class AuditSigner(Protocol):
    """An Ed25519 key (RFC 8032) that signs heads and checkpoints."""

    @property
    def key_id(self) -> str:
        """Name of the key."""
        ...

    @property
    def public_key(self) -> bytes:
        """The public key, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature of ``message``, 64 bytes."""
        ...


def sign_checkpoint(
    signer: AuditSigner, *, origin: str, size: int, root: bytes, time: datetime, number: int
) -> Checkpoint:
    """A signed checkpoint in C2SP format (c2sp.org/tlog-checkpoint), with two extension lines.

    Args:
        signer: The log's key.
        origin: Name of the log: letters, digits and ``. _ : / -``.
        size: Number of entries.
        root: Root of the tree over them, 32 bytes.
        time: When it is made, timezone-aware.
        number: Which checkpoint of the log it is, from 1.

    Raises:
        InvalidArgument: The origin has other characters.
    """
    try:
        text = checkpoint_text(origin, size, root, time, number)
    except Malformed as error:
        raise InvalidArgument(str(error), hint='for example "example.org/watchlist"') from error
    blob = key_hash(origin, signer.public_key) + signer.sign(text.encode())
    return read_checkpoint(f"{text}\n\u2014 {origin} {base64.b64encode(blob).decode()}\n")


def read_checkpoint(note: str) -> Checkpoint:
    """A checkpoint from its text; :func:`require_signature` looks at who signed it.

    Raises:
        InvalidArgument: It is no checkpoint of an audit log.
    """
    try:
        return parse_checkpoint(note)
    except Malformed as error:
        raise InvalidArgument(str(error), hint="pass the whole text of the checkpoint, unchanged") from error


def require_signature(checkpoint: Checkpoint, public_keys: Iterable[bytes]) -> None:
    """Accept a checkpoint that one of the keys signed.

    Raises:
        AuditTampered: None of them did.
    """
    if not checkpoint.signed_by(public_keys):
        raise AuditTampered(
            f"checkpoint {checkpoint.number} of {checkpoint.origin!r} is not signed by the log's key",
            hint="get the public key from a source you trust, and the checkpoint from where it was kept",
        )


def sign_head(signer: AuditSigner, *, origin: str, size: int, root: bytes, pruned: int) -> bytes:
    """Signature of the log's present state, 64 bytes."""
    return signer.sign(head_message(origin, size, root, pruned))
