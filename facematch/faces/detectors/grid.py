"""What detectors over a grid of cells share: equal pictures in batches, scaled and padded into one tensor."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.faces.nms import non_maximum_suppression
from facematch.models import DetectorModel, SessionOptions
from facematch.parallel import helpers, shared_out
from facematch.protocols import Session
from facematch.types import Box, Face, FloatArray, Image

__all__ = ["Fitted", "GridDetector", "Pixels", "check_fraction", "faces_of", "fit"]

_MULTIPLE: Final = 32
_BATCH_PIXELS: Final = 400_000
"""Pixels that are looked at together; what more would need no longer fits into a processor's cache."""
_CANDIDATES: Final = 5000
_DEFAULT: Final = SessionOptions()


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Pictures of one size as a network sees them.

    Attributes:
        tensor: ``(N, 3, H, W)`` ``float32``, as the network takes it; black where padded.
        back: ``(2,)`` factors from seen x and y to the picture's own.
        width: Width of the pictures, in pixels.
        height: Height of the pictures, in pixels.
    """

    tensor: FloatArray
    back: FloatArray
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Pixels:
    """How a network takes pixels: ``(value - mean) / scale``.

    Attributes:
        mean: Value of a pixel that becomes 0.
        scale: A power of two: then nothing is rounded.
        rgb: Whether red comes first; otherwise blue does.
    """

    mean: float = 0.0
    scale: float = 1.0
    rgb: bool = False


_AS_THEY_ARE: Final = Pixels()


def check_fraction(name: str, value: float) -> None:
    """Refuse a threshold outside ``[0, 1]``.

    Raises:
        InvalidArgument: It is.
    """
    if not 0.0 <= value <= 1.0:
        raise InvalidArgument(f"{name} must be in [0, 1], got {value}")


def fit(images: Sequence[Image], seen: tuple[int, int], interpolation: int, pixels: Pixels = _AS_THEY_ARE) -> Fitted:
    """Scale equally large pictures to ``seen`` (height, width) and pad them to a multiple of 32."""
    height, width = images[0].shape[:2]
    seen_h, seen_w = seen
    rows, columns = (math.ceil(side / _MULTIPLE) * _MULTIPLE for side in seen)
    tensor = np.empty((len(images), 3, rows, columns), dtype=np.float32)
    tensor[:, :, seen_h:] = tensor[:, :, :, seen_w:] = -pixels.mean / pixels.scale
    for slot, image in zip(tensor, images, strict=True):
        same = (height, width) == seen
        planes = cv2.split(image if same else cv2.resize(image, (seen_w, seen_h), interpolation=interpolation))
        for part, plane in zip(slot, planes[::-1] if pixels.rgb else planes, strict=True):
            own = part[:seen_h, :seen_w]
            if pixels.scale == 1.0:
                own[...] = plane
            else:
                np.multiply(plane, np.float32(1.0 / pixels.scale), out=own)
            if pixels.mean != 0.0:
                own -= np.float32(pixels.mean / pixels.scale)
    back = np.array([width / seen_w, height / seen_h], dtype=np.float32)
    return Fitted(tensor, back, width, height)


def faces_of(
    boxes: FloatArray, points: FloatArray, scores: FloatArray, nms_threshold: float, fitted: Fitted
) -> list[Face]:
    """Faces from a network's raw answer for one picture, highest score first, in the picture's own pixels.

    Args:
        boxes: ``(N, 4)`` ``xyxy`` in pixels of the network's input.
        points: ``(N, 5, 2)``, likewise.
        scores: ``(N,)``.
        nms_threshold: Intersection over union above which the lesser of two boxes goes.
        fitted: How the picture was fitted.
    """
    finite = np.isfinite(boxes).all(axis=1) & np.isfinite(points).all(axis=(1, 2)) & np.isfinite(scores)
    if not finite.all():  # a damaged model, or one that overflows; such a box is no place in a picture
        boxes, points, scores = boxes[finite], points[finite], scores[finite]
    if len(scores) > _CANDIDATES:
        best: NDArray[np.intp] = np.argsort(-scores, kind="stable")[:_CANDIDATES]
        boxes, points, scores = boxes[best], points[best], scores[best]
    kept = non_maximum_suppression(boxes, scores, nms_threshold)
    boxes, points = boxes[kept] * np.tile(fitted.back, 2), points[kept] * fitted.back
    inside = np.clip(boxes, 0.0, [fitted.width, fitted.height] * 2)
    (seen,) = np.nonzero((inside[:, 2:] > inside[:, :2]).all(axis=1))
    return [
        Face(Box(*box), landmarks, score)
        for box, landmarks, score in zip(boxes[seen].tolist(), points[seen], scores[kept][seen].tolist(), strict=True)
    ]


class GridDetector(ABC):
    """A detector that runs one network over pictures of one size at a time; subclasses say how it sees and answers.

    Args:
        session: The model.
        score_threshold: Faces below this score are dropped, in ``[0, 1]``.
        nms_threshold: Intersection over union above which the lesser of two boxes is dropped.
        max_side: Pixels of the longer side as the network sees it; its meaning is the subclass's.
        alone: The model once more, for runs of one thread: with it, several pictures are shared among threads, which
            takes a quarter less than one after the other in all threads. ``None`` does without.

    Raises:
        InvalidArgument: A threshold is outside ``[0, 1]``.
    """

    def __init__(
        self,
        session: Session,
        *,
        score_threshold: float,
        nms_threshold: float,
        max_side: int,
        alone: Session | None = None,
    ) -> None:
        for name, value in (("score_threshold", score_threshold), ("nms_threshold", nms_threshold)):
            check_fraction(name, value)
        self.session = session
        self._alone = alone
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.max_side = max_side

    @classmethod
    def from_model(
        cls, model: DetectorModel, data: bytes, *, sessions: SessionOptions = _DEFAULT, **options: Any
    ) -> Self:
        """Build from a pack's manifest entry and the model's bytes; ``options`` are the constructor's."""
        session = sessions.open(data, model.file)
        shares = session.threads > 1 and sessions.on_processor
        alone = sessions.in_threads(1).open(data, model.file) if shares else None
        return cls(session, alone=alone, **options)

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        """Faces of each picture, highest score first, without embeddings.

        Args:
            images: BGR ``uint8`` ``(H, W, 3)``; sizes may differ.

        Returns:
            One list a picture.

        Raises:
            InferenceError: The runtime failed.
        """
        return self._detect(images, self.score_threshold)

    def detect_faint(self, images: Sequence[Image], floor: float) -> list[tuple[list[Face], list[Face]]]:
        """Faces as :meth:`detect` gives them, and apart from them the fainter ones; the network runs once.

        Args:
            images: BGR ``uint8`` ``(H, W, 3)``; sizes may differ.
            floor: Lowest score of a fainter face, in ``[0, 1]``.

        Returns:
            ``(faces, fainter)`` a picture, each highest score first.

        Raises:
            InferenceError: The runtime failed.
        """
        return [
            (
                [face for face in faces if face.detection_score >= self.score_threshold],
                [face for face in faces if face.detection_score < self.score_threshold],
            )
            for faces in self._detect(images, min(floor, self.score_threshold))
        ]

    @abstractmethod
    def _seen(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which the network sees a picture, before padding."""

    @abstractmethod
    def _detect_equal(self, session: Session, images: list[Image], score_threshold: float) -> list[list[Face]]:
        """Faces of pictures of one size."""

    def _detect(self, images: Sequence[Image], score_threshold: float) -> list[list[Face]]:
        found: list[list[Face]] = [[] for _ in images]
        by_shape: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            by_shape[image.shape[0], image.shape[1]].append(index)
        threads = 1 if self._alone is None else min(self.session.threads, helpers() + 1)
        batches = []
        for shape, indices in by_shape.items():
            size = max(1, _BATCH_PIXELS // max(math.prod(self._seen(*shape)), 1))
            size = min(size, math.ceil(len(indices) / threads))  # something for every thread
            batches += [indices[start : start + size] for start in range(0, len(indices), size)]
        shared = 1 < threads <= len(batches)

        def work(waiting: Iterator[list[int]]) -> None:
            session = self.session if self._alone is None or not shared else self._alone
            for batch in waiting:
                faces_of_batch = self._detect_equal(session, [images[i] for i in batch], score_threshold)
                for index, faces in zip(batch, faces_of_batch, strict=True):
                    found[index] = faces

        shared_out(batches, work, wanted=threads if shared else 1)
        return found
