"""The parts of a camera's view in which faces are looked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np

from facematch.errors import InvalidArgument
from facematch.types import Box, Face, Image

__all__ = ["Areas", "Found"]

Found: TypeAlias = tuple[list[Face], list[Face]]
"""Clear and faint faces of a picture."""

_SAME: Final = 0.4


class Areas:
    """Parts of the view, as fractions of its width and height. Without any, it is the whole view.

    Args:
        boxes: ``(x1, y1, x2, y2)``, each in ``[0, 1]``; they may overlap.

    Raises:
        InvalidArgument: One is empty or leaves the view.
    """

    def __init__(self, boxes: Iterable[Box] = ()) -> None:
        self._boxes = tuple(boxes)
        for box in self._boxes:
            if box.area <= 0 or min(box.as_tuple()) < 0 or max(box.as_tuple()) > 1:
                raise InvalidArgument(
                    f"an area is a Box of fractions from 0 to 1, got {box.as_tuple()}",
                    hint="for example Box(0.25, 0.1, 0.75, 1)",
                )

    def __bool__(self) -> bool:
        return bool(self._boxes)

    def detect(self, detect: Callable[[Sequence[Image]], list[Found]], images: Sequence[Image]) -> list[Found]:
        """Faces of pictures, looked for in the areas only, each once and in pixels of the whole picture.

        Args:
            detect: Finds the faces of pictures.
            images: BGR ``uint8`` ``(H, W, 3)``.
        """
        if not self._boxes:
            return detect(images)
        corners = [[self._pixels(box, image) for box in self._boxes] for image in images]
        parts = [
            image[top:bottom, left:right]
            for image, own in zip(images, corners, strict=True)
            for left, top, right, bottom in own
        ]
        answers = iter(detect(parts))
        return [_together([(corner, next(answers)) for corner in own]) for own in corners]

    def black_out(self, image: Image) -> None:
        """Blacken what lies outside of all areas, in place."""
        if not self._boxes:
            return
        hidden = np.ones(image.shape[:2], dtype=bool)
        for box in self._boxes:
            left, top, right, bottom = self._pixels(box, image)
            hidden[top:bottom, left:right] = False
        image[hidden] = 0

    @staticmethod
    def _pixels(box: Box, image: Image) -> tuple[int, int, int, int]:
        height, width = image.shape[:2]
        left, top = math.floor(box.x1 * width), math.floor(box.y1 * height)
        return left, top, max(math.ceil(box.x2 * width), left + 1), max(math.ceil(box.y2 * height), top + 1)


def _together(found: Sequence[tuple[tuple[int, int, int, int], Found]]) -> Found:
    """Faces of several areas of a picture; one that lies in two of them counts once."""
    clear: list[Face] = []
    faint: list[Face] = []
    for kept, which in ((clear, 0), (faint, 1)):
        moved = [_moved(face, left, top) for (left, top, _, _), both in found for face in both[which]]
        for face in sorted(moved, key=lambda face: -face.detection_score):
            if not any(face.box.iou(other.box) > _SAME for other in (*clear, *faint)):
                kept.append(face)
    return clear, faint


def _moved(face: Face, left: int, top: int) -> Face:
    box = face.box
    landmarks = face.landmarks + np.array([left, top], dtype=np.float32)
    return replace(face, box=Box(box.x1 + left, box.y1 + top, box.x2 + left, box.y2 + top), landmarks=landmarks)
