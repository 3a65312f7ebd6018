"""Labeled pictures, and one embedding a picture: the common ground of all protocols."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.errors import ImageDecodeError, ImageNotFound, InvalidArgument
from facematch.evaluation.cache import CachedFace, EmbeddingCache
from facematch.imaging import PICTURE_ENDINGS, decode_pixels
from facematch.protocols import Analyzer, Progress
from facematch.types import Face, FloatArray, Image

__all__ = ["EmbeddedPictures", "FaceChoice", "LabeledFolder", "embed_folder", "embed_pictures", "read_folder"]

FaceChoice: TypeAlias = Literal["central", "largest"]
"""Choice of the face of a picture that counts: the one nearest the center (LFW's meaning), or the largest."""

_BATCH: Final = 32


@dataclass(frozen=True, slots=True, eq=False)
class LabeledFolder:
    """Pictures in one folder a person.

    Attributes:
        root: The folder of folders.
        names: Pictures relative to ``root`` with ``/``, sorted.
        people: ``(N,)`` ``int64``, whom each picture shows: an index into ``person_names``.
        person_names: The folders' names, sorted.
    """

    root: Path
    names: tuple[str, ...]
    people: NDArray[np.int64]
    person_names: tuple[str, ...]

    @property
    def paths(self) -> list[Path]:
        """Folder of the pictures."""
        return [self.root / name for name in self.names]


def read_folder(root: Path) -> LabeledFolder:
    """Find the pictures of a folder that holds a folder a person.

    Raises:
        InvalidArgument: It is no folder, or has no picture in a folder of a person.
    """
    if not root.is_dir():
        raise InvalidArgument(f"{root} is not a folder", hint="name a folder that holds a folder of pictures a person")
    names = sorted(
        path.relative_to(root).as_posix()
        for path in root.glob("*/*")
        if path.suffix.lower() in PICTURE_ENDINGS and not path.name.startswith(".")
    )
    if not names:
        raise InvalidArgument(f"{root} holds no folder with pictures", hint="one folder a person is expected")
    person_names, people = np.unique([name.split("/")[0] for name in names], return_inverse=True)
    return LabeledFolder(root, tuple(names), people.astype(np.int64), tuple(str(name) for name in person_names))


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedPictures:
    """One face a picture, in the pictures' order.

    Attributes:
        names: What each picture was called.
        digests: SHA-256 (hex) of each file.
        embeddings: ``(N, D)`` ``float32`` unit vectors; zeros where no face was found.
        found: ``(N,)``, whether a face was found.
        boxes: ``(N, 4)`` ``float32`` ``xyxy`` in pixels; not a number where no face was found.
        landmarks: ``(N, 5, 2)`` ``float32``; not a number where no face was found.
        detection_scores: ``(N,)`` ``float32``; not a number where no face was found.
        sizes: ``(N, 2)`` height and width of each picture; 0 where it could not be decoded.
        unreadable: Pictures that could not be decoded; ``found`` is false for them.
        contract: Digest of the embedding contract.
        cached: How many came from the cache.
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    embeddings: FloatArray
    found: NDArray[np.bool_]
    boxes: FloatArray
    landmarks: FloatArray
    detection_scores: FloatArray
    sizes: NDArray[np.int64]
    unreadable: tuple[str, ...]
    contract: str
    cached: int

    def __len__(self) -> int:
        return len(self.names)

    @property
    def failures(self) -> tuple[str, ...]:
        """Pictures without a face, those that could not be decoded included: failures to acquire."""
        return tuple(name for name, found in zip(self.names, self.found, strict=True) if not found)

    @property
    def data_digest(self) -> str:
        """SHA-256 (hex) over the sorted digests of the files: which data was measured, whatever it is called."""
        return hashlib.sha256("".join(sorted(self.digests)).encode("ascii")).hexdigest()

    def score(self, first: int, second: int) -> float:
        """Raw cosine of two pictures; -1 where either has no face, so that the pair counts as a non-match."""
        if not (self.found[first] and self.found[second]):
            return -1.0
        return float(self.embeddings[first] @ self.embeddings[second])


def embed_folder(
    analyzer: Analyzer,
    folder: LabeledFolder,
    *,
    cache: EmbeddingCache | None = None,
    choice: FaceChoice = "central",
    progress: Progress | None = None,
) -> EmbeddedPictures:
    """Embed the pictures of a labeled folder; see :func:`embed_pictures`."""
    return embed_pictures(analyzer, folder.paths, names=folder.names, cache=cache, choice=choice, progress=progress)


def embed_pictures(
    analyzer: Analyzer,
    paths: Sequence[Path],
    *,
    names: Sequence[str] | None = None,
    cache: EmbeddingCache | None = None,
    choice: FaceChoice = "central",
    progress: Progress | None = None,
) -> EmbeddedPictures:
    """Find, choose and embed one face a picture, in batches.

    Interrupted with Ctrl-C, what was done stays in the cache.

    Args:
        analyzer: The models.
        paths: The pictures.
        names: What to call them; default: the paths.
        cache: Where faces are looked up and kept, opened for this analyzer and ``choice``; default: nowhere.
        choice: Which face of a picture counts.
        progress: Called with pictures done and pictures in all.

    Raises:
        InvalidArgument: Pictures are missing (the message lists them), or the cache cannot be written.
        InferenceError: The runtime failed.
    """
    names = [str(path) for path in paths] if names is None else list(names)
    check_pictures(paths, names)
    digests: list[str] = []
    faces: list[CachedFace | None] = []
    cached = 0
    with ExitStack() as stack:
        if cache is not None:
            stack.enter_context(cache)
        for start in range(0, len(paths), _BATCH):
            files = [
                _read(path, name) for path, name in zip(paths[start : start + _BATCH], names[start:], strict=False)
            ]
            batch = [hashlib.sha256(data).hexdigest() for data in files]
            known = {digest: face for digest in batch if cache is not None and (face := cache.get(digest)) is not None}
            cached += sum(digest in known for digest in batch)
            fresh = {digest: data for digest, data in zip(batch, files, strict=True) if digest not in known}
            computed = _compute(analyzer, fresh, _CHOICES[choice])
            if cache is not None:
                for digest, face in computed.items():
                    cache.put(digest, face)
            digests += batch
            faces += [known.get(digest) or computed.get(digest) for digest in batch]
            if progress is not None:
                progress(len(digests), len(paths))
    return _assembled(names, digests, faces, analyzer, cached)


def check_pictures(paths: Sequence[Path], names: Sequence[str]) -> None:
    """Refuse a list of pictures of which some are not there.

    Raises:
        InvalidArgument: Some are missing; the message lists up to twenty.
    """
    if missing := sorted({name for path, name in zip(paths, names, strict=True) if not path.is_file()}):
        listed = ", ".join(missing[:20]) + (f" and {len(missing) - 20} more" if len(missing) > 20 else "")
        raise InvalidArgument(
            f"{len(missing)} pictures are missing: {listed}", hint="check --images and the names in the list"
        )


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageNotFound(f"{name} cannot be read: {error.strerror}", hint="check the file's permissions") from error


def _compute(
    analyzer: Analyzer, files: dict[str, bytes], choose: Callable[[Sequence[Face], Image], Face | None]
) -> dict[str, CachedFace]:
    """Faces by digest; pictures that cannot be decoded are left out."""
    pictures: dict[str, Image] = {}
    for digest, data in files.items():
        try:
            pictures[digest] = decode_pixels(data)
        except ImageDecodeError:
            continue
    found = dict(zip(pictures, analyzer.detect(list(pictures.values())), strict=True)) if pictures else {}
    chosen = {digest: face for digest, picture in pictures.items() if (face := choose(found[digest], picture))}
    vectors: dict[str, FloatArray] = {}
    if chosen:
        crops: NDArray[np.uint8] = np.concatenate(
            [analyzer.align(pictures[digest], [face]) for digest, face in chosen.items()]
        )
        vectors = dict(zip(chosen, analyzer.embed(crops), strict=True))
    out = {}
    for digest, picture in pictures.items():
        size = (int(picture.shape[0]), int(picture.shape[1]))
        if (face := chosen.get(digest)) is None:
            out[digest] = CachedFace.none(size)
            continue
        box = np.array(face.box.as_tuple(), dtype=np.float32)
        out[digest] = CachedFace(vectors[digest], box, face.landmarks, face.detection_score, len(found[digest]), size)
    return out


def _assembled(
    names: Sequence[str], digests: Sequence[str], faces: Sequence[CachedFace | None], analyzer: Analyzer, cached: int
) -> EmbeddedPictures:
    rows = [CachedFace.none((0, 0)) if face is None else face for face in faces]
    count, dimension = len(rows), analyzer.contract.dimension
    embeddings = np.zeros((count, dimension), dtype=np.float32)
    for row, face in enumerate(rows):
        if face.embedding is not None:
            embeddings[row] = face.embedding
    return EmbeddedPictures(
        names=tuple(names),
        digests=tuple(digests),
        embeddings=embeddings,
        found=np.array([face.embedding is not None for face in rows], dtype=bool),
        boxes=np.array([face.box for face in rows], dtype=np.float32).reshape(count, 4),
        landmarks=np.array([face.landmarks for face in rows], dtype=np.float32).reshape(count, 5, 2),
        detection_scores=np.array([face.detection_score for face in rows], dtype=np.float32),
        sizes=np.array([face.size for face in rows], dtype=np.int64).reshape(count, 2),
        unreadable=tuple(name for name, face in zip(names, faces, strict=True) if face is None),
        contract=analyzer.contract.digest,
        cached=cached,
    )


def _central(faces: Sequence[Face], picture: Image) -> Face | None:
    height, width = picture.shape[:2]
    return min(
        faces,
        key=lambda face: (face.box.center[0] - width / 2) ** 2 + (face.box.center[1] - height / 2) ** 2,
        default=None,
    )


def _largest(faces: Sequence[Face], picture: Image) -> Face | None:
    del picture
    return max(faces, key=lambda face: face.box.area, default=None)


_CHOICES: Final[dict[FaceChoice, Callable[[Sequence[Face], Image], Face | None]]] = {
    "central": _central,
    "largest": _largest,
}
