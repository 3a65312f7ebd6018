"""How a template's vector is kept in the database: the seam for encryption at rest.

The store encodes and decodes in one place each. Today's codec keeps plain little-endian ``float32``; encryption under a
subject's data key comes later behind the same protocol, which is why it is told whose template it is.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from facematch.errors import DatabaseCorrupt
from facematch.types import FloatArray

__all__ = ["PlainCodec", "StoredVector", "TemplateCodec", "TemplateIds"]

_UNIT = 1e-3


@dataclass(frozen=True, slots=True)
class TemplateIds:
    """Whose template it is and what it stands on.

    Attributes:
        subject_ref: Random reference of the subject.
        consent_record_id: The consent record.
        sample_digest: SHA-256 (hex) of the picture.
        contract: Digest of the embedding contract.
    """

    subject_ref: str
    consent_record_id: str
    sample_digest: str
    contract: str

    def binding(self) -> bytes:
        """The ids as bytes, to be bound into a checksum or an authentication tag."""
        return "\n".join((self.subject_ref, self.consent_record_id, self.sample_digest, self.contract)).encode()


@dataclass(frozen=True, slots=True)
class StoredVector:
    """A vector as the database keeps it.

    Attributes:
        data: The bytes.
        checksum: CRC-32 over the ids and the bytes. It finds damage, not tampering.
    """

    data: bytes
    checksum: int


class TemplateCodec(Protocol):
    """Turns vectors into stored bytes and back."""

    def encode(self, vector: FloatArray, ids: TemplateIds) -> StoredVector:
        """The stored form of a unit-length ``(D,)`` ``float32`` vector."""
        ...

    def decode(self, stored: StoredVector, ids: TemplateIds, dimension: int) -> FloatArray:
        """The vector ``(dimension,)`` of a stored form.

        Raises:
            DatabaseCorrupt: It is damaged or belongs to another template.
        """
        ...


class PlainCodec:
    """Little-endian ``float32`` without encryption."""

    def encode(self, vector: FloatArray, ids: TemplateIds) -> StoredVector:
        """The stored form of a unit-length ``(D,)`` ``float32`` vector."""
        data = np.ascontiguousarray(vector, dtype="<f4").tobytes()
        return StoredVector(data, zlib.crc32(data, zlib.crc32(ids.binding())))

    def decode(self, stored: StoredVector, ids: TemplateIds, dimension: int) -> FloatArray:
        """The vector ``(dimension,)`` of a stored form.

        Raises:
            DatabaseCorrupt: It is damaged or belongs to another template.
        """
        if len(stored.data) != 4 * dimension or zlib.crc32(stored.data, zlib.crc32(ids.binding())) != stored.checksum:
            raise DatabaseCorrupt(
                "a template in the database is damaged: its checksum does not fit", hint="restore a backup"
            )
        vector = np.frombuffer(stored.data, dtype="<f4").astype(np.float32)
        if not abs(float(np.linalg.norm(vector)) - 1.0) <= _UNIT:
            raise DatabaseCorrupt(
                "a template in the database is damaged: it has no unit length", hint="restore a backup"
            )
        return vector
