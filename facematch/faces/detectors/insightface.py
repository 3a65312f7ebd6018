"""Detectors of InsightFace packs, run through insightface's own class."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np

from facematch.errors import InferenceError, InvalidArgument
from facematch.models import DetectorModel, OnnxSession, SessionOptions
from facematch.types import Box, Face, Image

__all__ = ["InsightFaceDetector"]

_DEFAULT: Final = SessionOptions()
_MAX_SIDE: Final = 640


class InsightFaceDetector:
    """SCRFD and RetinaFace detectors as insightface runs them, one picture at a time.

    Size policy: the picture is fitted into a square of ``input_size`` pixels, scaled up or down as needed.

    Args:
        model: insightface's detector object, prepared.
        session: The session that it runs.
        input_size: Side of the square in pixels.
    """

    def __init__(self, model: Any, session: OnnxSession, *, input_size: int) -> None:
        self._model = model
        self.session = session
        self._input_size = input_size
        self._lock = threading.Lock()  # insightface caches anchors in an unguarded dictionary

    @classmethod
    def from_model(
        cls,
        model: DetectorModel,
        data: bytes,
        *,
        sessions: SessionOptions = _DEFAULT,
        score_threshold: float = 0.5,
        nms_threshold: float = 0.4,
        max_side: int | None = None,
        smallest_face: float | None = None,
    ) -> Self:
        """Build from a pack's manifest entry and the model's bytes.

        Raises:
            InvalidArgument: A threshold is outside ``[0, 1]``, ``max_side`` is no positive multiple of 32, or
                ``smallest_face`` is given, by which insightface does not go.
            InferenceError: insightface cannot use the model as a detector.
        """
        from insightface.model_zoo.scrfd import SCRFD

        for name, value in (("score_threshold", score_threshold), ("nms_threshold", nms_threshold)):
            if not 0.0 <= value <= 1.0:
                raise InvalidArgument(f"{name} must be in [0, 1], got {value}")
        if smallest_face is not None:
            raise InvalidArgument(
                "insightface's own detector looks at every picture in one size", hint="set max_side instead"
            )
        max_side = _MAX_SIDE if max_side is None else max_side
        if max_side < 32 or max_side % 32:
            raise InvalidArgument(f"max_side must be a positive multiple of 32 here, got {max_side}")
        session = sessions.open_onnx(data, model.file)  # insightface knows no other runtime
        try:
            detector = SCRFD(model_file=model.file, session=session.runtime, static_shape_sessions=False)
            detector.prepare(-1, input_size=(max_side, max_side), det_thresh=score_threshold, nms_thresh=nms_threshold)
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise InferenceError(
                f"insightface cannot use {model.file} as a detector: {error}", hint="check the pack's manifest"
            ) from error
        return cls(detector, session, input_size=max_side)

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        """Faces of each picture, highest score first, without embeddings."""
        return [self._detect_one(image) for image in images]

    def _detect_one(self, image: Image) -> list[Face]:
        with self._lock:
            self._model.session = self.session.runtime  # a forked child has one of its own
            boxes, points = self._model.detect(image, max_num=0, metric="default")
        if points is None:
            raise InferenceError(
                "the detector gives no landmarks, which alignment needs",
                hint="use a detector with five landmarks (_kps)",
            )
        return [
            Face(Box(*(float(v) for v in row[:4])), np.asarray(landmarks, dtype=np.float32), float(row[4]))
            for row, landmarks in zip(boxes, points, strict=True)
        ]
