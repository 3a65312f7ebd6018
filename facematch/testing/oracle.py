"""Reference search in NumPy, in float64: slow, small and obvious; every other index is compared with it."""

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
)
from facematch.types import FloatArray, IdSet, IndexStats, Matches

__all__ = ["OracleIndex"]

Ints = NDArray[np.int64]


class OracleIndex:
    """A :class:`~facematch.protocols.VectorIndex` that compares with every vector in float64.

    Safe to share between threads: a search reads the moment it began with.

    Args:
        dimension: Length of the vectors, at least 1.

    Raises:
        VectorIndexError: The dimension is below 1.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = check_dimension(dimension)
        self._writing = threading.Lock()
        self._held: tuple[Ints, FloatArray] = (
            np.empty(0, dtype=np.int64),
            np.empty((0, self._dimension), dtype=np.float32),
        )

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._dimension

    @property
    def ids(self) -> Ints:
        """``(N,)`` the ids, ascending; not to be changed."""
        return self._held[0]

    def __len__(self) -> int:
        """Number of vectors."""
        return int(self.ids.size)

    def add(self, ids: Ints, vectors: FloatArray) -> None:
        """Add vectors under new ids; all of them or none.

        Args:
            ids: ``(N,)`` ``int64``, not negative.
            vectors: ``(N, dimension)`` ``float32``, finite.

        Raises:
            VectorIndexError: A wrong type or shape, a number that is not finite, or an id that is already there.
        """
        ids, vectors = check_addition(ids, vectors, self._dimension)
        with self._writing:
            known, held = self._held
            if bool(np.isin(ids, known).any()):
                raise already_there()
            ids, vectors = np.concatenate([known, ids]), np.concatenate([held, vectors])
            order = np.argsort(ids)
            self._held = ids[order], vectors[order]

    def remove(self, ids: Ints) -> int:
        """Remove ids; ids that are not there are ignored.

        Args:
            ids: ``(N,)`` ``int64``.

        Returns:
            How many were there.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        ids = check_ids(ids)
        with self._writing:
            known, vectors = self._held
            kept = ~np.isin(known, ids)
            self._held = known[kept], vectors[kept]
            return int(np.count_nonzero(~kept))

    def compact(self) -> int:
        """Nothing is kept of removed vectors: 0."""
        return 0

    def scores(self, queries: FloatArray) -> FloatArray:
        """Scores ``(Q, N)`` of queries ``(Q, dimension)`` with every vector, in the order of :attr:`ids`."""
        ids, vectors = self._held
        scores = np.empty((len(queries), ids.size), dtype=np.float32)
        for row, query in enumerate(queries):
            scores[row] = exact_scores(vectors, query)
        return scores

    def search(self, queries: FloatArray, k: int, *, allowed: IdSet | Ints | None = None) -> tuple[FloatArray, Ints]:
        """The ``k`` highest inner products of each query; see :class:`~facematch.protocols.VectorSearch`.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        queries, k = check_vectors(queries, self._dimension, "queries"), check_k(k)
        ids, vectors = self._reach(allowed)
        scores = np.full((queries.shape[0], k), -np.inf, dtype=np.float32)
        found = np.full((queries.shape[0], k), -1, dtype=np.int64)
        for row, query in enumerate(queries):
            best, best_ids = in_order(exact_scores(vectors, query), ids)
            scores[row, : ids.size], found[row, : ids.size] = best[:k], best_ids[:k]
        return scores, found

    def search_above(self, queries: FloatArray, threshold: float, *, allowed: IdSet | Ints | None = None) -> Matches:
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

    def vectors(self, ids: Ints) -> FloatArray:
        """The vectors ``(N, dimension)`` of ids ``(N,)``.

        Raises:
            VectorIndexError: An id is not there.
        """
        known, vectors = self._held
        rows = {int(key): row for row, key in enumerate(known)}
        wanted = check_wanted(ids).tolist()
        if not rows.keys() >= set(wanted):
            raise not_there()
        return vectors[[rows[key] for key in wanted]]

    def view(self) -> OracleIndex:
        """An index of its own with what is here now."""
        taken = OracleIndex(self._dimension)
        taken._held = self._held
        return taken

    def stats(self) -> IndexStats:
        """Figures about the index."""
        ids, vectors = self._held
        return IndexStats("oracle", ids.size, self._dimension, 0, vectors.nbytes, vectors.nbytes + ids.nbytes)

    def _reach(self, allowed: IdSet | Ints | None) -> tuple[Ints, FloatArray]:
        ids, vectors = self._held
        scope = check_scope(allowed)
        if scope is None:
            return ids, vectors
        kept = np.isin(ids, scope.ids)
        return ids[kept], vectors[kept]
