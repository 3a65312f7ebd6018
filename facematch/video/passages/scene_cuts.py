"""Scene cuts, so that no track crosses one.

Consecutive frames are shrunk to small gray thumbnails and correlated. Correlation ignores brightness and contrast, so
a flash or an exposure step is not a cut; a different scene does not correlate with the one before.
"""

from __future__ import annotations

import cv2
import numpy as np

from facematch.types import FloatArray, Image

__all__ = ["CutDetector"]

_SIZE = (32, 18)
_FLAT = 2.0
"""Standard deviation in gray levels below which a thumbnail shows nothing (black, white, a fade's end)."""


class CutDetector:
    """Says of each frame whether a new scene begins with it.

    Args:
        threshold: A frame is the first of a new scene when the Pearson correlation of its 32 x 18 gray thumbnail with
            the one before is below this. See the tests on recorded clips for the margins of the default.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self._threshold = threshold
        self._before: FloatArray | None = None
        self._correlation = 1.0

    @property
    def correlation(self) -> float:
        """Correlation of the latest frame with the one before; 1.0 for the first."""
        return self._correlation

    def is_cut(self, pixels: Image) -> bool:
        """Whether a new scene begins with this frame; never for the first.

        Args:
            pixels: BGR ``uint8`` ``(H, W, 3)``.
        """
        small = cv2.resize(pixels, _SIZE, interpolation=cv2.INTER_AREA)
        thumbnail = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
        before, self._before = self._before, thumbnail
        self._correlation = 1.0 if before is None else _correlation(before, thumbnail)
        return self._correlation < self._threshold

    def reset(self) -> None:
        """Forget the latest frame."""
        self._before = None
        self._correlation = 1.0


def _correlation(one: FloatArray, other: FloatArray) -> float:
    a, b = one - one.mean(), other - other.mean()
    spread_a, spread_b = float(a.std()), float(b.std())
    if spread_a < _FLAT or spread_b < _FLAT:
        return 1.0 if spread_a < _FLAT and spread_b < _FLAT else 0.0
    return float((a * b).mean() / (spread_a * spread_b))
