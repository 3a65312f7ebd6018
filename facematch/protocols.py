"""The seams: small protocols that built-in parts and plug-ins implement alike.

Contract checks for implementers are in :mod:`facematch.testing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from facematch.types import (
    Alert,
    EmbeddingContract,
    Face,
    FaceQuality,
    FloatArray,
    Frame,
    Identification,
    IdSet,
    Image,
    ImageSource,
    IndexStats,
    Matches,
    OperatingPoint,
    SearchTerms,
)

__all__ = [
    "AlertSink",
    "Analyzer",
    "Clock",
    "Detector",
    "Embedder",
    "FaceSearch",
    "FaintDetector",
    "FrameSource",
    "KeyProvider",
    "Progress",
    "QualityAssessor",
    "Session",
    "VectorIndex",
    "VectorSearch",
]

Clock: TypeAlias = Callable[[], datetime]
"""Returns the present moment, timezone-aware. Injected wherever time decides something."""

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called as ``progress(done, total)``; ``total`` is ``None`` while unknown. Must return quickly."""


@runtime_checkable
class Session(Protocol):
    """A loaded model with one input. Many threads may run it, and so may a forked child."""

    @property
    def name(self) -> str:
        """Readable name of the model, for messages."""
        ...

    @property
    def threads(self) -> int:
        """Threads one run may use."""
        ...

    @property
    def input_shape(self) -> tuple[int | str, ...]:
        """Sizes of the input; names stand for those that are free."""
        ...

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        ...

    def describe(self) -> str:
        """Runtime of the model, in a few words: all that its numbers depend on, and not the threads."""
        ...

    def run(self, values: NDArray[np.generic]) -> dict[str, FloatArray]:
        """Run the model.

        Args:
            values: The input, in the shape and type that the model takes.

        Returns:
            The outputs by name; they are the caller's own.

        Raises:
            InferenceError: The runtime failed, for example for want of memory.
        """
        ...


@runtime_checkable
class Detector(Protocol):
    """Finds faces and their five landmarks."""

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        """Faces of each picture, in no particular order, without embeddings.

        Args:
            images: BGR ``uint8`` pictures ``(H, W, 3)``; sizes may differ.

        Returns:
            One list a picture, in the pictures' order.
        """
        ...


@runtime_checkable
class FaintDetector(Protocol):
    """A detector that can also tell faces below its own threshold, so that video can redact them."""

    def detect_faint(self, images: Sequence[Image], floor: float) -> list[tuple[list[Face], list[Face]]]:
        """``(faces, fainter)`` of each picture: what ``detect`` gives, and what scores less, down to ``floor``."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Turns aligned face crops into embeddings."""

    @property
    def contract(self) -> EmbeddingContract:
        """Contract of its embeddings."""
        ...

    def align(self, image: Image, landmarks: FloatArray) -> NDArray[np.uint8]:
        """Crops of faces, as :meth:`embed` takes them.

        Args:
            image: BGR ``uint8`` ``(H, W, 3)``.
            landmarks: ``(N, 5, 2)`` in pixels of the picture; ``N`` may be 0.

        Returns:
            BGR ``uint8`` ``(N, h, w, 3)``, ``h`` and ``w`` fixed by the embedder. An ensemble whose members align
            differently lays their crops side by side.
        """
        ...

    def embed(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Embeddings of aligned crops.

        Args:
            crops: As :meth:`align` gives them; ``N`` may be 0.

        Returns:
            ``(N, dimension)`` ``float32``, each row of unit length.
        """
        ...


@runtime_checkable
class Analyzer(Protocol):
    """Pictures in, faces with embeddings out; what a watchlist and a video pipeline need of the layers below."""

    @property
    def contract(self) -> EmbeddingContract:
        """The embedding contract of its faces."""
        ...

    @property
    def operating_point(self) -> OperatingPoint | None:
        """The tested threshold of its pack, if the pack has one."""
        ...

    def analyze(self, images: Sequence[ImageSource]) -> list[list[Face]]:
        """Faces of each picture in reading order, with embeddings."""
        ...

    def detect(self, images: Sequence[ImageSource]) -> list[list[Face]]:
        """Faces of each picture in reading order, without embeddings."""
        ...

    def align(self, image: Image, faces: Sequence[Face]) -> NDArray[np.uint8]:
        """Aligned crops ``(N, h, w, 3)`` of the given faces of one picture."""
        ...

    def embed(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Unit-length embeddings ``(N, D)`` of aligned crops."""
        ...


@runtime_checkable
class QualityAssessor(Protocol):
    """An analyzer that can also measure the quality of faces; enrollment then applies its quality gate."""

    def assess(self, image: Image, faces: Sequence[Face]) -> list[FaceQuality]:
        """Quality components of the given faces of one picture."""
        ...


@runtime_checkable
class FaceSearch(Protocol):
    """Search as a video pipeline needs it of a watchlist: governed, audited search by embedding."""

    @property
    def analyzer(self) -> Analyzer:
        """The pipeline that made the enrolled templates."""
        ...

    @property
    def actor(self) -> str:
        """The actor."""
        ...

    def identify_faces(
        self,
        faces: Sequence[Face],
        *,
        purpose: str,
        site: str | None = None,
        zone: str | None = None,
        top_k: int = 5,
        threshold: float | None = None,
    ) -> Identification:
        """Search faces that already have embeddings; one audited search, one probe a face."""
        ...

    def search_terms(
        self, *, purpose: str, site: str | None = None, zone: str | None = None, threshold: float | None = None
    ) -> SearchTerms:
        """Terms of a search now; refused as the search would be. Nothing is searched."""
        ...

    def alert_refusal(self, *, frames: int, policy_version: int, cameras: int = 1) -> str | None:
        """Why the policy of that version refuses an alert on a passage, in words; ``None`` where it permits it."""
        ...


@runtime_checkable
class FrameSource(Protocol):
    """Frames of a camera or a recording, in order of time; entry-point group ``facematch.sources``, by URL scheme."""

    @property
    def name(self) -> str:
        """Name for alerts, reports and logs; no credentials."""
        ...

    @property
    def average_rate(self) -> float:
        """Average frames a second, greater than 0."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """The frames; ``index`` counts from 0 and ``time_s`` strictly increases.

        Raises:
            VideoError: The frames cannot be read.
        """
        ...


@runtime_checkable
class VectorSearch(Protocol):
    """Inner-product search over vectors under stable int64 ids. Many threads may search at once."""

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        ...

    def __len__(self) -> int:
        """Number of vectors."""
        ...

    def search(
        self, queries: FloatArray, k: int, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """The ``k`` highest inner products of each query.

        Args:
            queries: ``(Q, D)`` ``float32``.
            k: Results wanted a query, at least 1.
            allowed: Only these ids are compared (filter before scoring), ids that are not there are ignored; ``None``
                allows all. An :class:`~facematch.types.index.IdSet` that is used again is not resolved again.

        Returns:
            ``scores (Q, k)`` ``float32`` and ``ids (Q, k)`` ``int64``, highest first, ties by smaller id; missing
            places hold score ``-inf`` and id ``-1``. Scores are inner products summed in float64, then rounded.

        Raises:
            VectorIndexError: A wrong type or shape, or numbers that are not finite.
        """
        ...

    def search_above(
        self, queries: FloatArray, threshold: float, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> Matches:
        """Everything that scores ``threshold`` or more.

        Args:
            queries: ``(Q, D)`` ``float32``.
            threshold: Lowest score that counts, finite; compared with scores as it is given, not rounded to float32.
            allowed: As in ``search``.

        Raises:
            VectorIndexError: A wrong type or shape, or numbers that are not finite.
        """
        ...

    def vectors(self, ids: NDArray[np.int64]) -> FloatArray:
        """The vectors ``(N, D)`` ``float32`` of ids ``(N,)``, as they were added.

        Raises:
            VectorIndexError: An id is not there, or the ids are no ``int64`` array.
        """
        ...


@runtime_checkable
class VectorIndex(VectorSearch, Protocol):
    """A :class:`VectorSearch` that changes while others search."""

    def add(self, ids: NDArray[np.int64], vectors: FloatArray) -> None:
        """Add vectors ``(N, D)`` under new ids ``(N,)``, effective with the next search.

        Raises:
            VectorIndexError: A wrong type or shape, or an id that is already there: nothing is added.
        """
        ...

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Remove ids, effective with the next search; ids that are not there are ignored.

        Returns:
            How many were there.
        """
        ...

    def compact(self) -> int:
        """Let go of the memory of what was removed; returns how many vectors that were."""
        ...

    def view(self) -> VectorSearch:
        """View of what ``search`` would search now, whatever is added or removed later.

        An index that cannot keep a moment returns itself; it must then never return what was removed.
        """
        ...

    def stats(self) -> IndexStats:
        """Figures about the index."""
        ...


@runtime_checkable
class AlertSink(Protocol):
    """Receives alerts; a context manager that flushes on exit."""

    def emit(self, alert: Alert) -> None:
        """Take one alert; durable or handed on when this returns."""
        ...

    def close(self) -> None:
        """Flush and release; further calls to ``emit`` are errors."""
        ...

    def __enter__(self) -> Self:
        """Enter the context."""
        ...

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        ...


@runtime_checkable
class KeyProvider(Protocol):
    """Wraps the one key that a watchlist's data keys are locked under, and unwraps it."""

    @property
    def key_id(self) -> str:
        """Name of the key that wraps from now on; not secret."""
        ...

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """``key`` (32 bytes) wrapped, bound to ``context``.

        Raises:
            KeyUnavailable: The key that wraps cannot be had.
        """
        ...

    def unwrap(self, key_id: str, wrapped: bytes, context: bytes) -> bytes:
        """Undo :meth:`wrap`, also under an earlier key.

        Raises:
            KeyUnavailable: That key cannot be had, or the bytes do not fit it or the context.
        """
        ...
