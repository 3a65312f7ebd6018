"""Sealing bytes with AES-256-GCM, and deriving keys with HKDF-SHA-256; both from the ``cryptography`` package."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from facematch.errors import KeyUnavailable

__all__ = ["KEY_BYTES", "NONCE_BYTES", "derive", "new_key", "seal", "unseal"]

KEY_BYTES = 32
"""Length of every symmetric key."""

NONCE_BYTES = 12
"""A sealed value begins with its random nonce (NIST SP 800-38D, section 8.2.2)."""


def new_key() -> bytes:
    """A fresh random key of 32 bytes."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt and authenticate with AES-256-GCM under a random nonce.

    Args:
        key: 32 bytes.
        plaintext: What to hide.
        associated: What the result is bound to; it must be given again to :func:`unseal`.

    Returns:
        Nonce (12 bytes), ciphertext and tag (16 bytes).
    """
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def unseal(key: bytes, sealed: bytes, associated: bytes, *, what: str) -> bytes:
    """Undo :func:`seal`.

    Args:
        key: 32 bytes.
        sealed: What :func:`seal` returned.
        associated: What it was bound to.
        what: What is unsealed, for the message.

    Raises:
        KeyUnavailable: Another key, another binding, or damaged bytes; they cannot be told apart.
    """
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
    except (InvalidTag, ValueError) as error:
        raise KeyUnavailable(
            f"{what} cannot be opened: the key is another one, or the stored bytes are damaged",
            hint="give the key that the watchlist was made with, or restore a backup",
        ) from error


def derive(key: bytes, label: str) -> bytes:
    """A key of 32 bytes for one use (HKDF-SHA-256, RFC 5869).

    Args:
        key: The key to derive from.
        label: What it is for; other labels give unrelated keys.
    """
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"facematch/" + label.encode()).derive(key)
