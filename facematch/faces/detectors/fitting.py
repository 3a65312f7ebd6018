"""Pictures as networks take them: scaled, padded and laid out in one tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facematch.types import FloatArray, Image

__all__ = ["Fitted", "Pixels", "fit"]

_MULTIPLE: Final = 32


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
