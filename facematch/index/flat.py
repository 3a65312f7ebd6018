"""Exhaustive search with FAISS (``IndexFlatIP``): the default gallery.

FAISS selects, float64 ranks: FAISS returns a few places more than asked for, their scores are computed again as
:class:`~facematch.index.exact.ExactIndex` computes them, and ties are settled by the smaller id. Where the boundary
falls into a tie (or into FAISS's rounding), more places are fetched until it is complete. So both indexes answer alike.

FAISS 1.15 compares one query at a time below ``faiss.cvar.distance_compute_blas_threshold`` (128000 vectors) and with
a selector always; batches of many queries over a large gallery are slower than a matrix product would be.
"""

from __future__ import annotations

import threading
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
from facematch.index.checks import check_dimension, check_ids, check_k, check_vectors, exact_scores, ranked
from facematch.types import FloatArray

__all__ = ["FaissFlatIndex"]

_ROUNDING = 1e-5
"""More than float32 summation can be off for unit vectors of any usual dimension."""
_SPARE = 8


class FaissFlatIndex:
    """A :class:`~facematch.protocols.VectorIndex` on FAISS's flat inner-product index.

    Vectors stand in FAISS in no particular order; a removed row is overwritten by the last one and the freed row is
    zeroed, so removal does not move the rest. Safe to share between threads; calls run one after another.

    Args:
        dimension: Length of the vectors, at least 1.

    Raises:
        VectorIndexError: The dimension is below 1.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = check_dimension(dimension)
        self._lock = threading.RLock()
        self._index = faiss.IndexFlatIP(self._dimension)
        self._ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._positions: dict[int, int] = {}
        self._sorted: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

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
        if ids.size == 0:
            return
        new = ids.tolist()
        with self._lock:
            if not self._positions.keys().isdisjoint(new):
                raise VectorIndexError("an id is already in the index", hint="remove it first; nothing was added")
            start = int(self._ids.size)
            self._index.add(vectors)
            self._ids = np.concatenate([self._ids, ids])
            self._positions.update(zip(new, range(start, start + len(new)), strict=True))
            self._sorted = None

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Remove ids; ids that are not there are ignored. Effective with the next search.

        Args:
            ids: ``(N,)`` ``int64``.

        Returns:
            How many were there.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        wanted = check_ids(ids).tolist()
        with self._lock:
            holes = [self._positions.pop(i) for i in wanted if i in self._positions]
            if not holes:
                return 0
            total = int(self._ids.size)
            left = total - len(holes)
            gone = set(holes)
            movers = [position for position in range(left, total) if position not in gone]
            targets = sorted(position for position in holes if position < left)
            rows = faiss.rev_swig_ptr(self._index.get_xb(), total * self._dimension).reshape(total, self._dimension)
            rows[targets] = rows[movers]
            rows[left:] = 0.0
            kept = self._ids.copy()
            kept[targets] = kept[movers]
            self._positions.update(zip(kept[targets].tolist(), targets, strict=True))
            self._index.remove_ids(faiss.IDSelectorRange(left, total))
            self._ids = kept[:left].copy()
            self._sorted = None
            return len(holes)

    def search(
        self, queries: FloatArray, k: int, *, allowed: NDArray[np.int64] | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """The ``k`` highest inner products of each query.

        Args:
            queries: ``(Q, dimension)`` ``float32``.
            k: Results wanted a query, at least 1.
            allowed: Only these ids are compared (the filter runs before any score is computed); ids that are not
                there are ignored. ``None`` allows all.

        Returns:
            ``scores (Q, k)`` ``float32`` and ``ids (Q, k)`` ``int64``, highest first, ties by smaller id; missing
            places hold ``-inf`` and ``-1``.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        queries, k = check_vectors(queries, self._dimension, "queries"), check_k(k)
        scores = np.full((queries.shape[0], k), -np.inf, dtype=np.float32)
        found = np.full((queries.shape[0], k), -1, dtype=np.int64)
        if allowed is not None:
            allowed = check_ids(allowed, "allowed")
        with self._lock:
            positions = None if allowed is None else self._positions_of(allowed)
            reachable = int(self._ids.size) if positions is None else int(positions.size)
            if reachable == 0 or queries.shape[0] == 0:
                return scores, found
            params: Any = None
            if positions is not None and reachable < self._ids.size:
                bits = np.zeros(int(self._ids.size), dtype=bool)
                bits[positions] = True
                params = _only(bits)
            pending = np.arange(queries.shape[0])
            places = min(reachable, k + _SPARE)
            while pending.size:
                rough, rows = self._index.search(queries[pending], places, params=params)
                unfinished = []
                for place, query_row in enumerate(pending):
                    vectors = self._index.reconstruct_batch(rows[place])
                    exact = exact_scores(vectors, queries[query_row])
                    top_scores, top_ids = ranked(exact, self._ids[rows[place]], k)
                    if places < reachable and float(rough[place, -1]) + _ROUNDING >= float(top_scores[-1]):
                        unfinished.append(query_row)
                    else:
                        scores[query_row], found[query_row] = top_scores, top_ids
                pending = np.asarray(unfinished, dtype=np.intp)
                places = min(reachable, places * 4)
        return scores, found

    def _positions_of(self, allowed: NDArray[np.int64]) -> NDArray[np.int64]:
        if self._sorted is None:
            order = np.argsort(self._ids, kind="stable").astype(np.int64)
            self._sorted = (self._ids[order], order)
        ids, order = self._sorted
        if ids.size == 0:
            return order
        places = np.minimum(np.searchsorted(ids, allowed), ids.size - 1)
        present = ids[places] == allowed
        chosen: NDArray[np.int64] = order[places[present]]
        return chosen


def _only(bits: NDArray[np.bool_]) -> Any:
    """Search parameters that let FAISS compare only the positions that are set."""
    bitmap: Any = np.packbits(bits, bitorder="little")
    parameters: Any = faiss.SearchParameters
    selector: Any = faiss.IDSelectorBitmap
    return parameters(sel=selector(bitmap))
