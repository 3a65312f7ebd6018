"""Pictures as networks take them: scaled, padded and laid out in one tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.types import FloatArray, Image

__all__ = ["SCALING_VERSION", "Fitted", "Pixels", "fit", "scaled"]

_MULTIPLE: Final = 32

SCALING_VERSION: Final = 2
"""Rises when pictures are scaled in another way, so that kept faces are found anew."""


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
    """Normalization of pixels for a network: ``(value - mean) / scale``.

    Attributes:
        mean: Value of a pixel that becomes 0.
        scale: A power of two: then nothing is rounded.
        rgb: Whether red comes first; otherwise blue does.
    """

    mean: float = 0.0
    scale: float = 1.0
    rgb: bool = False


_AS_THEY_ARE: Final = Pixels()


def scaled(image: Image, seen: tuple[int, int]) -> Image:
    """A picture in another size, without aliasing: halved by averaging as often as that goes, and then bilinear.

    Averaging over areas of any other size (``cv2.INTER_AREA``) takes three to eight milliseconds for a frame of
    1920 x 1080, as long as detection itself, and changes nothing in what is found.

    Args:
        image: BGR ``uint8`` ``(H, W, 3)``.
        seen: Height and width wanted.
    """
    height, width = image.shape[:2]
    made: NDArray[Any] = image
    while height >= 2 * seen[0] and width >= 2 * seen[1]:
        height, width = height // 2, width // 2
        made = cv2.resize(made[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    if (height, width) != seen:
        made = cv2.resize(made, seen[::-1], interpolation=cv2.INTER_LINEAR)
    return made.astype(np.uint8, copy=False)


def fit(
    images: Sequence[Image],
    seen: tuple[int, int],
    pixels: Pixels = _AS_THEY_ARE,
    scale: Callable[[Image, tuple[int, int]], Image] = scaled,
) -> Fitted:
    """Scale equally large pictures to ``seen`` (height, width) and pad them to a multiple of 32."""
    height, width = images[0].shape[:2]
    seen_h, seen_w = seen
    rows, columns = (math.ceil(side / _MULTIPLE) * _MULTIPLE for side in seen)
    tensor = np.empty((len(images), 3, rows, columns), dtype=np.float32)
    tensor[:, :, seen_h:] = tensor[:, :, :, seen_w:] = -pixels.mean / pixels.scale
    for slot, image in zip(tensor, images, strict=True):
        planes = cv2.split(image if (height, width) == seen else scale(image, seen))
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
