"""An index beside the oracle with the same contents, and the comparison of their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
from facematch.index.checks import in_order
from facematch.protocols import VectorIndex, VectorSearch
from facematch.testing.oracle import OracleIndex
from facematch.types import FloatArray, IdSet, Matches

__all__ = ["FAR", "ComparedIndex", "Ints", "Scope", "Tally", "refused", "require", "unit"]

Ints = NDArray[np.int64]
Scope = IdSet | Ints | None
Found = tuple[FloatArray, Ints]

FAR = 1 << 62
"""Ids go that far, and so far apart."""


class Tally:
    """Number of results, and of those found."""

    def __init__(self, recall: float) -> None:
        self.complete = recall >= 1.0
        self.wanted = 0
        self.found = 0

    def compare(self, found: Found, expected: Found, what: str) -> None:
        """Compare what one query found with all that it should have found."""
        complete = np.array_equal(found[1], expected[1])
        self.wanted += expected[1].size
        self.found += int((found[0] >= expected[0][-1:]).sum())  # any part of a tie over the boundary will do
        if self.complete:
            require(complete, f"{what}: ids {_short(found[1])}, expected {_short(expected[1])}")


def _check_best(
    index: VectorSearch,
    oracle: OracleIndex,
    queries: FloatArray,
    asked: Sequence[tuple[int, Scope]],
    told: tuple[Tally, str],
) -> None:
    """Compare the best ``k`` within each scope."""
    tally, what = told
    everything = oracle.scores(queries)
    for k, allowed in asked:
        here = f"{what}, k={k}, {_scope(allowed)}"
        require(len(index) == oracle.ids.size, f"{here}: len() is {len(index)}, expected {oracle.ids.size}")
        scores, ids = index.search(queries, k, allowed=allowed)
        require(scores.shape == ids.shape == (len(queries), k), f"{here}: wrong shapes {scores.shape}, {ids.shape}")
        require(scores.dtype == np.float32 and ids.dtype == np.int64, f"{here}: wrong dtypes")
        inside = _inside(oracle, allowed)
        for own, found, known in zip(scores, ids, everything, strict=True):
            there = found >= 0
            count = int(there.sum())
            require(not there[count:].any(), f"{here}: a result after an empty place")
            require(bool((found[count:] == -1).all()), f"{here}: the id of an empty place is -1")
            require(bool(np.isneginf(own[count:]).all()), f"{here}: the score of an empty place is -inf")
            best, best_ids = in_order(known[inside], oracle.ids[inside])
            expected = best[:k], best_ids[:k]
            _check_right((own[:count], found[:count]), (known, oracle.ids, inside), here)
            tally.compare((own[:count], found[:count]), expected, here)


def _check_above(
    index: VectorSearch,
    oracle: OracleIndex,
    queries: FloatArray,
    asked: Sequence[tuple[float, Scope]],
    told: tuple[Tally, str],
) -> None:
    """Compare everything above each threshold within each scope."""
    tally, what = told
    everything = oracle.scores(queries)
    for threshold, allowed in asked:
        here = f"{what}, search_above({threshold!r}), {_scope(allowed)}"
        matches = index.search_above(queries, threshold, allowed=allowed)
        _check_form(matches, len(queries), here)
        inside = _inside(oracle, allowed)
        for number, known in enumerate(everything):
            found = matches.of(number)
            reaching = inside & (known.astype(np.float64) >= threshold)
            _check_right(found, (known, oracle.ids, reaching), here)
            tally.compare(found, in_order(known[reaching], oracle.ids[reaching]), here)


def _check_form(matches: Matches, queries: int, what: str) -> None:
    offsets = matches.offsets
    require(len(matches) == queries, f"{what}: {len(matches)} queries answered, expected {queries}")
    require(offsets.shape == (queries + 1,) and offsets.dtype == np.int64, f"{what}: wrong offsets {offsets!r}")
    require(offsets[0] == 0 and bool((np.diff(offsets) >= 0).all()), f"{what}: offsets must begin at 0 and ascend")
    require(
        matches.scores.shape == matches.ids.shape == (offsets[-1],), f"{what}: the last offset is the number of results"
    )
    require(matches.scores.dtype == np.float32 and matches.ids.dtype == np.int64, f"{what}: wrong dtypes")


def _check_right(found: Found, truth: tuple[FloatArray, Ints, NDArray[np.bool_]], what: str) -> None:
    """A result may be found, has its very score, and stands where it should."""
    scores, ids = found
    known, held, inside = truth
    at = np.searchsorted(held, ids).clip(max=max(held.size - 1, 0))
    there = (held[at] == ids) & inside[at] if held.size else np.zeros(ids.size, dtype=bool)
    require(bool(there.all()), f"{what}: {_short(ids[~there])} must not be found")
    require(np.unique(ids).size == ids.size, f"{what}: an id is found twice")
    require(np.array_equal(scores, known[at] if held.size else scores[:0]), f"{what}: scores differ")
    order = np.lexsort((ids, -scores))
    require(np.array_equal(order, np.arange(ids.size)), f"{what}: not in order: {_short(ids)}")


class ComparedIndex:
    """An index and an oracle that goes through the same changes.

    Args:
        index: The index, empty.
        dimension: Length of its vectors.
        tally: Results wanted and found.
        rng: Where chance comes from.
    """

    def __init__(self, index: VectorIndex, dimension: int, tally: Tally, rng: np.random.Generator) -> None:
        self.index, self.dimension, self.rng = index, dimension, rng
        self.oracle = OracleIndex(dimension)
        self._tally = tally
        self._views: list[tuple[VectorSearch, OracleIndex]] = []

    def add(self, ids: Ints, vectors: FloatArray) -> None:
        """Add to both."""
        self.index.add(ids, vectors)
        self.oracle.add(ids, vectors)

    def remove(self, ids: Ints) -> None:
        """Remove from both."""
        removed, there = self.index.remove(ids), self.oracle.remove(ids)
        require(removed == there, f"remove() returns how many were there: {there}, not {removed}")

    def compact(self) -> None:
        """Compact the index."""
        freed: object = self.index.compact()
        require(
            isinstance(freed, int) and freed >= 0, f"compact() returns how many vectors it let go of, not {freed!r}"
        )
        removed = self.index.stats().removed
        require(removed == 0, f"after compact() nothing removed is left, but stats() counts {removed}")

    def best(self, queries: FloatArray, asked: Sequence[tuple[int, Scope]], what: str) -> None:
        """Compare the best ``k`` within each scope."""
        _check_best(self.index, self.oracle, queries, asked, (self._tally, what))

    def above(self, queries: FloatArray, asked: Sequence[tuple[float, Scope]], what: str) -> None:
        """Compare everything above each threshold within each scope."""
        _check_above(self.index, self.oracle, queries, asked, (self._tally, what))

    def take_view(self) -> None:
        """Take a view for :meth:`check_views`."""
        self._views.append((self.index.view(), self.oracle.view()))

    def check_views(self, queries: FloatArray, what: str) -> None:
        """Views that keep their oracle show it; an index that is its own view shows the present."""
        for view, taken in self._views:
            oracle = self.oracle if view is self.index else taken
            told = (self._tally, f"{what}, a view of {taken.ids.size} vectors that was taken before changes")
            _check_best(view, oracle, queries, [(3, None), (3, taken.ids[::2].copy())], told)
            _check_above(view, oracle, queries[:2], [(0.25, None)], told)
            if oracle.ids.size:
                self._check_vectors(view, oracle, told[1])

    def check_vectors(self, what: str) -> None:
        """Vectors come back as they were added; no other id has any."""
        if self.oracle.ids.size:
            self._check_vectors(self.index, self.oracle, what)
        absent = np.asarray([*self.oracle.ids[:1], FAR - 7], dtype=np.int64)
        refused(f"{what}: vectors() of an id that is not there", lambda: self.index.vectors(absent))

    def _check_vectors(self, searched: VectorSearch, oracle: OracleIndex, what: str) -> None:
        held = oracle.ids
        asked = self.rng.integers(0, held.size, 5)
        vectors = searched.vectors(held[asked])
        require(
            vectors.shape == (5, self.dimension) and vectors.dtype == np.float32, f"{what}: vectors() of a wrong form"
        )
        require(np.array_equal(vectors, oracle.vectors(held[asked])), f"{what}: vectors() must give what was added")

    def check_stats(self, what: str) -> None:
        """The figures fit to each other and to what is there."""
        stats, count = self.index.stats(), self.oracle.ids.size
        require(stats.vectors == count == len(self.index), f"{what}: stats() counts {stats.vectors}, not {count}")
        require(
            stats.dimension == self.index.dimension == self.dimension, f"{what}: dimension must be {self.dimension}"
        )
        require(bool(stats.kind), f"{what}: stats() names no kind")
        require(stats.removed >= 0, f"{what}: stats() counts {stats.removed} removed")
        require((stats.vector_bytes > 0) == (count > 0), f"{what}: vector_bytes is {stats.vector_bytes}")
        require(stats.total_bytes >= stats.vector_bytes, f"{what}: total_bytes leaves out the vectors")

    def unit(self, count: int) -> FloatArray:
        """Random vectors of unit length."""
        return unit(self.rng.standard_normal((count, self.dimension)))


def refused(what: str, call: Callable[[], object]) -> None:
    """The call must be refused."""
    try:
        call()
    except VectorIndexError:
        return
    raise AssertionError(f"the index must refuse {what} with VectorIndexError")


def _inside(oracle: OracleIndex, allowed: Scope) -> NDArray[np.bool_]:
    if allowed is None:
        return np.ones(oracle.ids.size, dtype=bool)
    return np.isin(oracle.ids, allowed.ids if isinstance(allowed, IdSet) else allowed)


def _scope(allowed: Scope) -> str:
    if allowed is None:
        return "no filter"
    return f"{len(allowed)} ids allowed ({'a scope' if isinstance(allowed, IdSet) else 'an array'})"


def _short(ids: Ints) -> str:
    return f"{ids[:20].tolist()}{'...' if ids.size > 20 else ''}"


def require(condition: bool, message: str) -> None:
    """Fail with the message unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def unit(vectors: NDArray[np.floating]) -> FloatArray:
    """The vectors ``(N, D)`` with length 1."""
    wide = vectors.astype(np.float64)
    units: FloatArray = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
    return units
