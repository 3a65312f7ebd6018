"""How what belongs to a subject is kept in the database: sealed under the subject's data key.

A template is rotated (see :mod:`facematch.governance.keys.rotation`), then sealed with AES-256-GCM. The associated data
binds it to subject, template, consent record, sample, contract and rotation, so that no row can be moved, swapped or
relabeled. Names and records are sealed likewise. What must be looked up is kept as a keyed mark (HMAC-SHA-256).
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.errors import DatabaseCorrupt, KeyUnavailable
from facematch.governance.keys import derive, orthogonal, seal, unseal
from facematch.storage.key_vault import KeyVault
from facematch.types import FloatArray

__all__ = ["SubjectCipher", "TemplateIds"]

_UNIT = 1e-3
_RESTORE = "restore the database from a backup"
_SUBJECT = "subject:"
_WHOSE = "whose:"


@dataclass(frozen=True, slots=True)
class TemplateIds:
    """Whose template it is and what it stands on.

    Attributes:
        template_id: The template.
        subject_ref: Random reference of the subject.
        consent_record_id: The consent record.
        sample_mark: Keyed mark of the picture.
        contract: Digest of the embedding contract.
        rotation: Version of the rotation.
        enrollment: The enrollment, which may wait for an approval.
    """

    template_id: int
    subject_ref: str
    consent_record_id: str
    sample_mark: str
    contract: str
    rotation: int
    enrollment: int

    def binding(self) -> bytes:
        """The ids as bytes, to be bound into the authentication tag."""
        parts = (
            "facematch template 1",
            str(self.template_id),
            self.subject_ref,
            self.consent_record_id,
            self.sample_mark,
            self.contract,
            str(self.rotation),
            str(self.enrollment),
        )
        return "\n".join(parts).encode()


class SubjectCipher:
    """Seals and unseals under the keys of a vault.

    Args:
        vault: The watchlist's vault.
    """

    def __init__(self, vault: KeyVault) -> None:
        self.vault = vault
        self._lookup = derive(vault.key("lookup"), "lookup")
        self._rotations: dict[tuple[int, int], NDArray[np.float64]] = {}

    # --- keys of subjects

    def new_subject(self, subject_ref: str, generation: int, subject_id: str | None = None) -> None:
        """Make the data key of a subject that is new at a generation of the database.

        The mark of its id is kept beside it, so that it is found again where only a backup still holds the subject.
        """
        whose = {} if subject_id is None else {_WHOSE + subject_ref: bytes.fromhex(self.lookup(subject_id))}
        self.vault.make_key(_SUBJECT + subject_ref, generation=generation, beside=whose)

    def destroy_subject(self, subject_ref: str) -> bool:
        """Destroy the data key of a subject and the mark beside it; returns whether there was one."""
        return self.vault.destroy(_SUBJECT + subject_ref, _WHOSE + subject_ref)

    def former_refs(self, subject_id: str, present: Collection[str]) -> list[str]:
        """Other references that a subject had, and whose keys are there for backups that may still be put back.

        Args:
            subject_id: The subject.
            present: References of the subjects in the database.
        """
        if not any(name[len(_WHOSE) :] not in present for name in self.vault.names(_WHOSE)):
            return []
        mark = bytes.fromhex(self.lookup(subject_id))
        return [ref for ref, whose in self.vault.keys(_WHOSE).items() if whose == mark and ref not in present]

    def subject_refs(self) -> dict[str, int]:
        """References of the subjects that have a data key, and the generation each key was made at."""
        return {name[len(_SUBJECT) :]: made for name, made in self.vault.names(_SUBJECT).items()}

    def subject_key(self, subject_ref: str) -> bytes:
        """The data key of a subject.

        Raises:
            KeyUnavailable: It is not in the vault.
        """
        return self.vault.key(_SUBJECT + subject_ref)

    def subject_keys(self) -> dict[str, bytes]:
        """The data keys of all subjects, by reference."""
        return self.vault.keys(_SUBJECT)

    # --- marks and sealed values

    def lookup(self, subject_id: str) -> str:
        """The mark under which a subject id is found."""
        return self.mark("subject", subject_id)

    def mark(self, kind: str, value: str) -> str:
        """A keyed mark of a value (hex): equal for equal values, meaningless without the key."""
        return hmac.digest(self._lookup, f"{kind}\n{value}".encode(), "sha256").hex()

    def sample_mark(self, subject_ref: str, digest: str) -> str:
        """The mark of a picture, under the subject's own key: it goes with the key."""
        key = derive(self.subject_key(subject_ref), "sample")
        return hmac.digest(key, digest.encode(), "sha256").hex()

    def seal_text(self, subject_ref: str, text: str, what: str) -> bytes:
        """Text sealed under the subject's key, bound to what it is."""
        return self.seal_bytes(subject_ref, text.encode(), what.encode())

    def unseal_text(self, subject_ref: str, sealed: bytes, what: str, *, key: bytes | None = None) -> str:
        """Undo :meth:`seal_text`.

        Args:
            subject_ref: The subject.
            sealed: The sealed bytes.
            what: What it is bound to.
            key: The subject's data key, where the caller has it.

        Raises:
            KeyUnavailable: The subject's key is not in the vault.
            DatabaseCorrupt: The bytes are damaged or belong elsewhere.
        """
        data_key = self.subject_key(subject_ref) if key is None else key
        return _opened(data_key, sealed, _bound(subject_ref, what.encode()), what).decode()

    def seal_json(self, subject_ref: str, data: Mapping[str, Any], what: str) -> bytes:
        """Plain data as sealed JSON."""
        text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return self.seal_text(subject_ref, text, what)

    def unseal_json(self, subject_ref: str, sealed: bytes, what: str) -> dict[str, Any]:
        """Undo :meth:`seal_json`."""
        data = json.loads(self.unseal_text(subject_ref, sealed, what))
        if not isinstance(data, dict):
            raise DatabaseCorrupt(f"{what} in the database is damaged", hint=_RESTORE)
        return data

    def seal_bytes(self, subject_ref: str, plaintext: bytes, associated: bytes) -> bytes:
        """Bytes sealed under the subject's key."""
        return seal(self.subject_key(subject_ref), plaintext, _bound(subject_ref, associated))

    # --- templates

    def encode(self, vector: FloatArray, ids: TemplateIds) -> bytes:
        """The stored form of a unit-length ``(D,)`` ``float32`` vector."""
        rotated = (vector.astype(np.float64) @ self.rotation(ids.rotation, vector.size)).astype("<f4")
        return seal(self.subject_key(ids.subject_ref), rotated.tobytes(), ids.binding())

    def decode(self, sealed: bytes, ids: TemplateIds, dimension: int, *, key: bytes) -> FloatArray:
        """The **rotated** vector ``(dimension,)`` of a stored form; rotate probes before comparing.

        Args:
            sealed: The stored form.
            ids: Whose it is.
            dimension: Length of the vector.
            key: The subject's data key.

        Raises:
            DatabaseCorrupt: It is damaged or belongs to another template.
        """
        data = _opened(key, sealed, ids.binding(), "a template")
        if len(data) != 4 * dimension:
            raise DatabaseCorrupt("a template in the database has another length than its contract", hint=_RESTORE)
        vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
        if not abs(float(np.linalg.norm(vector)) - 1.0) <= _UNIT:
            raise DatabaseCorrupt("a template in the database has no unit length", hint=_RESTORE)
        return vector

    def rotation(self, version: int, dimension: int) -> NDArray[np.float64]:
        """The orthogonal matrix ``(D, D)`` of a version.

        Raises:
            KeyUnavailable: The vault has no seed of that version.
        """
        key = (version, dimension)
        if key not in self._rotations:
            self._rotations[key] = orthogonal(self.vault.key(f"rotation:{version}"), dimension)
        return self._rotations[key]

    def rotated(self, vectors: FloatArray, version: int) -> FloatArray:
        """Vectors ``(N, D)`` under a version of the rotation; inner products among them stay the same."""
        matrix = self.rotation(version, vectors.shape[1])
        return np.ascontiguousarray(vectors.astype(np.float64) @ matrix, dtype=np.float32)


def _bound(subject_ref: str, associated: bytes) -> bytes:
    return b"facematch\n" + subject_ref.encode() + b"\n" + associated


def _opened(key: bytes, sealed: object, associated: bytes, what: str) -> bytes:
    if not isinstance(sealed, bytes):
        raise DatabaseCorrupt(f"{what} in the database is damaged", hint=_RESTORE)
    try:
        return unseal(key, sealed, associated, what=what)
    except KeyUnavailable as error:  # the key itself was authenticated, so it is the bytes
        raise DatabaseCorrupt(f"{what} in the database is damaged or was moved", hint=_RESTORE) from error
