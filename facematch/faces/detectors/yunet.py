"""YuNet on ONNX Runtime: any picture size, batched over pictures of one size.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023. The network is
anchor-free: each cell of strides 8, 16 and 32 gives a class score, an objectness, a box and five landmarks.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.errors import InferenceError, InvalidArgument
from facematch.faces.nms import non_maximum_suppression
from facematch.models import DetectorModel, OnnxSession
from facematch.types import Box, Face, FloatArray, Image

__all__ = ["YuNetDetector"]

_STRIDES: Final = (8, 16, 32)
_MULTIPLE: Final = 32
_BATCH_PIXELS: Final = 4_000_000
_CANDIDATES: Final = 5000


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
        for name, value in (("score_threshold", score_threshold), ("nms_threshold", nms_threshold)):
            if not 0.0 <= value <= 1.0:
                raise InvalidArgument(f"{name} must be in [0, 1], got {value}")
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
        found: list[list[Face]] = [[] for _ in images]
        by_shape: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            by_shape[image.shape[0], image.shape[1]].append(index)
        for (height, width), indices in by_shape.items():
            for batch in _batches(indices, height * width):
                for index, faces in zip(
                    batch, self._detect_equal([images[i] for i in batch], score_threshold), strict=True
                ):
                    found[index] = faces
        return found

    def _detect_equal(self, images: list[Image], score_threshold: float) -> list[list[Face]]:
        height, width = images[0].shape[:2]
        scale = min(1.0, self.max_side / max(height, width)) if self.max_side else 1.0
        seen_h, seen_w = (max(1, round(side * scale)) for side in (height, width))
        padded_h, padded_w = (math.ceil(side / _MULTIPLE) * _MULTIPLE for side in (seen_h, seen_w))
        tensor = np.zeros((len(images), 3, padded_h, padded_w), dtype=np.float32)
        for slot, image in zip(tensor, images, strict=True):
            seen = image if scale == 1.0 else cv2.resize(image, (seen_w, seen_h), interpolation=cv2.INTER_AREA)
            slot[:, :seen_h, :seen_w] = seen.transpose(2, 0, 1)
        outputs = self.session.run(tensor)
        back = np.array([width / seen_w, height / seen_h], dtype=np.float32)
        decoded = (self._decode(outputs, i, padded_w, back, score_threshold) for i in range(len(images)))
        return [[face for face in faces if face.box.clipped(width, height).area > 0] for faces in decoded]

    def _decode(
        self,
        outputs: dict[str, FloatArray],
        index: int,
        padded_w: int,
        back: NDArray[np.float32],
        score_threshold: float,
    ) -> list[Face]:
        all_boxes, all_points, all_scores = [], [], []
        for stride in _STRIDES:
            class_score, objectness = (np.clip(outputs[f"{k}_{stride}"][index, :, 0], 0, 1) for k in ("cls", "obj"))
            scores = np.sqrt(class_score * objectness)
            (cells,) = np.nonzero(scores >= score_threshold)
            columns = padded_w // stride
            origin = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
            box = outputs[f"bbox_{stride}"][index, cells]
            center = (origin + box[:, :2]) * stride
            half = np.exp(box[:, 2:]) * (stride / 2)
            points = (outputs[f"kps_{stride}"][index, cells].reshape(-1, 5, 2) + origin[:, None]) * stride
            all_boxes.append(np.concatenate([center - half, center + half], axis=1))
            all_points.append(points)
            all_scores.append(scores[cells])
        boxes, points, scores = (np.concatenate(parts) for parts in (all_boxes, all_points, all_scores))
        if len(scores) > _CANDIDATES:
            best = np.argsort(-scores, kind="stable")[:_CANDIDATES]
            boxes, points, scores = boxes[best], points[best], scores[best]
        kept = non_maximum_suppression(boxes, scores, self.nms_threshold)
        boxes = boxes[kept] * np.tile(back, 2)
        points = points[kept] * back
        return [
            Face(Box(*(float(v) for v in box)), landmarks, float(score))
            for box, landmarks, score in zip(boxes, points, scores[kept], strict=True)
        ]


def _batches(indices: list[int], pixels: int) -> Iterator[list[int]]:
    size = max(1, _BATCH_PIXELS // max(pixels, 1))
    for start in range(0, len(indices), size):
        yield indices[start : start + size]
