"""Boxes, faces and embedding contracts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument

__all__ = ["Box", "EmbeddingContract", "Face", "FloatArray", "Image", "ImageSource"]

Image: TypeAlias = NDArray[np.uint8]
"""BGR ``uint8`` pixels of shape ``(H, W, 3)``."""

FloatArray: TypeAlias = NDArray[np.float32]

ImageSource: TypeAlias = str | PathLike[str] | bytes | bytearray | memoryview | NDArray[Any]
"""Anything that decodes to a picture: a path, the bytes of a picture file, or pixels."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle ``(x1, y1, x2, y2)`` in pixels.

    Raises:
        InvalidArgument: A coordinate is not finite, or the box is inside out.
    """

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.x1, self.y1, self.x2, self.y2)):
            raise InvalidArgument(f"a box needs four finite coordinates, got {self.as_tuple()}")
        if self.x2 < self.x1 or self.y2 < self.y1:
            raise InvalidArgument(f"a box needs x1 <= x2 and y1 <= y2, got {self.as_tuple()}")

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """Center ``(x, y)`` in pixels."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def as_tuple(self) -> tuple[float, float, float, float]:
        """``(x1, y1, x2, y2)``."""
        return self.x1, self.y1, self.x2, self.y2

    def iou(self, other: Box) -> float:
        """Intersection over union with ``other``, in ``[0, 1]``."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        if width <= 0 or height <= 0:
            return 0.0
        intersection = width * height
        union = self.area + other.area - intersection
        return intersection / union if union > 0 else 0.0

    def clipped(self, width: int, height: int) -> Box:
        """The part of the box inside a picture of ``width`` x ``height`` pixels (possibly of zero area)."""
        x1, x2 = (min(max(v, 0.0), float(width)) for v in (self.x1, self.x2))
        y1, y2 = (min(max(v, 0.0), float(height)) for v in (self.y1, self.y2))
        return Box(x1, y1, x2, y2)

    def expanded(self, fraction: float) -> Box:
        """The box grown on every side by ``fraction`` of its width and height (negative shrinks, down to a point)."""
        fraction = max(fraction, -0.5)
        dx, dy = self.width * fraction, self.height * fraction
        return Box(self.x1 - dx, self.y1 - dy, self.x2 + dx, self.y2 + dy)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face found in one picture.

    Attributes:
        box: Where it is, in pixels of the upright picture.
        landmarks: ``(5, 2)`` ``float32``; see the module's conventions.
        detection_score: The detector's score in ``[0, 1]``. It is not a probability of anything.
        embedding: Unit-length ``float32`` vector, or ``None`` where none was asked for or it must not be kept.
    """

    box: Box
    landmarks: FloatArray
    detection_score: float
    embedding: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.landmarks.shape != (5, 2):
            raise InvalidArgument(f"landmarks must have shape (5, 2), got {self.landmarks.shape}")
        if self.embedding is not None and self.embedding.ndim != 1:
            raise InvalidArgument(f"an embedding is one vector, got an array of shape {self.embedding.shape}")

    def with_embedding(self, embedding: FloatArray | None) -> Face:
        """The same face with another embedding, or with none."""
        return replace(self, embedding=embedding)


@dataclass(frozen=True, slots=True)
class EmbeddingContract:
    """Embedding contract: the conditions under which two embeddings are comparable.

    Attributes:
        digest: SHA-256 (hex) over the embedder's model bytes, preprocessing, alignment template and dimension.
        dimension: Length of an embedding.
        embedder: Readable name of the embedder, for messages only.
    """

    digest: str
    dimension: int
    embedder: str

    def __post_init__(self) -> None:
        if len(self.digest) != 64 or any(c not in "0123456789abcdef" for c in self.digest):
            raise InvalidArgument(f"a contract digest is 64 lower-case hex digits, got {self.digest!r}")
        if self.dimension < 1:
            raise InvalidArgument(f"an embedding has at least one dimension, got {self.dimension}")
