"""The contract check finds what it is there to find: one broken index for each rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
from facematch.index.exact import ExactIndex, ExactView
from facematch.testing import check_vector_index
from facematch.types import FloatArray, IdSet, IndexStats, Matches

Ints = NDArray[np.int64]
Scope = IdSet | Ints | None


class _StaleScope(ExactIndex):
    """Knows a scope's ids from when it first met it."""

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        self._met: dict[int, tuple[IdSet, Ints]] = {}

    def search(self, queries: FloatArray, k: int, *, allowed: Scope = None) -> tuple[FloatArray, Ints]:
        if isinstance(allowed, IdSet):
            here = allowed.ids[self._moment.find(allowed.ids) >= 0]
            allowed = self._met.setdefault(id(allowed), (allowed, here))[1]
        return super().search(queries, k, allowed=allowed)


class _StrictlyAbove(ExactIndex):
    """Leaves out what scores the threshold itself."""

    def search_above(self, queries: FloatArray, threshold: float, *, allowed: Scope = None) -> Matches:
        return super().search_above(queries, float(np.nextafter(np.float32(threshold), np.float32(9))), allowed=allowed)


class _RoundedThreshold(ExactIndex):
    """Rounds the threshold to float32."""

    def search_above(self, queries: FloatArray, threshold: float, *, allowed: Scope = None) -> Matches:
        return super().search_above(queries, float(np.float32(threshold)), allowed=allowed)


class _UnfilteredAbove(ExactIndex):
    def search_above(self, queries: FloatArray, threshold: float, *, allowed: Scope = None) -> Matches:
        return super().search_above(queries, threshold)


class _UnsortedAbove(ExactIndex):
    def search_above(self, queries: FloatArray, threshold: float, *, allowed: Scope = None) -> Matches:
        found = super().search_above(queries, threshold, allowed=allowed)
        order = np.lexsort((found.ids, np.repeat(np.arange(len(found)), np.diff(found.offsets))))
        return Matches(found.offsets, found.scores[order], found.ids[order])


class _ShortOffsets(ExactIndex):
    def search_above(self, queries: FloatArray, threshold: float, *, allowed: Scope = None) -> Matches:
        found = super().search_above(queries, threshold, allowed=allowed)
        return Matches(found.offsets[1:], found.scores, found.ids)


class _RoundedVectors(ExactIndex):
    def vectors(self, ids: Ints) -> FloatArray:
        return super().vectors(ids).astype(np.float16).astype(np.float32)


class _SilentVectors(ExactIndex):
    """Gives zeros for ids that are not there."""

    def vectors(self, ids: Ints) -> FloatArray:
        try:
            return super().vectors(ids)
        except VectorIndexError:
            return np.zeros((ids.size, self.dimension), dtype=np.float32)


class _OwnSearch(ExactIndex):
    """Searches without calling its own view."""

    def search(self, queries: FloatArray, k: int, *, allowed: Scope = None) -> tuple[FloatArray, Ints]:
        return ExactView(self._moment).search(queries, k, allowed=allowed)

    def search_above(self, queries: FloatArray, threshold: float, *, allowed: Scope = None) -> Matches:
        return ExactView(self._moment).search_above(queries, threshold, allowed=allowed)

    def vectors(self, ids: Ints) -> FloatArray:
        return ExactView(self._moment).vectors(ids)


class _LivingView(_OwnSearch):
    """Its view is another object, and moves on."""

    def view(self) -> Any:
        view = _OwnSearch(self.dimension)
        view.__dict__ = self.__dict__
        return view


class _HauntedView(_OwnSearch):
    """Returns itself as its view, and finds what was removed with the last call."""

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        self._before = self._moment

    def view(self) -> Any:
        return self

    def remove(self, ids: Ints) -> int:
        self._before = self._moment
        return super().remove(ids)

    def add(self, ids: Ints, vectors: FloatArray) -> None:
        super().add(ids, vectors)
        self._before = self._moment

    def search(self, queries: FloatArray, k: int, *, allowed: Scope = None) -> tuple[FloatArray, Ints]:
        return ExactView(self._before).search(queries, k, allowed=allowed)


class _WrongStats(ExactIndex):
    def stats(self) -> IndexStats:
        stats = super().stats()
        return IndexStats(stats.kind, stats.vectors + stats.removed, stats.dimension, 0, stats.vector_bytes, 1 << 40)


class _SmallStats(ExactIndex):
    def stats(self) -> IndexStats:
        stats = super().stats()
        return IndexStats(
            stats.kind, stats.vectors, stats.dimension, stats.removed, stats.vector_bytes, stats.vector_bytes // 2
        )


class _NoCompaction(ExactIndex):
    def compact(self) -> int:
        return 0


class _Products(ExactIndex):
    """Scores and ranks by float32 products, which round equal rows differently."""

    def search(self, queries: FloatArray, k: int, *, allowed: Scope = None) -> tuple[FloatArray, Ints]:
        scores, ids = super().search(queries, k, allowed=allowed)
        there = ids >= 0
        scores[there] = np.nextafter(scores[there], np.float32(2.0))
        return scores, ids


class _FirstBatchOnly(ExactIndex):
    """Answers 256 queries."""

    def search(self, queries: FloatArray, k: int, *, allowed: Scope = None) -> tuple[FloatArray, Ints]:
        scores, ids = super().search(queries, k, allowed=allowed)
        scores[256:], ids[256:] = -np.inf, -1
        return scores, ids


class _TiesByPlace(ExactIndex):
    """Settles a tie over the boundary by order of insertion."""

    def search(self, queries: FloatArray, k: int, *, allowed: Scope = None) -> tuple[FloatArray, Ints]:
        scores, ids = super().search(queries, 1000, allowed=allowed)
        place = {int(key): number for number, key in enumerate(self._moment.ids())} | {-1: 10**6}
        for row in range(len(scores)):
            order = np.lexsort(([place[int(key)] for key in ids[row]], -scores[row]))
            scores[row], ids[row] = scores[row][order], ids[row][order]
        return scores[:, :k].copy(), ids[:, :k].copy()


class _ShortIds(ExactIndex):
    """Holds ids in 32 bits."""

    def search(self, queries: FloatArray, k: int, *, allowed: Scope = None) -> tuple[FloatArray, Ints]:
        scores, ids = super().search(queries, k, allowed=allowed)
        return scores, ids.astype(np.int32).astype(np.int64)


class _NothingBelowZero(ExactIndex):
    def search(self, queries: FloatArray, k: int, *, allowed: Scope = None) -> tuple[FloatArray, Ints]:
        scores, ids = super().search(queries, k, allowed=allowed)
        below = scores < 0
        scores[below], ids[below] = -np.inf, -1
        return scores, ids


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (_StaleScope, "a scope"),
        (_StrictlyAbove, "search_above"),
        (_RoundedThreshold, "must not be found"),
        (_UnfilteredAbove, "must not be found"),
        (_UnsortedAbove, "not in order"),
        (_ShortOffsets, "queries answered"),
        (_RoundedVectors, "must give what was added"),
        (_SilentVectors, "must refuse"),
        (_LivingView, "a view"),
        (_HauntedView, "must not be found"),
        (_WrongStats, "stats"),
        (_SmallStats, "total_bytes"),
        (_NoCompaction, "compact"),
        (_Products, "scores differ"),
        (_FirstBatchOnly, "300 queries"),
        (_TiesByPlace, "not in order|expected"),
        (_ShortIds, "ids"),
        (_NothingBelowZero, "ids"),
    ],
)
def test_the_contract_check_finds_each_way_of_being_broken(broken: type[ExactIndex], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_vector_index(broken)


class _Missing(ExactIndex):
    """Does not find every fifth id."""

    def search(self, queries: FloatArray, k: int, *, allowed: Scope = None) -> tuple[FloatArray, Ints]:
        ids = self._moment.ids() if allowed is None else allowed.ids if isinstance(allowed, IdSet) else allowed
        return super().search(queries, k, allowed=ids[ids % 5 > 0])


def test_an_index_may_miss_what_it_may_miss_and_no_more() -> None:
    check_vector_index(_Missing, recall=0.5)
    with pytest.raises(AssertionError, match="results were found"):
        check_vector_index(_Missing, recall=0.95)
