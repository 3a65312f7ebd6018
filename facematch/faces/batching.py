"""A detector and an embedder for many threads, such as one a camera: their calls are run together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.errors import AnalyzerBusy
from facematch.parallel.batching import Batcher, Full
from facematch.protocols import Detector, Embedder, FaintDetector
from facematch.types import EmbeddingContract, Face, FloatArray, Image

__all__ = ["BatchingDetector", "BatchingEmbedder"]


class BatchingDetector:
    """Runs the pictures of several threads together; otherwise the detector that it is made of.

    Args:
        detector: The detector.
        options: Passed to :class:`~facematch.parallel.batching.Batcher`.
    """

    def __init__(self, detector: Detector, **options: Any) -> None:
        self.inner = detector
        self._together: Batcher[Image, tuple[list[Face], list[Face]]] = Batcher(self._run, **options)

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # not made yet
            raise AttributeError(name)
        return getattr(self.inner, name)

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        """Faces of each picture, as the detector finds them.

        Raises:
            AnalyzerBusy: Too much is waiting.
        """
        return [clear for clear, _ in self._asked(None, images)]

    def detect_faint(self, images: Sequence[Image], floor: float) -> list[tuple[list[Face], list[Face]]]:
        """Faces as :meth:`detect` gives them, and apart from them the fainter ones, if the detector can tell them.

        Raises:
            AnalyzerBusy: Too much is waiting.
        """
        return self._asked(floor, images)

    def _asked(self, floor: float | None, images: Sequence[Image]) -> list[tuple[list[Face], list[Face]]]:
        try:
            return self._together(floor, images)
        except Full:
            raise _busy() from None

    def _run(self, floor: Hashable, images: list[Image]) -> list[tuple[list[Face], list[Face]]]:
        if isinstance(floor, float) and isinstance(self.inner, FaintDetector):
            return self.inner.detect_faint(images, floor)
        return [(faces, []) for faces in self.inner.detect(images)]


class BatchingEmbedder:
    """Runs the crops of several threads together; otherwise the embedder that it is made of.

    Args:
        embedder: The embedder.
        options: Passed to :class:`~facematch.parallel.batching.Batcher`.
    """

    def __init__(self, embedder: Embedder, **options: Any) -> None:
        self.inner = embedder
        self._together: Batcher[NDArray[np.uint8], FloatArray] = Batcher(self._run, **options)

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # not made yet
            raise AttributeError(name)
        return getattr(self.inner, name)

    @property
    def contract(self) -> EmbeddingContract:
        """Contract of its embeddings."""
        return self.inner.contract

    def align(self, image: Image, landmarks: FloatArray) -> NDArray[np.uint8]:
        """Crops of faces, as :meth:`embed` takes them; cut out by the calling thread."""
        return self.inner.align(image, landmarks)

    def embed(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Embeddings ``(N, D)`` of aligned crops ``(N, h, w, 3)``.

        Raises:
            AnalyzerBusy: Too much is waiting.
        """
        if not len(crops):
            return self.inner.embed(crops)
        try:
            return np.stack(self._together(crops.shape[1:], list(crops)))
        except Full:
            raise _busy() from None

    def _run(self, shape: Hashable, crops: list[NDArray[np.uint8]]) -> list[FloatArray]:
        del shape
        return list(self.inner.embed(np.stack(crops)))


def _busy() -> AnalyzerBusy:
    return AnalyzerBusy(
        "more pictures are waiting than the analyzer may keep, and none was done in time",
        hint="drop the picture, look at fewer frames, or run fewer cameras on this machine",
    )
