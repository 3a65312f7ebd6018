"""SCRFD on ONNX Runtime, batched over pictures of one size.

Guo, Deng, Lattas, Zafeiriou: "Sample and Computation Redistribution for Efficient Face Detection", ICLR 2022. Each
cell of strides 8, 16 and 32 has two anchors, each with a score, four distances to the box's sides and five landmarks.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from facematch.errors import InferenceError, InvalidArgument
from facematch.faces.detectors.fitting import Pixels, fit
from facematch.faces.detectors.grid import Defaults, GridDetector, faces_of
from facematch.protocols import Session
from facematch.types import Face, FloatArray, Image

__all__ = ["ScrfdDetector"]

_PIXELS: Final = Pixels(mean=127.5, scale=128.0, rgb=True)
_LAYOUTS: Final = {9: ((8, 16, 32), 2), 15: ((8, 16, 32, 64, 128), 1)}
"""Strides and anchors a cell by number of outputs, for models with landmarks."""


class ScrfdDetector(GridDetector):
    """SCRFD face detector with landmarks.

    Size policy: a picture is scaled, up or down, so that its longer side has ``max_side`` pixels, as the family is
    meant to be run, or by ``smallest_face``; then it is padded at the right and bottom to a multiple of 32.

    The model has three outputs a stride (scores, boxes, landmarks). ``max_side`` is at least 32; with ``smallest_face``
    it is the most that the longer side may have, 0 for no limit. Other options:
    :class:`~facematch.faces.detectors.grid.GridDetector`.
    """

    defaults = Defaults(score_threshold=0.5, nms_threshold=0.4, max_side=640)

    def _check(self) -> None:
        if self.max_side < 32 and (self.max_side != 0 or self.smallest_face is None):
            raise InvalidArgument(f"max_side must be at least 32, got {self.max_side}")
        outputs = len(self.session.output_names)
        if outputs not in _LAYOUTS:
            raise InferenceError(
                f"{self.session.name} has {outputs} outputs; SCRFD with landmarks has 9 or 15",
                hint="use a model with five landmarks (_kps), and check the pack's manifest",
            )
        self._strides, self._anchors = _LAYOUTS[outputs]

    def seen(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which a picture of a height and width is looked at, in pixels."""
        scale = self._wanted_scale()
        if scale * max(height, width) < (self.max_side or math.inf):
            return max(1, round(height * scale)), max(1, round(width * scale))
        if height > width:
            return self.max_side, max(1, int(self.max_side * width / height))
        return max(1, int(self.max_side * height / width)), self.max_side

    def _detect_equal(
        self, session: Session, images: list[Image], seen: tuple[int, int], score_threshold: float
    ) -> list[list[Face]]:
        fitted = fit(images, seen, _PIXELS, _bilinear)
        outputs = list(session.run(fitted.tensor).values())
        levels = [self._level(outputs, level, fitted.tensor.shape) for level in range(len(self._strides))]
        found = []
        for index in range(len(images)):
            parts = zip(*(_decode(index, score_threshold, level) for level in levels), strict=True)
            boxes, points, scores = (np.concatenate(part) for part in parts)
            found.append(faces_of(boxes, points, scores, self.nms_threshold, fitted))
        return found

    def _level(
        self, outputs: list[FloatArray], level: int, shape: tuple[int, ...]
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Anchor centers, scores, distances and landmarks of one stride, the last three with the picture first."""
        stride, count = self._strides[level], len(self._strides)
        rows, columns = shape[2] // stride, shape[3] // stride
        y, x = np.mgrid[:rows, :columns]
        centers = np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), self._anchors, axis=0).astype(np.float32) * stride
        scores, distances, points = (
            self._by_picture(outputs[level + part * count], shape[0], rows * columns, width)
            for part, width in enumerate((1, 4, 10))
        )
        return centers, scores[..., 0], distances * stride, points * stride

    def _by_picture(self, output: FloatArray, pictures: int, cells: int, width: int) -> FloatArray:
        places = cells * self._anchors
        if output.shape == (pictures, places, width):
            return output
        if output.shape != (pictures * places, width):
            raise InferenceError(
                f"{self.session.name} gave an output of shape {output.shape}; SCRFD gives "
                f"{width} numbers for each of {places} places in a picture",
                hint="check the detector's kind in the pack's manifest",
            )
        # exported for one picture: rows run over cells, then pictures, then anchors
        return output.reshape(cells, pictures, self._anchors, width).swapaxes(0, 1).reshape(pictures, -1, width)


def _bilinear(image: Image, seen: tuple[int, int]) -> Image:
    """Another size as insightface makes it."""
    return cv2.resize(image, seen[::-1], interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _decode(
    index: int, score_threshold: float, level: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    centers, scores, distances, points = level
    (chosen,) = np.nonzero(scores[index] >= score_threshold)
    center, reach = centers[chosen], distances[index, chosen]
    boxes = np.concatenate([center - reach[:, :2], center + reach[:, 2:]], axis=1)
    landmarks = center[:, None] + points[index, chosen].reshape(-1, 5, 2)
    return boxes, landmarks, scores[index, chosen]
