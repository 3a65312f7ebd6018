"""Make faces in a picture unrecognizable.

A face is averaged down to about four by five blocks and drawn back smoothly, inside an ellipse larger than the
detection. What remains is a handful of mean colors: the detail is gone from the pixels, not hidden under a filter that
could be inverted. The number of blocks follows the face, not the picture, so that a large face is treated as hard as a
small one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from facematch.errors import InvalidArgument
from facematch.types import Box, Image

__all__ = ["redact"]

BLOCKS = 4
"""Blocks across the redacted region, which is 1.6 times as wide as the face: two or three blocks fall on the face."""

MARGIN = 0.3
"""The region grows by this fraction of the box on every side; its ellipse then holds the whole box."""


def redact(image: Image, boxes: Sequence[Box], *, margin: float = MARGIN, blocks: int = BLOCKS) -> None:
    """Redact regions of a picture in place.

    Args:
        image: BGR ``uint8`` ``(H, W, 3)``, writable; changed in place.
        boxes: Faces, ``xyxy`` in pixels; parts outside the picture are ignored.
        margin: Growth of each box on every side, as a fraction of its size; at least 0.21, so that the
            ellipse holds the box.
        blocks: Blocks across the shorter side of a region, 1 to 8.

    Raises:
        InvalidArgument: The picture is not BGR ``uint8`` or cannot be written to, or a parameter is out of range.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.flags.writeable:
        raise InvalidArgument(
            f"redaction needs a writable uint8 picture (H, W, 3), got {image.dtype} {image.shape}",
            hint="copy the picture first",
        )
    if not 1 <= blocks <= 8 or margin < 0.21:
        raise InvalidArgument(
            f"redaction needs 1 to 8 blocks and a margin of at least 0.21, got {blocks} and {margin}",
            hint="leave the defaults; finer blocks can be recognized",
        )
    height, width = image.shape[:2]
    for box in boxes:
        grown = box.expanded(margin)
        seen = grown.clipped(width, height)
        x1, y1 = math.floor(seen.x1), math.floor(seen.y1)
        x2, y2 = math.ceil(seen.x2), math.ceil(seen.y2)
        if x2 <= x1 or y2 <= y1:
            continue
        region = image[y1:y2, x1:x2]
        region[:] = np.where(_ellipse(grown, x1, y1, x2, y2)[:, :, None], _blocks(region, blocks), region)


def _blocks(region: Image, blocks: int) -> Image:
    height, width = region.shape[:2]
    step = min(width, height) / blocks
    # never more blocks than a third of the pixels: a face of a few pixels must lose its detail too
    across = max(1, min(round(width / step), width // 3))
    down = max(1, min(round(height / step), height // 3))
    means = cv2.resize(region, (across, down), interpolation=cv2.INTER_AREA)
    return cv2.resize(means, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _ellipse(box: Box, x1: int, y1: int, x2: int, y2: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    cx, cy = box.center
    across = (np.arange(x1, x2) + 0.5 - cx) / max(box.width / 2, 0.5)
    down = (np.arange(y1, y2) + 0.5 - cy) / max(box.height / 2, 0.5)
    inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = across[None, :] ** 2 + down[:, None] ** 2 <= 1.0
    return inside
