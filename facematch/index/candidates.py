"""Candidates that codes propose, sifted and scored: the step from labels to results."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from facematch.index.codebook import ProductCodes
from facematch.index.pair_scores import exact_pair_scores, pair_products, ranked, slack_of
from facematch.index.rows import Rows
from facematch.types import FloatArray, IdSet

__all__ = ["Candidates", "first"]

Ints = NDArray[np.int64]

_KEPT = 1 << 12
"""Pairs that are not worth another thread."""
_MORE = 1.1
_FEW = 4
"""Factor and surplus of candidates asked for where some are left out: chance is uneven."""


class Candidates:
    """Candidates that codes propose for some queries; parts may be taken in from several threads.

    Args:
        main: The rows that are coded.
        numbers: ``(L,)`` row number of each label, -1 where there is none any more.
        codes: The codes.
        queries: ``(Q, D)`` ``float32``.
        k: Results a query.
        scope: What the results may be; ``None`` for all.
    """

    def __init__(
        self,
        main: Rows,
        numbers: NDArray[np.int32],
        codes: ProductCodes,
        queries: FloatArray,
        *,
        k: int,
        scope: IdSet | None,
    ) -> None:
        self._main, self._numbers, self._queries, self._k = main, numbers, queries, k
        self._inside: NDArray[np.bool_] | None = None
        left = main.size
        if scope is not None:
            self._inside, left = scope.remembered(codes, self._counted)
        self._share = min(left / max(len(codes), 1), 1.0)
        self._owner = threading.get_ident()
        self._lock = threading.Lock()
        self._rows: list[Ints] = []
        self._products: list[FloatArray] = []
        self._waiting: list[Ints] = []
        self._left = np.zeros(len(queries), dtype=np.int64)
        self._lost = np.zeros(len(queries), dtype=np.int64)

    def asked_for(self, wanted: int) -> int:
        """Number to ask for so that ``wanted`` are left."""
        if self._share == 1.0:
            return wanted
        return int(_MORE * wanted / max(self._share, 1e-9)) + _FEW

    def take(self, labels: Ints) -> None:
        """Take in proposed labels ``(Q, P)`` of one part; -1 is none.

        Much is worked at in the calling thread, so that several share it. A little from another thread than the one
        that made this waits for :meth:`best`: threads that take turns in the interpreter cost more than the work.
        """
        if labels.size <= _KEPT and threading.get_ident() != self._owner:
            self._waiting.append(labels)
        else:
            self._sift(labels)

    def _sift(self, labels: Ints) -> None:
        rows = self._numbers[labels].astype(np.int64)
        rows[labels < 0] = -1
        if self._inside is not None:
            rows[~self._inside[labels]] = -1
        if self._main.dead:
            rows[~self._main.alive(rows.ravel()).reshape(rows.shape)] = -1
        products = pair_products(self._main, self._queries, rows)
        left = np.count_nonzero(rows >= 0, axis=1)
        lost = np.count_nonzero(labels >= 0, axis=1) - left
        with self._lock:
            self._rows.append(rows)
            self._products.append(products)
            self._left += left
            self._lost += lost

    def best(self, wanted: int) -> tuple[FloatArray, Ints, NDArray[np.bool_]]:
        """The best ``k`` of each query by their exact scores, as scores and ids ``(Q, k)``.

        Args:
            wanted: Candidates a query.

        Returns:
            Scores, ids, and for which queries ``(Q,)`` that is not to be relied on: so much was left out that fewer
            candidates than wanted, or fewer results than ``k``, are left.
        """
        if self._waiting:
            self._sift(np.concatenate(self._waiting, axis=1))
            self._waiting = []
        rows, products = np.concatenate(self._rows, axis=1), np.concatenate(self._products, axis=1)
        query, place = np.nonzero((products >= self._bar(products)) & (rows >= 0))
        scores, ids = exact_pair_scores(self._main, self._queries, query, rows[query, place])
        best, best_ids = first(query, scores, ids, (len(self._queries), self._k))
        return best, best_ids, (self._lost > 0) & (self._left < wanted) | (best_ids[:, -1] < 0)

    def _bar(self, products: FloatArray) -> NDArray[np.float64]:
        """``(Q, 1)``: what lies below is not among the best ``k`` of products ``(Q, P)``, whatever was rounded."""
        place = products.shape[1] - self._k
        if place <= 0:
            return np.full((len(products), 1), -np.inf)
        kth = np.partition(products, place, axis=1)[:, place]
        return np.asarray(kth - slack_of(self._main, self._queries))[:, None]

    def _counted(self, scope: IdSet) -> tuple[NDArray[np.bool_], int]:
        numbers = self._numbers.astype(np.int64)
        inside = np.zeros(numbers.size, dtype=bool)
        inside[numbers >= 0] = scope.contains(self._main.ids_of(numbers[numbers >= 0]))
        return inside, int(np.count_nonzero(inside))


def first(query: Ints, scores: FloatArray, ids: Ints, shape: tuple[int, int]) -> tuple[FloatArray, Ints]:
    """The best of each query in order; ``shape`` is the number of queries and of places."""
    best, found = np.full(shape, -np.inf, dtype=np.float32), np.full(shape, -1, dtype=np.int64)
    order, place = ranked(query, scores, ids, shape[1])
    best[query[order], place] = scores[order]
    found[query[order], place] = ids[order]
    return best, found
