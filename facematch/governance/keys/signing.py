"""The Ed25519 key that signs audit heads, checkpoints, receipts and certificates."""

from __future__ import annotations

import hashlib
import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["SigningKey"]


class SigningKey:
    """An Ed25519 key (RFC 8032).

    Args:
        seed: The 32 secret bytes.
    """

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = hashlib.sha256(self.public_key).hexdigest()[:16]

    @staticmethod
    def new_seed() -> bytes:
        """32 fresh random bytes."""
        return secrets.token_bytes(32)

    def sign(self, message: bytes) -> bytes:
        """The signature of 64 bytes."""
        return self._key.sign(message)
