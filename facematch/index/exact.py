"""Exact search in NumPy: slow, small and obvious. It is the oracle for every other index."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
from facematch.index.checks import check_dimension, check_ids, check_k, check_vectors, exact_scores, ranked
from facematch.types import FloatArray

__all__ = ["ExactIndex"]


class ExactIndex:
    """A :class:`~facematch.protocols.VectorIndex` that compares with every vector in float64.

    Safe to share between threads.

    Args:
        dimension: Length of the vectors, at least 1.

    Raises:
        VectorIndexError: The dimension is below 1.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = check_dimension(dimension)
        self._lock = threading.RLock()
        self._ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._vectors: FloatArray = np.empty((0, self._dimension), dtype=np.float32)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._dimension

    def __len__(self) -> int:
        """Number of vectors."""
        with self._lock:
            return int(self._ids.size)

    def add(self, ids: NDArray[np.int64], vectors: FloatArray) -> None:
        """Add vectors under new ids; all of them or none.

        Args:
            ids: ``(N,)`` ``int64``, not negative.
            vectors: ``(N, dimension)`` ``float32``, finite.

        Raises:
            VectorIndexError: A wrong type or shape, a number that is not finite, or an id that is already there.
        """
        ids, vectors = check_ids(ids), check_vectors(vectors, self._dimension, "vectors")
        if ids.size != vectors.shape[0]:
            raise VectorIndexError(f"{ids.size} ids for {vectors.shape[0]} vectors", hint="pass one id a vector")
        with self._lock:
            if bool(np.isin(ids, self._ids).any()):
                raise VectorIndexError("an id is already in the index", hint="remove it first; nothing was added")
            self._ids = np.concatenate([self._ids, ids])
            self._vectors = np.concatenate([self._vectors, vectors])

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Remove ids; ids that are not there are ignored.

        Args:
            ids: ``(N,)`` ``int64``.

        Returns:
            How many were there.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        ids = check_ids(ids)
        with self._lock:
            keep = ~np.isin(self._ids, ids)
            removed = int(self._ids.size - keep.sum())
            if removed:
                self._ids, self._vectors = self._ids[keep], self._vectors[keep]
            return removed

    def search(
        self, queries: FloatArray, k: int, *, allowed: NDArray[np.int64] | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """The ``k`` highest inner products of each query.

        Args:
            queries: ``(Q, dimension)`` ``float32``.
            k: Results wanted a query, at least 1.
            allowed: Only these ids are compared; ids that are not there are ignored. ``None`` allows all.

        Returns:
            ``scores (Q, k)`` ``float32`` and ``ids (Q, k)`` ``int64``, highest first, ties by smaller id; missing
            places hold ``-inf`` and ``-1``.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        queries, k = check_vectors(queries, self._dimension, "queries"), check_k(k)
        with self._lock:
            ids, vectors = self._ids, self._vectors
        if allowed is not None:
            kept = np.isin(ids, check_ids(allowed, "allowed"))
            ids, vectors = ids[kept], vectors[kept]
        scores = np.full((queries.shape[0], k), -np.inf, dtype=np.float32)
        found = np.full((queries.shape[0], k), -1, dtype=np.int64)
        for row, query in enumerate(queries):
            scores[row], found[row] = ranked(exact_scores(vectors, query), ids, k)
        return scores, found
