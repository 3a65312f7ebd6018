"""YuNet on ONNX Runtime: any picture size, batched over pictures of one size.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023. The network is
anchor-free: each cell of strides 8, 16 and 32 gives a class score, an objectness, a box and five landmarks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Self

import cv2
import numpy as np

from facematch.errors import InferenceError, InvalidArgument
from facematch.faces.detectors.batching import check_fraction, faces_of, fit, in_batches
from facematch.models import DetectorModel, OnnxSession
from facematch.types import Face, FloatArray, Image

__all__ = ["YuNetDetector"]

_STRIDES: Final = (8, 16, 32)


class YuNetDetector:
    """YuNet face detector.

    Size policy: a picture whose longer side exceeds ``max_side`` is scaled down to it (area interpolation); no
    picture is scaled up; then it is padded with black at the right and bottom to a multiple of 32. Boxes and
    landmarks come back in pixels of the original. YuNet finds faces from about 10 pixels of height in what it sees.

    Args:
        session: The converted model.
        score_threshold: Faces below this score are dropped; the score is ``sqrt(class * objectness)``, in ``[0, 1]``.
        nms_threshold: Intersection over union above which the lesser of two boxes is dropped.
        max_side: Longest side that is looked at, in pixels; 0 never scales.

    Raises:
        InvalidArgument: A threshold is outside ``[0, 1]`` or ``max_side`` is negative.
        InferenceError: The model has not YuNet's outputs.
    """

    def __init__(
        self,
        session: OnnxSession,
        *,
        score_threshold: float = 0.6,
        nms_threshold: float = 0.3,
        max_side: int = 1280,
    ) -> None:
        check_fraction("score_threshold", score_threshold)
        check_fraction("nms_threshold", nms_threshold)
        if max_side < 0:
            raise InvalidArgument(f"max_side must be 0 (never scale) or positive, got {max_side}")
        expected = {f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in _STRIDES}
        if expected - set(session.output_names):
            raise InferenceError(
                f"{session.name} lacks YuNet's outputs: {', '.join(sorted(expected - set(session.output_names)))}",
                hint="the pack's manifest names a detector of another kind",
            )
        self.session = session
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.max_side = max_side

    @classmethod
    def from_model(
        cls,
        model: DetectorModel,
        data: bytes,
        *,
        threads: int = 0,
        score_threshold: float = 0.6,
        nms_threshold: float = 0.3,
        max_side: int = 1280,
    ) -> Self:
        """Build from a pack's manifest entry and the model's bytes."""
        session = OnnxSession(data, name=model.file, threads=threads)
        return cls(session, score_threshold=score_threshold, nms_threshold=nms_threshold, max_side=max_side)

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

    def _detect(self, images: Sequence[Image], score_threshold: float) -> list[list[Face]]:
        return in_batches(
            images,
            lambda height, width: math.prod(self._seen(height, width)),
            lambda batch: self._detect_equal(batch, score_threshold),
        )

    def _seen(self, height: int, width: int) -> tuple[int, int]:
        scale = min(1.0, self.max_side / max(height, width)) if self.max_side else 1.0
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _detect_equal(self, images: list[Image], score_threshold: float) -> list[list[Face]]:
        fitted = fit(images, self._seen(*images[0].shape[:2]), cv2.INTER_AREA)
        outputs = self.session.run(fitted.tensor)
        columns = fitted.tensor.shape[3]
        return [
            faces_of(*_decode(outputs, index, columns, score_threshold), self.nms_threshold, fitted)
            for index in range(len(images))
        ]


def _decode(
    outputs: dict[str, FloatArray], index: int, width: int, score_threshold: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    all_boxes, all_points, all_scores = [], [], []
    for stride in _STRIDES:
        class_score, objectness = (np.clip(outputs[f"{k}_{stride}"][index, :, 0], 0, 1) for k in ("cls", "obj"))
        scores = np.sqrt(class_score * objectness)
        (cells,) = np.nonzero(scores >= score_threshold)
        columns = width // stride
        origin = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
        box = outputs[f"bbox_{stride}"][index, cells]
        center = (origin + box[:, :2]) * stride
        half = np.exp(box[:, 2:]) * (stride / 2)
        all_boxes.append(np.concatenate([center - half, center + half], axis=1))
        all_points.append((outputs[f"kps_{stride}"][index, cells].reshape(-1, 5, 2) + origin[:, None]) * stride)
        all_scores.append(scores[cells])
    return np.concatenate(all_boxes), np.concatenate(all_points), np.concatenate(all_scores)
