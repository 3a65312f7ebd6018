"""Indexes whose codes are really in use at sizes that tests can afford, and vectors for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.index.approximate import ApproximateIndex
from facematch.protocols import VectorIndex
from facematch.types import FloatArray

Factory = Callable[[int], VectorIndex]
Ints = NDArray[np.int64]


class CodedIndex(ApproximateIndex):
    """An approximate index that codes what it has after every second change."""

    def __init__(self, dimension: int, rerank: int = 48) -> None:
        super().__init__(dimension, exact_below=0, rerank=rerank, background=False)
        self._changes = 0

    def add(self, ids: Ints, vectors: FloatArray) -> None:
        super().add(ids, vectors)
        self._changes += 1
        if self._changes % 2:
            self.rebuild()


def units(count: int, dimension: int, seed: int = 0) -> FloatArray:
    """Random vectors of unit length."""
    return normal(np.random.default_rng(seed).standard_normal((count, dimension)))


def clusters(count: int, dimension: int, *, centers: int = 50, spread: float = 0.5, seed: int = 0) -> FloatArray:
    """Vectors of unit length around some centers."""
    rng = np.random.default_rng(seed)
    middle = normal(rng.standard_normal((centers, dimension)))
    noise = normal(rng.standard_normal((count, dimension)))
    return normal(middle[rng.integers(0, centers, count)] + spread * noise)


def normal(vectors: NDArray[Any]) -> FloatArray:
    """The vectors with unit length."""
    made: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return made


def ids_of(*values: int) -> Ints:
    """Ids as an array."""
    return np.asarray(values, dtype=np.int64)
