"""The gallery as one sealed file beside the database, so that a start need not open every template by itself.

The file is a cache: without it, or with one that is old, torn, foreign or tampered with, everything is read from the
database. It is sealed with AES-256-GCM under a random key of its own, which is in turn sealed under a key of the vault
that is destroyed with the file whenever a subject is erased, a backup put back or the rotation renewed. It names the
generation that it was made at and the mark of the database's history; what has changed since is read from the database.

Layout: magic (8 bytes), file id (16), sealed file key (60), number of sections (4, little-endian), length of each
section (8 each), the sections. Each section is bound to the file id, its number and the number of sections.
"""

from __future__ import annotations

import io
import json
import logging
import os
import secrets
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from facematch.errors import FacematchError, KeyUnavailable
from facematch.gallery.metadata import ConsentScope, GalleryMetadata
from facematch.gallery.snapshot import Snapshot
from facematch.governance import AuditAction
from facematch.governance.keys import new_key, seal, unseal
from facematch.protocols import VectorIndex
from facematch.storage.database import Authorization, Database
from facematch.storage.key_vault import KeyVault
from facematch.storage.sql import generation_of
from facematch.types import EmbeddingContract, FloatArray

__all__ = ["GalleryCacheFile", "SavedGallery", "gallery_path"]

_MAGIC = b"FMGALLR1"
_KEY = "gallery"
_ID_BYTES = 16
_SEALED_KEY_BYTES = 60
_HEAD = len(_MAGIC) + _ID_BYTES + _SEALED_KEY_BYTES
_MOST_SECTIONS = 1 << 20
_SAVING = Authorization("facematch", AuditAction.REPAIR)
_BLOCK_BYTES = 32 << 20
_STRINGS = ("subject_ids", "subject_refs")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class SavedGallery:
    """Content of a gallery file.

    Attributes:
        generation: Generation of the database.
        mark: Mark of its history up to there.
        contract: The embedding contract.
        rotation: Version of the rotation.
        columns: Subjects, consent records and templates.
    """

    generation: int
    mark: str
    contract: EmbeddingContract
    rotation: int
    columns: GalleryMetadata


def gallery_path(database: Path) -> Path:
    """The gallery file of a database."""
    return database.with_name(f"{database.name}.gallery")


class GalleryCacheFile:
    """The gallery file of a watchlist.

    Args:
        database: The database; one in memory has no file.
        vault: Holds the key that the file's key is sealed under.
    """

    def __init__(self, database: Database, vault: KeyVault) -> None:
        self._database = database
        self._vault = vault
        self.path = None if database.path is None else gallery_path(database.path)

    def discard(self) -> None:
        """Destroy the key of the file, then the file; call it in the write transaction that makes it wrong."""
        if self._vault.names(_KEY):
            self._vault.destroy(_KEY)
        if self.path is not None:
            for path in (self.path, *self._parts()):
                path.unlink(missing_ok=True)

    def save(self, snapshot: Snapshot) -> bool:
        """Write a snapshot, unless the database has moved on meanwhile.

        Args:
            snapshot: What to write; one without contract or history cannot be kept.

        Returns:
            Whether the file holds it now.

        Raises:
            DatabaseUnavailable: The database stayed locked.
            KeyUnavailable: The vault cannot be written.
            OSError: The file cannot be written; what was there before stays.
        """
        if self.path is None or snapshot.view is None or snapshot.mark is None:
            return False
        file_id, key = secrets.token_bytes(_ID_BYTES), new_key()
        part = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
        try:
            with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as stream:
                _write(stream, file_id, key, snapshot)
                stream.flush()
                with self._database.write(
                    _SAVING
                ) as connection:  # an erasure that discards the file comes before or after
                    if generation_of(connection) != snapshot.generation:
                        return False
                    outer = self._vault.key(_KEY) if self._vault.names(_KEY) else self._vault.make_key(_KEY)
                    stream.seek(len(_MAGIC) + _ID_BYTES)
                    stream.write(seal(outer, key, self._bound(file_id)))
                    stream.flush()
                    os.fsync(stream.fileno())
                    part.replace(self.path)
            return True
        finally:
            part.unlink(missing_ok=True)

    def load(self, index: VectorIndex) -> SavedGallery | None:
        """Read the file into an empty index.

        Args:
            index: Takes the vectors under their template ids, a block at a time.

        Returns:
            The rest; ``None`` where there is no usable file. The index is then to be thrown away.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            with self.path.open("rb") as stream:
                return self._read(stream, index)
        except FileNotFoundError:  # discarded by another thread or process meanwhile
            return None
        except (OSError, ValueError, KeyError, TypeError, struct.error, FacematchError) as error:
            _log.warning("the gallery file %s is not usable (%s); the database is read", self.path.name, error)
            return None

    def _read(self, stream: BinaryIO, index: VectorIndex) -> SavedGallery:
        sections = self._sections(stream)
        about = json.loads(next(sections))
        contract = _contract(about["contract"])
        columns = _columns(next(sections), next(sections), about["scopes"])
        done = 0
        for block in sections:
            vectors = np.frombuffer(block, dtype="<f4").reshape(-1, contract.dimension).astype(np.float32, copy=False)
            index.add(columns.template_ids[done : done + len(vectors)], vectors)
            done += len(vectors)
        if done != columns.template_ids.size:
            raise ValueError("vectors are missing")
        return SavedGallery(int(about["generation"]), str(about["mark"]), contract, int(about["rotation"]), columns)

    def _sections(self, stream: BinaryIO) -> Iterator[bytes]:
        head = stream.read(_HEAD + 4)
        if len(head) != _HEAD + 4 or not head.startswith(_MAGIC):
            raise ValueError("it is no gallery file")
        file_id = head[len(_MAGIC) : len(_MAGIC) + _ID_BYTES]
        if not self._vault.names(_KEY):
            raise KeyUnavailable("its key was destroyed")
        key = unseal(self._vault.key(_KEY), head[len(_MAGIC) + _ID_BYTES : _HEAD], self._bound(file_id), what="its key")
        (count,) = struct.unpack("<I", head[_HEAD:])
        if count > _MOST_SECTIONS:
            raise ValueError("it is damaged")
        lengths = struct.unpack(f"<{count}Q", stream.read(8 * count))
        rest = os.fstat(stream.fileno()).st_size - stream.tell()
        if sum(lengths) != rest:
            raise ValueError("it is torn")
        for number, length in enumerate(lengths):
            yield unseal(key, stream.read(length), _section(file_id, number, count), what="a section")

    def _bound(self, file_id: bytes) -> bytes:
        return b"facematch gallery 1\n" + self._vault.watchlist_id.encode() + b"\n" + file_id

    def _parts(self) -> Sequence[Path]:
        assert self.path is not None
        return list(self.path.parent.glob(f".{self.path.name}.*.part"))


def _write(stream: BinaryIO, file_id: bytes, key: bytes, snapshot: Snapshot) -> None:
    columns, contract, view = snapshot.columns, snapshot.contract, snapshot.view
    assert contract is not None
    assert view is not None
    about = {
        "generation": snapshot.generation,
        "mark": snapshot.mark,
        "contract": asdict(contract),
        "rotation": snapshot.rotation,
        "scopes": [[sorted(p.purposes), sorted(p.sites), sorted(p.zones)] for p in columns.scopes],
    }
    names = {name: getattr(columns, name).tolist() for name in _STRINGS}
    step = max(_BLOCK_BYTES // (4 * contract.dimension), 1)
    blocks = range(0, columns.template_ids.size, step)
    count = 3 + len(blocks)

    def plain() -> Iterator[bytes]:
        yield json.dumps(about).encode()
        yield json.dumps(names).encode()
        yield _packed(columns)
        for start in blocks:
            vectors: FloatArray = view.vectors(columns.template_ids[start : start + step])
            yield vectors.astype("<f4", copy=False).tobytes()

    stream.write(_MAGIC + file_id + bytes(_SEALED_KEY_BYTES) + struct.pack("<I", count))
    table = stream.tell()
    stream.write(bytes(8 * count))
    lengths = []
    for number, data in enumerate(plain()):
        sealed = seal(key, data, _section(file_id, number, count))
        lengths.append(len(sealed))
        stream.write(sealed)
    stream.seek(table)
    stream.write(struct.pack(f"<{count}Q", *lengths))


def _section(file_id: bytes, number: int, count: int) -> bytes:
    return b"facematch gallery section\n" + file_id + struct.pack("<II", number, count)


def _packed(columns: GalleryMetadata) -> bytes:
    numbers = {name: getattr(columns, name) for name in GalleryMetadata.__slots__ if name not in (*_STRINGS, "scopes")}
    stream = io.BytesIO()
    np.savez(stream, **numbers)
    return stream.getvalue()


def _columns(names: bytes, numbers: bytes, scopes: Sequence[Sequence[Sequence[str]]]) -> GalleryMetadata:
    values: dict[str, Any] = {name: np.asarray(value, dtype=object) for name, value in json.loads(names).items()}
    with np.load(io.BytesIO(numbers), allow_pickle=False) as loaded:
        values |= {name: loaded[name] for name in loaded.files}
    return GalleryMetadata(**values, scopes=tuple(ConsentScope(*(frozenset(part) for part in each)) for each in scopes))


def _contract(values: dict[str, Any]) -> EmbeddingContract:
    return EmbeddingContract(**values)
