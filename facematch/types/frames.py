"""Frames of a recording or a camera."""

from __future__ import annotations

from dataclasses import dataclass

from facematch.types.faces import Image

__all__ = ["Frame"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded frame.

    Attributes:
        index: Position among the frames that decoded, from 0.
        time_s: Seconds from the first frame; strictly increasing.
        pixels: BGR ``uint8`` ``(H, W, 3)``, turned upright.
    """

    index: int
    time_s: float
    pixels: Image
