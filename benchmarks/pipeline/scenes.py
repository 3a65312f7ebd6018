"""Pictures to measure with: one of six people that insightface carries, and what can be made of it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final

import numpy as np

from facematch.imaging import decode_pixels
from facematch.types import Face, Image

__all__ = ["crowd", "group", "singles"]

_SIDE: Final = 250
"""Pixels of a picture of one person, as those of LFW have."""
_SHIFT: Final = 6
_SMALL: Final = 0.48
_CANVAS: Final = 1280


def group() -> Image:
    """The picture of six people that insightface carries, ``(886, 1280, 3)``."""
    return decode_pixels(str(resources.files("insightface") / "data" / "images" / "t1.jpg"))


def crowd(picture: Image) -> Image:
    """Thirty people: the picture five times, small, in two columns on a square of 1,280 pixels."""
    import cv2

    small = cv2.resize(picture, None, fx=_SMALL, fy=_SMALL, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    canvas = np.zeros((_CANVAS, _CANVAS, 3), dtype=np.uint8)
    for number in range(5):
        top, left = number % 3 * height, number // 3 * width
        canvas[top : top + height, left : left + width] = small
    return canvas


def singles(picture: Image, faces: Sequence[Face], count: int) -> list[Image]:
    """So many pictures of one person each, no two alike: squares around the faces, moved by some pixels.

    Args:
        picture: BGR ``uint8`` ``(H, W, 3)``, at least 256 pixels high and wide.
        faces: Those in it, far enough from each other.
        count: Pictures wanted, at most 36 for each face.
    """
    height, width = picture.shape[:2]
    made = []
    for number in range(count):
        box, turn = faces[number % len(faces)].box, number // len(faces)
        left = round(min(max((box.x1 + box.x2 - _SIDE) / 2, 0), width - _SIDE - _SHIFT)) + turn % _SHIFT
        top = round(min(max((box.y1 + box.y2 - _SIDE) / 2, 0), height - _SIDE - _SHIFT)) + turn // _SHIFT
        made.append(picture[top : top + _SIDE, left : left + _SIDE].copy())
    return made
