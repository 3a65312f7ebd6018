"""Exact search over all rows: matrix products through BLAS, a cheap selection, and scores computed again in float64.

How it works. A block of rows is multiplied with all queries at once. The products are not sorted: their maxima over
groups of rows (one pass that the processor does at the speed of its cache) tell which few groups can hold a result, and
only those are looked at. The k-th largest maximum so far is a score that k rows reach, so whatever lies below it by
more than rounding can never be among the k best. Threads take blocks in turn and share that bar.

Why the answer is exact. Rows are dropped only where they lie below the bar by more than float32 can be wrong, see
:mod:`~facematch.index.pair_scores`; the rest is computed again as :func:`~facematch.index.checks.exact_scores` does.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facematch.index.checks import in_order, matches
from facematch.index.matmul import multiply
from facematch.index.pair_scores import exact_pair_scores, ranked, slack_of
from facematch.index.rows import RowPlaces, Rows, Segment, segment_rows
from facematch.parallel import helpers, shared_out
from facematch.types import FloatArray, IdSet, Matches

__all__ = ["scan_above", "scan_best"]

Ints = NDArray[np.int64]

_QUERIES = 256
"""Queries that are multiplied at once; more are done in turns."""
_PRODUCTS = 1 << 20
"""Products that are looked at together (4 MiB of them)."""
_FEW_STEPS = 1 << 22
"""Multiplications that another thread is not worth waking for."""
_FEW_ROWS = 4096
"""Rows that are not worth cutting further."""
_SHARES = 4
"""Blocks a thread, where there are enough rows: the faster thread takes more of them."""
_GROUP = 32
_ROOM = 4
"""Maxima that the bar is taken from, for each wanted result."""
_WIDE = 64
"""Maxima that the bar is taken from at least."""
_MANY = 1 << 21
"""Candidates that are kept before the worst of them are thrown away, or twice as many as are wanted if that is more."""
_LEVEL = 1e38
"""Thresholds beyond this are compared with exact scores only: the products' bar must be a ``float32``."""


def scan_best(moment: Rows, queries: FloatArray, k: int, scope: IdSet | None) -> tuple[FloatArray, Ints]:
    """The ``k`` best rows of each query, as :meth:`~facematch.protocols.VectorSearch.search` gives them.

    Args:
        moment: What is searched.
        queries: ``(Q, D)`` ``float32``, checked.
        k: Results wanted a query.
        scope: Only these ids are compared; ``None`` for all.
    """
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    ids = np.full((len(queries), k), -1, dtype=np.int64)
    for start in range(0, len(queries), _QUERIES):
        part = queries[start : start + _QUERIES]
        best = _Best(moment, part, k)
        _each_block(moment, part, scope, best.look_at)
        found, place, own = best.ordered()
        scores[start + found.query, place] = found.products
        ids[start + found.query, place] = own
    return scores, ids


def scan_above(moment: Rows, queries: FloatArray, threshold: float, scope: IdSet | None) -> Matches:
    """Every row that scores ``threshold`` or more; see :meth:`~facematch.protocols.VectorSearch.search_above`."""
    found: list[tuple[FloatArray, Ints]] = []
    level = min(max(threshold, -_LEVEL), _LEVEL)
    for start in range(0, len(queries), _QUERIES):
        part = queries[start : start + _QUERIES]
        bar = _bar(np.full(len(part), level), slack_of(moment, part) + abs(level) * 2.0**-22)
        hits = [_NONE]

        def look_at(block: _Block, bar: FloatArray = bar, hits: list[_Hits] = hits) -> None:
            hits.append(block.reaching(block.maxima(_GROUP), bar))

        _each_block(moment, part, scope, look_at)
        query, rows, _ = _together(hits)
        found += _above(moment, part, query, rows, threshold)
    return matches(found)


def _above(
    moment: Rows, queries: FloatArray, query: Ints, rows: Ints, threshold: float
) -> list[tuple[FloatArray, Ints]]:
    scores, ids = exact_pair_scores(moment, queries, query, rows)
    reaching = scores >= threshold
    query, scores, ids = query[reaching], scores[reaching], ids[reaching]
    order = np.argsort(query, kind="stable")
    ends = np.searchsorted(query[order], np.arange(len(queries) + 1))
    parts = [order[start:end] for start, end in itertools.pairwise(ends)]
    return [in_order(scores[own], ids[own]) for own in parts]


class _Hits(NamedTuple):
    """Pairs of a query and a row, and their products in float32."""

    query: Ints
    rows: Ints
    products: FloatArray


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of one segment: ``start`` to ``end`` of those that a search may read.

    Attributes:
        segment: The segment.
        first: Row number of its first row.
        start: Begin, counted in rows that may be read.
        end: End.
        reach: The places in the segment that may be read; ``None`` for all.
    """

    segment: Segment
    first: int
    start: int
    end: int
    reach: RowPlaces | None

    def places(self) -> RowPlaces | slice:
        """Positions of the rows in the segment."""
        return slice(self.start, self.end) if self.reach is None else self.reach[self.start : self.end]


class _Block:
    """Products of some rows with all queries, filled again and again.

    Args:
        capacity: Rows that it can take, a multiple of the largest group.
        queries: ``(Q, D)`` ``float32``.

    Attributes:
        filled: Rows in use.
    """

    def __init__(self, capacity: int, queries: FloatArray) -> None:
        self._columns = np.ascontiguousarray(queries.T)
        self._products: FloatArray = np.empty((capacity, len(queries)), dtype=np.float32)
        self._pieces: Sequence[_Piece] = ()
        self._starts: list[int] = []
        self.filled = 0

    def fill(self, pieces: Sequence[_Piece]) -> None:
        """Multiply the rows of ``pieces``; what was there before is forgotten."""
        self._pieces, self._starts, self.filled = pieces, [], 0
        for piece in pieces:
            here = piece.places()
            vectors = piece.segment.vectors
            rows = vectors[here] if isinstance(here, slice) else vectors.take(here, axis=0)
            end = self.filled + len(rows)
            multiply(rows, self._columns, self._products[self.filled : end])
            self._starts.append(self.filled)
            self.filled = end

    def maxima(self, group: int) -> FloatArray:
        """``(M, Q)`` maxima over groups of at most ``group`` rows; group ``j`` holds the rows ``j + i * M``."""
        count = -(-self.filled // group)
        self._products[self.filled : count * group] = -np.inf
        maxima: FloatArray = self._grouped(count, group).max(axis=0)
        return maxima.reshape(count, -1)

    def reaching(self, maxima: FloatArray, bar: FloatArray) -> _Hits:
        """Results that reach the query's bar ``(Q,)``, found by way of :meth:`maxima`."""
        count = len(maxima)
        groups, query = np.divmod(np.flatnonzero(maxima >= bar), maxima.shape[1])
        own = self._grouped(count, -(-self.filled // count)).reshape(-1, count, maxima.shape[1])[:, groups, query]
        member, hit = np.nonzero(own >= bar[query])
        places = member * count + groups[hit]
        inside = places < self.filled
        return _Hits(query[hit[inside]], self._row_numbers(places[inside]), own[member[inside], hit[inside]])

    def _grouped(self, count: int, group: int) -> FloatArray:
        return self._products[: count * group].reshape(group, -1)

    def _row_numbers(self, places: Ints) -> Ints:
        piece = np.searchsorted(self._starts, places, side="right") - 1
        numbers = np.empty(places.size, dtype=np.int64)
        for which in np.unique(piece).tolist():
            own = piece == which
            part = self._pieces[which]
            local = places[own] - self._starts[which] + part.start
            numbers[own] = part.first + (local if part.reach is None else part.reach[local])
        return numbers


def _each_block(moment: Rows, queries: FloatArray, scope: IdSet | None, look_at: Callable[[_Block], None]) -> None:
    """Show ``look_at`` the products of all rows that a search may read, in any order and from several threads."""
    limit = segment_rows(moment.dimension)
    pieces = []
    for number, segment in enumerate(moment.segments):
        reach = segment.reach(scope)
        count = segment.count if reach is None else reach.size
        if count:
            pieces.append(_Piece(segment, number * limit, 0, count, reach))
    total = sum(piece.end for piece in pieces)
    if total == 0 or len(queries) == 0:
        return
    largest = max(_PRODUCTS // len(queries), _GROUP)
    shares = 1 if len(queries) == 1 else _SHARES  # a single query has little to share beside reading the rows
    share = -(-total // (shares * (helpers() + 1)))
    few = max(_FEW_ROWS, _FEW_STEPS // queries.size)
    capacity = -(-min(largest, max(share, few), total) // _GROUP) * _GROUP

    def work(blocks: Iterator[list[_Piece]]) -> None:
        block: _Block | None = None
        for some in blocks:
            block = block or _Block(capacity, queries)
            block.fill(some)
            look_at(block)

    shared_out(_cut(pieces, capacity), work, wanted=-(-total // capacity))


def _cut(pieces: Sequence[_Piece], size: int) -> Iterator[list[_Piece]]:
    """The pieces, cut and put together so that each list holds ``size`` rows, the last one fewer."""
    some: list[_Piece] = []
    room = size
    for piece in pieces:
        start = piece.start
        while start < piece.end:
            part = replace(piece, start=start, end=min(piece.end, start + room))
            some.append(part)
            room -= part.end - start
            start = part.end
            if room == 0:
                yield some
                some, room = [], size
    if some:
        yield some


def _bar(floor: NDArray[Any], slack: NDArray[np.float64]) -> FloatArray:
    """``floor - slack`` as ``float32``, rounded down."""
    return np.nextafter((floor - slack).astype(np.float32), np.float32(-np.inf))


def _together(hits: Sequence[_Hits]) -> _Hits:
    query, rows, products = (np.concatenate(part) for part in zip(*hits, strict=True))
    return _Hits(query, rows, products)


_NONE = _Hits(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))


class _Best:
    """The candidates for the ``k`` best of each query, while blocks go by."""

    def __init__(self, moment: Rows, queries: FloatArray, k: int) -> None:
        self._moment, self._queries, self._k = moment, queries, k
        self._slack = slack_of(moment, queries)
        self._lock = threading.Lock()
        self._highest = np.empty((0, len(queries)), dtype=np.float32)  # up to k maxima of different groups
        self._floor: NDArray[Any] = np.full(len(queries), -np.inf)
        self._hits: list[_Hits] = [_NONE]
        self._count = 0

    def look_at(self, block: _Block) -> None:
        """Keep what may be among the best."""
        group = _GROUP
        while group > 1 and block.filled < group * _ROOM * self._k:
            group //= 2
        maxima = block.maxima(group)
        bar = self._raised_bar(maxima)
        hits = block.reaching(maxima, bar)
        with self._lock:
            self._hits.append(hits)
            self._count += hits.query.size
            if self._count > max(_MANY, 2 * self._k * len(self._queries)):
                self._thin_out()

    def _raised_bar(self, maxima: FloatArray) -> FloatArray:
        """``k`` different groups reach the ``k``-th largest of their maxima, so at least ``k`` rows do."""
        wide = max(_ROOM * self._k, _WIDE)
        if len(maxima) >= 2 * wide:
            deep = len(maxima) // wide
            even = maxima[: deep * wide].reshape(deep, -1).max(axis=0).reshape(wide, -1)
            maxima = np.concatenate([even, maxima[deep * wide :]])
        with self._lock:
            pool = np.concatenate([self._highest, maxima])
            if len(pool) >= self._k:
                pool = np.partition(pool, len(pool) - self._k, axis=0)[len(pool) - self._k :]
                self._floor = pool[0]
            self._highest = pool
            return _bar(self._floor, self._slack)

    def ordered(self) -> tuple[_Hits, Ints, Ints]:
        """The best of what has come so far in order, with places and ids."""
        query, rows, products = _together(self._hits)
        kept = products >= _bar(self._floor, self._slack)[query]
        query, rows = query[kept], rows[kept]
        scores, ids = exact_pair_scores(self._moment, self._queries, query, rows)
        order, place = ranked(query, scores, ids, self._k)
        return _Hits(query[order], rows[order], scores[order]), place, ids[order]

    def _thin_out(self) -> None:
        """Rank what has come so far as results are ranked, and forget what has ``k`` better ones."""
        best, _, _ = self.ordered()
        self._hits, self._count = [best], best.query.size
