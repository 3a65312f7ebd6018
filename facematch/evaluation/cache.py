"""Embeddings of evaluation pictures on disk, so that a second run takes seconds.

The cache lies in a folder of its own, apart from any watchlist, and is private to the user (mode 0700): embeddings are
biometric data. Delete the folder and nothing is lost but time.

One folder holds the pictures of one key: embedding contract, detector with its settings, what runs the models and how
they were converted, and the rule that chooses a face. Inside are *shards*: immutable npz files, each written under a
temporary name and then moved into place, so that a reader never sees half a file and two processes never write the same
one (an SQLite file would need locks, and one damaged page could cost everything). A shard's name carries the SHA-256 of
its bytes; one that does not fit its name, cut short or damaged, is deleted and its pictures are computed again.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

import numpy as np
import rfc8785
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.faces.provenance import describe_analysis
from facematch.protocols import Analyzer
from facematch.settings import Settings
from facematch.types import FloatArray

__all__ = ["CachedFace", "EmbeddingCache", "cache_key", "default_cache_folder"]

logger = logging.getLogger(__name__)

_FORMAT: Final = "facematch-evaluation-cache-v1"
_SHARD: Final = 256


@dataclass(frozen=True, slots=True, eq=False)
class CachedFace:
    """The face that was chosen in one picture, or that there was none.

    Attributes:
        embedding: ``(D,)`` ``float32`` unit vector; ``None`` where no face was found.
        box: ``(4,)`` ``float32`` ``xyxy`` in pixels; not a number where no face was found.
        landmarks: ``(5, 2)`` ``float32``; not a number where no face was found.
        detection_score: The detector's score; not a number where no face was found.
        faces: How many faces were found in the picture.
        size: ``(height, width)`` of the picture in pixels.
    """

    embedding: FloatArray | None
    box: FloatArray
    landmarks: FloatArray
    detection_score: float
    faces: int
    size: tuple[int, int]

    @classmethod
    def none(cls, size: tuple[int, int]) -> Self:
        """No face was found in a picture of ``size``."""
        nan = np.float32(np.nan)
        return cls(None, np.full(4, nan), np.full((5, 2), nan), float("nan"), 0, size)


def default_cache_folder(settings: Settings | None = None) -> Path:
    """Default folder of evaluation's embeddings: ``evaluation`` in ``FACEMATCH_HOME``."""
    return (settings or Settings()).home / "evaluation"


def cache_key(analyzer: Analyzer, choice: str) -> str:
    """SHA-256 (hex) over the contract, the detector's description, what runs the models, and the choice of a face."""
    terms = {"format": _FORMAT, "choice": choice, **describe_analysis(analyzer)}
    return hashlib.sha256(rfc8785.dumps(terms)).hexdigest()


class EmbeddingCache:
    """Chosen faces by picture digest, for one analyzer and one choice of face; a context manager that flushes on exit.

    Use :meth:`open`. What was put is kept when the block is left, also by Ctrl-C.

    Args:
        folder: Folder of this key's shards; made when something is first written.
        dimension: Length of the embeddings.

    Raises:
        InvalidArgument: The folder cannot be read.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self.folder = folder
        self._dimension = dimension
        self._pending: dict[str, CachedFace] = {}
        self._known: dict[str, tuple[_Shard, int]] = {}
        try:
            for path in sorted(folder.glob("*.npz")):
                if (shard := _read(path, dimension)) is None:
                    logger.warning("damaged cache file is dropped; its pictures are computed again: %s", path.name)
                    path.unlink(missing_ok=True)
                else:
                    self._known |= {digest: (shard, row) for row, digest in enumerate(shard.digests)}
        except OSError as error:
            raise InvalidArgument(f"the cache {folder} cannot be read: {error}", hint="name another folder") from error

    @classmethod
    def open(cls, analyzer: Analyzer, *, choice: str = "central", folder: Path | None = None) -> Self:
        """The cache of an analyzer's faces.

        Args:
            analyzer: Whose faces.
            choice: The rule that chooses a face, as :func:`~facematch.evaluation.pictures.embed_pictures` knows it.
            folder: The evaluation folder; default: :func:`default_cache_folder`.

        Raises:
            InvalidArgument: The folder cannot be read.
        """
        return cls((folder or default_cache_folder()) / cache_key(analyzer, choice)[:32], analyzer.contract.dimension)

    def __len__(self) -> int:
        return len(self._known) + len(self._pending)

    def __contains__(self, digest: object) -> bool:
        return digest in self._pending or digest in self._known

    def get(self, digest: str) -> CachedFace | None:
        """Kept faces of the picture with this SHA-256 (hex); ``None`` where there are none."""
        if (face := self._pending.get(digest)) is not None:
            return face
        found = self._known.get(digest)
        return None if found is None else found[0].face(found[1])

    def put(self, digest: str, face: CachedFace) -> None:
        """Remember a picture's face; written with a full shard or by :meth:`flush`.

        Raises:
            InvalidArgument: The embedding has another length, or the shard cannot be written.
        """
        if face.embedding is not None and face.embedding.shape != (self._dimension,):
            raise InvalidArgument(f"an embedding of length {self._dimension} is expected, got {face.embedding.shape}")
        self._pending[digest] = face
        if len(self._pending) >= _SHARD:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet as one more shard.

        Raises:
            InvalidArgument: It cannot be written.
        """
        if not self._pending:
            return
        data = _pack(self._pending, self._dimension)
        name = hashlib.sha256(data).hexdigest()
        temporary = self.folder / f"{name}.{uuid4().hex}.tmp"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / f"{name}.npz")
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise InvalidArgument(
                f"the cache {self.folder} cannot be written: {error}",
                hint="name another folder, or run without a cache",
            ) from error
        shard = _unpack(data, self._dimension)
        self._known |= {digest: (shard, row) for row, digest in enumerate(shard.digests)}
        self._pending = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.flush()


@dataclass(frozen=True, slots=True, eq=False)
class _Shard:
    digests: list[str]
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)

    def face(self, row: int) -> CachedFace:
        a = self.arrays
        height, width = (int(side) for side in a["sizes"][row])
        if not a["found"][row]:
            return CachedFace.none((height, width))
        return CachedFace(
            a["embeddings"][row],
            a["boxes"][row],
            a["landmarks"][row],
            float(a["scores"][row]),
            int(a["faces"][row]),
            (height, width),
        )


def _pack(faces: Mapping[str, CachedFace], dimension: int) -> bytes:
    rows = list(faces.values())
    nothing = np.zeros(dimension, dtype=np.float32)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        digests=np.array([digest.encode("ascii") for digest in faces], dtype="S64"),
        found=np.array([face.embedding is not None for face in rows]),
        embeddings=np.stack([nothing if face.embedding is None else face.embedding for face in rows]),
        boxes=np.stack([face.box for face in rows]).astype(np.float32),
        landmarks=np.stack([face.landmarks for face in rows]).astype(np.float32),
        scores=np.array([face.detection_score for face in rows], dtype=np.float64),
        faces=np.array([face.faces for face in rows], dtype=np.int64),
        sizes=np.array([face.size for face in rows], dtype=np.int64),
    )
    return buffer.getvalue()


def _unpack(data: bytes, dimension: int) -> _Shard:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if arrays["embeddings"].shape != (len(arrays["digests"]), dimension):
        raise ValueError(f"embeddings of shape {arrays['embeddings'].shape}")
    return _Shard([digest.decode("ascii") for digest in arrays["digests"].tolist()], arrays)


def _read(path: Path, dimension: int) -> _Shard | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:  # another process has just dropped it
        return None
    if hashlib.sha256(data).hexdigest() != path.stem:
        return None
    try:
        return _unpack(data, dimension)
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile):
        return None
