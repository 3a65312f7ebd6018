"""Common parts of detectors over a grid of cells: how large they look at a picture, and equal pictures in batches."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.faces.detectors.fitting import Fitted
from facematch.faces.detectors.tiles import TILED_FROM, View, merged, views
from facematch.faces.nms import non_maximum_suppression
from facematch.models import DetectorModel, SessionOptions
from facematch.parallel import helpers, shared_out
from facematch.protocols import Session
from facematch.types import Box, Face, FloatArray, Image

__all__ = ["FINDS_FROM", "Defaults", "GridDetector", "check_fraction", "faces_of"]

_BATCH_PIXELS: Final = 400_000
"""Pixels that are looked at together; what more would need no longer fits into a processor's cache."""
_CANDIDATES: Final = 5000
_SMALLEST: Final = 5.0
_DEFAULT: Final = SessionOptions()

FINDS_FROM: Final = 20.0
"""Height, in pixels as the network sees a face, from which YuNet and SCRFD find three quarters of WIDER's and more."""


def check_fraction(name: str, value: float) -> None:
    """Refuse a threshold outside ``[0, 1]``.

    Raises:
        InvalidArgument: It is.
    """
    if not 0.0 <= value <= 1.0:
        raise InvalidArgument(f"{name} must be in [0, 1], got {value}")


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


@dataclass(frozen=True, slots=True)
class Defaults:
    """Options of a kind of detector where none are given.

    Attributes:
        score_threshold: In ``[0, 1]``.
        nms_threshold: In ``[0, 1]``.
        max_side: Pixels of the longer side as the network sees it, where no smallest face is named.
    """

    score_threshold: float
    nms_threshold: float
    max_side: int


class GridDetector(ABC):
    """A detector that runs one network over pictures of one size at a time; subclasses say how it sees and answers.

    Args:
        session: The model.
        score_threshold: Faces below this score are dropped, in ``[0, 1]``; ``None`` takes the default.
        nms_threshold: Intersection over union above which the lesser of two boxes is dropped; ``None`` likewise.
        max_side: Pixels of the longer side as the network sees it; the subclass says what it does. ``None`` takes the
            default, or with ``smallest_face`` 0, which is no limit.
        smallest_face: Height in pixels of the smallest face that is wanted. A picture is then seen at the scale at
            which such a face has 20 pixels, or less if ``max_side`` says so; one that is large even so is looked at in
            tiles. ``None``: only ``max_side`` counts, and nothing is cut up.
        alone: The model once more, for runs of one thread: with it, several pictures are shared among threads, which
            takes a quarter less than one after the other in all threads. ``None`` does without.

    Attributes:
        defaults: Options of this kind of detector where none are given.

    Raises:
        InvalidArgument: A threshold is outside ``[0, 1]``, ``max_side`` out of its range, or ``smallest_face`` under 5
            pixels.
        InferenceError: The model has not the outputs of this kind of detector.
    """

    defaults: ClassVar[Defaults]

    def __init__(
        self,
        session: Session,
        *,
        score_threshold: float | None = None,
        nms_threshold: float | None = None,
        max_side: int | None = None,
        smallest_face: float | None = None,
        alone: Session | None = None,
    ) -> None:
        score_threshold = self.defaults.score_threshold if score_threshold is None else score_threshold
        nms_threshold = self.defaults.nms_threshold if nms_threshold is None else nms_threshold
        if max_side is None:
            max_side = self.defaults.max_side if smallest_face is None else 0
        for name, value in (("score_threshold", score_threshold), ("nms_threshold", nms_threshold)):
            check_fraction(name, value)
        self.session = session
        self._alone = alone
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        if smallest_face is not None and not _SMALLEST <= smallest_face < math.inf:
            raise InvalidArgument(
                f"smallest_face must be at least {_SMALLEST:g} pixels, got {smallest_face}",
                hint="leave it out to go by max_side alone",
            )
        self.max_side = max_side
        self.smallest_face = smallest_face
        self._check()

    @abstractmethod
    def _check(self) -> None:
        """Refuse a ``max_side`` or a model that this kind of detector cannot work with.

        Raises:
            InvalidArgument: ``max_side`` is out of its range.
            InferenceError: The model has other outputs.
        """

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
    def seen(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which a picture of a height and width is looked at, in pixels."""

    @abstractmethod
    def _detect_equal(
        self, session: Session, images: list[Image], seen: tuple[int, int], score_threshold: float
    ) -> list[list[Face]]:
        """Faces of pictures of one size, seen at another."""

    def _wanted_scale(self) -> float:
        """Scale at which the smallest face wanted is just found; infinite where none is named."""
        return math.inf if self.smallest_face is None else FINDS_FROM / self.smallest_face

    def _detect(self, images: Sequence[Image], score_threshold: float) -> list[list[Face]]:
        most = math.inf if self.smallest_face is None else TILED_FROM
        if len(images) > 1:  # one large picture at a time: its copy in the size seen is large, too
            large = {n for n, image in enumerate(images) if math.prod(self.seen(*image.shape[:2])) > most}
            if large:
                rest = [image for n, image in enumerate(images) if n not in large]
                others = iter(self._detect(rest, score_threshold))
                return [
                    self._detect([image], score_threshold)[0] if n in large else next(others)
                    for n, image in enumerate(images)
                ]
        looks = [
            view
            for number, image in enumerate(images)
            for view in views(number, image, self.seen(*image.shape[:2]), most)
        ]
        alike: dict[tuple[tuple[int, ...], tuple[int, int]], list[View]] = defaultdict(list)
        for view in looks:
            alike[view.pixels.shape[:2], view.seen].append(view)
        threads = 1 if self._alone is None else min(self.session.threads, helpers() + 1)
        batches = []
        for (_, seen), equal in alike.items():
            size = max(1, _BATCH_PIXELS // max(math.prod(seen), 1))
            size = min(size, math.ceil(len(equal) / threads))  # something for every thread
            batches += [equal[start : start + size] for start in range(0, len(equal), size)]
        shared = 1 < threads <= len(batches)
        found: dict[View, list[Face]] = {}

        def work(waiting: Iterator[list[View]]) -> None:
            session = self.session if self._alone is None or not shared else self._alone
            for batch in waiting:
                pixels = [view.pixels for view in batch]
                faces = self._detect_equal(session, pixels, batch[0].seen, score_threshold)
                found.update(zip(batch, faces, strict=True))

        shared_out(batches, work, wanted=threads if shared else 1)
        of_picture: list[list[tuple[View, list[Face]]]] = [[] for _ in images]
        for view in looks:
            of_picture[view.picture].append((view, found[view]))
        return [merged(parts, self.nms_threshold) for parts in of_picture]
