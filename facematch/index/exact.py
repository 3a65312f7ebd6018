"""Exact search at the speed of the machine's matrix product: the index for galleries that fit into memory."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from facematch.index.checks import (
    already_there,
    check_addition,
    check_budget,
    check_dimension,
    check_ids,
    check_k,
    check_scope,
    check_threshold,
    check_vectors,
    check_wanted,
    not_there,
)
from facematch.index.rows import Rows
from facematch.index.scan import scan_above, scan_best
from facematch.index.view_mixin import ViewSearchMixin
from facematch.types import FloatArray, IdSet, IndexStats, Matches

__all__ = ["ExactIndex", "ExactView"]


class ExactView:
    """View of an :class:`ExactIndex` at one moment: a :class:`~facematch.protocols.VectorSearch` that never changes.

    Args:
        moment: The rows.
    """

    def __init__(self, moment: Rows) -> None:
        self.moment = moment

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self.moment.dimension

    def __len__(self) -> int:
        """Number of vectors."""
        return self.moment.size

    def search(
        self, queries: FloatArray, k: int, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """The ``k`` highest inner products of each query; see :class:`~facematch.protocols.VectorSearch`.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        queries, k = check_vectors(queries, self.dimension, "queries"), check_k(k)
        return scan_best(self.moment, queries, k, check_scope(allowed))

    def search_above(
        self, queries: FloatArray, threshold: float, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> Matches:
        """Everything that scores ``threshold`` or more; see :class:`~facematch.protocols.VectorSearch`.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        queries, threshold = check_vectors(queries, self.dimension, "queries"), check_threshold(threshold)
        return scan_above(self.moment, queries, threshold, check_scope(allowed))

    def vectors(self, ids: NDArray[np.int64]) -> FloatArray:
        """The vectors ``(N, dimension)`` of ids ``(N,)``.

        Raises:
            VectorIndexError: An id is not there.
        """
        rows = self.moment.find(check_wanted(ids))
        if bool((rows < 0).any()):
            raise not_there()
        return self.moment.take(rows)


class ExactIndex(ViewSearchMixin):
    """A :class:`~facematch.protocols.VectorIndex` that compares with every vector, through BLAS.

    Answers equal the oracle's to the last bit, ties included (see :mod:`facematch.index.scan`). Readers take no lock:
    a search reads the moment it began with, whatever is added and removed meanwhile, and a removal that has returned
    is in no search that begins after it. Searches read rows in the order in which they were added, so vectors that
    are searched together should be added together.

    Args:
        dimension: Length of the vectors, at least 1.
        memory_budget: Bytes that vectors and ids may take; ``None`` for no limit.

    Raises:
        VectorIndexError: The dimension is below 1.
    """

    def __init__(self, dimension: int, *, memory_budget: int | None = None) -> None:
        self._moment = Rows(check_dimension(dimension))
        self._budget = memory_budget
        self._writing = threading.Lock()

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._moment.dimension

    def __len__(self) -> int:
        """Number of vectors."""
        return self._moment.size

    def add(self, ids: NDArray[np.int64], vectors: FloatArray) -> None:
        """Add vectors under new ids; all of them or none.

        Args:
            ids: ``(N,)`` ``int64``, not negative.
            vectors: ``(N, dimension)`` ``float32``, finite.

        Raises:
            VectorIndexError: A wrong type or shape, a number that is not finite, an id that is already there, or more
                than the memory budget allows.
        """
        ids, vectors = check_addition(ids, vectors, self.dimension)
        with self._writing:
            if bool((self._moment.find(ids) >= 0).any()):
                raise already_there()
            if ids.size:
                check_budget(self._moment.nbytes_with(ids.size), self._budget)
                self._moment = self._moment.adding(ids, vectors)

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Remove ids; ids that are not there are ignored. Effective with the next search.

        Args:
            ids: ``(N,)`` ``int64``.

        Returns:
            How many were there.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        ids = check_ids(ids)
        with self._writing:
            before = self._moment.size
            self._moment = self._moment.removing(ids)
            return before - self._moment.size

    def compact(self) -> int:
        """Let go of the memory of removed vectors, which is overwritten when the last search that reads it ends.

        Returns:
            How many rows were let go of.
        """
        with self._writing:
            freed = self._moment.dead
            self._moment = self._moment.compacted()
            return freed

    def view(self) -> ExactView:
        """View of what a search would read now, whatever changes later."""
        return ExactView(self._moment)

    def stats(self) -> IndexStats:
        """Figures about the index."""
        moment = self._moment
        size = 4 * moment.size * moment.dimension
        details = {"segments": len(moment.segments), "precision": "float32"}
        return IndexStats("exact", moment.size, moment.dimension, moment.dead, size, moment.nbytes, details)
