"""Search in NumPy, in float64: slow, small and obvious. It is the oracle that every other index is compared with."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from facematch.index.checks import (
    already_there,
    check_addition,
    check_dimension,
    check_ids,
    check_k,
    check_scope,
    check_threshold,
    check_vectors,
    check_wanted,
    exact_scores,
    in_order,
    matches,
    not_there,
    ranked,
)
from facematch.types import FloatArray, IdSet, IndexStats, Matches

__all__ = ["OracleIndex"]


class OracleIndex:
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
        ids, vectors = check_addition(ids, vectors, self._dimension)
        with self._lock:
            if bool(np.isin(ids, self._ids).any()):
                raise already_there()
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

    def compact(self) -> int:
        """Nothing is kept of removed vectors: 0."""
        return 0

    def search(
        self, queries: FloatArray, k: int, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """The ``k`` highest inner products of each query; see :class:`~facematch.protocols.VectorSearch`.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        queries, k = check_vectors(queries, self._dimension, "queries"), check_k(k)
        ids, vectors = self._reach(allowed)
        scores = np.full((queries.shape[0], k), -np.inf, dtype=np.float32)
        found = np.full((queries.shape[0], k), -1, dtype=np.int64)
        for row, query in enumerate(queries):
            scores[row], found[row] = ranked(exact_scores(vectors, query), ids, k)
        return scores, found

    def search_above(
        self, queries: FloatArray, threshold: float, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> Matches:
        """Everything that scores ``threshold`` or more; see :class:`~facematch.protocols.VectorSearch`.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        queries, threshold = check_vectors(queries, self._dimension, "queries"), check_threshold(threshold)
        ids, vectors = self._reach(allowed)
        found = []
        for query in queries:
            scores = exact_scores(vectors, query)
            reaching = np.flatnonzero(scores >= threshold)
            found.append(in_order(scores[reaching], ids[reaching]))
        return matches(found)

    def vectors(self, ids: NDArray[np.int64]) -> FloatArray:
        """The vectors ``(N, dimension)`` of ids ``(N,)``.

        Raises:
            VectorIndexError: An id is not there.
        """
        with self._lock:
            known, vectors = self._ids, self._vectors
        rows = {int(key): row for row, key in enumerate(known)}
        wanted = check_wanted(ids).tolist()
        if not rows.keys() >= set(wanted):
            raise not_there()
        return vectors[[rows[key] for key in wanted]]

    def view(self) -> OracleIndex:
        """An index of its own with what is here now."""
        taken = OracleIndex(self._dimension)
        with self._lock:
            taken._ids, taken._vectors = self._ids, self._vectors
        return taken

    def stats(self) -> IndexStats:
        """Figures about the index."""
        with self._lock:
            size = self._vectors.nbytes
            return IndexStats("oracle", len(self), self._dimension, 0, size, size + self._ids.nbytes)

    def _reach(self, allowed: IdSet | NDArray[np.int64] | None) -> tuple[NDArray[np.int64], FloatArray]:
        with self._lock:
            ids, vectors = self._ids, self._vectors
        scope = check_scope(allowed)
        if scope is None:
            return ids, vectors
        kept = np.isin(ids, scope.ids)
        return ids[kept], vectors[kept]
