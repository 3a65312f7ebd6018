"""Pictures to measure with: one of six people that insightface carries, and what can be made of it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final

import numpy as np

from facematch.imaging import decode
from facematch.types import Face, Image

__all__ = ["crowd", "group", "singles"]

_SIDE: Final = 250
"""Pixels of a picture of one person, as those of LFW have."""
_SHIFT: Final = 6


def group() -> Image:
    """The picture of six people that insightface carries, ``(886, 1280, 3)``."""
    return decode(str(resources.files("insightface") / "data" / "images" / "t1.jpg")).pixels


def crowd(picture: Image) -> Image:
    """Thirty people: the picture five times, at half its size, in a column of two beside each other."""
    import cv2

    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    left = np.concatenate([half, half, half])
    right = np.concatenate([half, half, np.zeros_like(half)])
    return np.concatenate([left, right], axis=1)


def singles(picture: Image, faces: Sequence[Face], count: int) -> list[Image]:
    """So many pictures of one person each, no two alike: squares around the faces, moved by some pixels.

    Args:
        picture: BGR ``uint8`` ``(H, W, 3)``, at least 262 pixels high and wide.
        faces: Those in it, far enough from each other.
        count: Pictures wanted.
    """
    height, width = picture.shape[:2]
    made = []
    for number in range(count):
        box = faces[number % len(faces)].box
        turn = number // len(faces)
        dx, dy = turn % _SHIFT - _SHIFT // 2, turn // _SHIFT - _SHIFT // 2
        left = round((box.x1 + box.x2 - _SIDE) / 2) + dx
        top = round((box.y1 + box.y2 - _SIDE) / 2) + dy
        left, top = min(max(left, 0), width - _SIDE), min(max(top, 0), height - _SIDE)
        made.append(picture[top : top + _SIDE, left : left + _SIDE].copy())
    return made
