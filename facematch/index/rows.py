"""Vectors in memory, in segments that readers never see change.

A :class:`Rows` is one moment of an index. Each change makes another that shares what has not changed: adding writes
behind the last row that any moment knows of, removing makes a new bitmap of one segment. The holder of a ``Rows`` may
read it without a lock for as long as it likes. There is one writer at a time; the index sees to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facematch.index.id_map import IdMap
from facematch.types import FloatArray, IdSet

__all__ = ["RowPlaces", "Rows", "Segment", "segment_rows"]

Ints = NDArray[np.int64]
RowPlaces = NDArray[np.int32]

_SEGMENT_BYTES = 64 << 20
_FIRST_ROWS = 256
_WORTH_REWRITING = 4
"""A segment is written anew when one of this many of its rows is removed."""


def segment_rows(dimension: int) -> int:
    """Number of vectors of a full segment: 64 MiB of them, as a power of two between 1,024 and 131,072."""
    fitting = _SEGMENT_BYTES // (4 * dimension)
    return int(min(max(1 << (max(fitting, 1).bit_length() - 1), 1024), 131072))


class _Storage:
    """Memory of a segment, overwritten with zeros when the last reader lets go of it."""

    __slots__ = ("ids", "vectors")

    def __init__(self, capacity: int, dimension: int) -> None:
        self.vectors: FloatArray = np.empty((capacity, dimension), dtype=np.float32)
        self.ids: Ints = np.empty(capacity, dtype=np.int64)

    def __del__(self) -> None:
        if hasattr(self, "vectors"):
            self.vectors.fill(0.0)


@dataclass(frozen=True, eq=False)
class Segment:
    """Some rows of an index at one moment.

    Attributes:
        storage: Memory that several moments share.
        count: Rows in use.
        live: ``(count,)`` which of them have not been removed; ``None`` where none has.
        dead: How many have been removed.
        longest: An upper bound of the vectors' lengths.
    """

    storage: _Storage
    count: int
    live: NDArray[np.bool_] | None
    dead: int
    longest: float

    @property
    def vectors(self) -> FloatArray:
        """``(count, D)`` ``float32``."""
        return self.storage.vectors[: self.count]

    @property
    def ids(self) -> Ints:
        """``(count,)`` ``int64``."""
        return self.storage.ids[: self.count]

    def reach(self, scope: IdSet | None) -> RowPlaces | None:
        """The rows that a search may read, ascending; ``None`` for all."""
        if scope is None:
            return None if self.live is None else np.flatnonzero(self.live).astype(np.int32)
        inside = scope.remembered(self, self._inside)
        return None if inside.size == self.count else inside

    def count_inside(self, scope: IdSet) -> int:
        """Number of rows that a search with that scope may read."""
        return int(scope.remembered(self, self._inside).size)

    def _inside(self, scope: IdSet) -> RowPlaces:
        inside = scope.contains(self.ids)
        if self.live is not None:
            inside = inside & self.live
        return np.flatnonzero(inside).astype(np.int32)

    def appended(self, ids: Ints, vectors: FloatArray, limit: int) -> Segment:
        """The segment with more rows; the caller sees to it that they fit into ``limit``."""
        count = self.count + ids.size
        storage = self.storage
        if count > len(storage.ids):
            capacity = min(max(2 * len(storage.ids), 1 << (count - 1).bit_length()), limit)
            storage = _Storage(capacity, vectors.shape[1])
            storage.vectors[: self.count] = self.vectors
            storage.ids[: self.count] = self.ids
        storage.vectors[self.count : count] = vectors
        storage.ids[self.count : count] = ids
        live = None if self.live is None else np.concatenate([self.live, np.ones(ids.size, dtype=bool)])
        return Segment(storage, count, live, self.dead, max(self.longest, _longest(vectors)))

    def without(self, rows: Ints) -> Segment:
        """The segment with those rows, which are live, removed."""
        live = np.ones(self.count, dtype=bool) if self.live is None else self.live.copy()
        live[rows] = False
        return replace(self, live=live, dead=self.dead + rows.size)

    def rewritten(self) -> Segment:
        """The segment in memory of its own, without what was removed."""
        live = np.ones(self.count, dtype=bool) if self.live is None else self.live
        count = self.count - self.dead
        storage = _Storage(max(count, _FIRST_ROWS), self.storage.vectors.shape[1])
        np.compress(live, self.vectors, axis=0, out=storage.vectors[:count])
        storage.ids[:count] = self.ids[live]
        return Segment(storage, count, None, 0, self.longest)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """All vectors of an index at one moment.

    Attributes:
        dimension: Length of the vectors.
        segments: The segments; a row's number is its place in its segment plus the segment's place times
            :func:`segment_rows`.
        id_map: Ids to row numbers.
        size: Number of vectors that are not removed.
    """

    dimension: int
    segments: tuple[Segment, ...] = ()
    id_map: IdMap = IdMap()  # noqa: RUF009 - it never changes
    size: int = 0

    @property
    def dead(self) -> int:
        """Rows in memory that were removed."""
        return sum(segment.dead for segment in self.segments)

    @property
    def nbytes(self) -> int:
        """Memory in bytes, without what was reserved and never written to."""
        rows = sum(segment.count for segment in self.segments)
        masks = sum(segment.live.nbytes for segment in self.segments if segment.live is not None)
        return rows * (4 * self.dimension + 8) + masks + self.id_map.nbytes

    def nbytes_with(self, more: int) -> int:
        """Memory in bytes with so many more vectors; an id takes 20 bytes: in its segment and in the id map."""
        return self.nbytes + more * (4 * self.dimension + 20)

    @property
    def longest(self) -> float:
        """An upper bound of the vectors' lengths."""
        return max((segment.longest for segment in self.segments), default=0.0)

    def find(self, ids: Ints) -> Ints:
        """``(N,)`` the row numbers of ids ``(N,)``, -1 for those that are not there."""
        rows = self.id_map.rows(ids)
        for number, places, which in self.by_segment(rows):
            segment = self.segments[number]
            inside = places < segment.count
            right = np.zeros(places.size, dtype=bool)
            right[inside] = segment.ids[places[inside]] == ids[which[inside]]
            if segment.live is not None:
                right[inside] &= segment.live[places[inside]]
            rows[which[~right]] = -1
        return rows

    def take(self, rows: Ints) -> FloatArray:
        """The vectors ``(N, D)`` at row numbers ``(N,)``."""
        taken = np.empty((rows.size, self.dimension), dtype=np.float32)
        for number, places, which in self.by_segment(rows):
            taken[which] = self.segments[number].vectors[places]
        return taken

    def take_in_runs(self, rows: Ints) -> FloatArray:
        """The vectors ``(N, D)`` at row numbers ``(N,)``; zeros for -1.

        As :meth:`take`, and quicker where the rows come in runs of one segment each, such as sorted.
        """
        taken = np.empty((rows.size, self.dimension), dtype=np.float32)
        for start, end, storage, places in self._runs(rows):
            if storage is None:
                taken[start:end] = 0.0
            else:
                storage.vectors.take(places, axis=0, out=taken[start:end], mode="clip")
        return taken

    def take_with_ids(self, rows: Ints) -> tuple[FloatArray, Ints]:
        """The vectors ``(N, D)`` and ids ``(N,)`` at row numbers ``(N,)``; zeros and -1 for -1. See above."""
        vectors, ids = np.empty((rows.size, self.dimension), dtype=np.float32), np.empty(rows.size, dtype=np.int64)
        for start, end, storage, places in self._runs(rows):
            if storage is None:
                vectors[start:end], ids[start:end] = 0.0, -1
            else:
                storage.vectors.take(places, axis=0, out=vectors[start:end], mode="clip")
                storage.ids.take(places, out=ids[start:end], mode="clip")
        return vectors, ids

    def _runs(self, rows: Ints) -> Iterator[tuple[int, int, _Storage | None, Ints]]:
        """Start and end of each run of row numbers in one segment, its storage, ``None`` for -1, and their places."""
        if rows.size == 0:
            return
        limit = segment_rows(self.dimension)
        numbers = rows // limit
        (changes,) = np.nonzero(numbers[1:] != numbers[:-1])
        for start, end in itertools.pairwise([0, *(changes + 1).tolist(), rows.size]):
            number = int(numbers[start])
            storage = None if number < 0 else self.segments[number].storage
            yield start, end, storage, rows[start:end] - number * limit

    def ids_of(self, rows: Ints) -> Ints:
        """The ids ``(N,)`` at row numbers ``(N,)``."""
        taken = np.empty(rows.size, dtype=np.int64)
        for number, places, which in self.by_segment(rows):
            taken[which] = self.segments[number].ids[places]
        return taken

    def ids(self) -> Ints:
        """All ids, in the order of the rows."""
        parts = [segment.ids if segment.live is None else segment.ids[segment.live] for segment in self.segments]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def adding(self, ids: Ints, vectors: FloatArray) -> Rows:
        """A moment with more vectors; none of the ids is there yet."""
        limit = segment_rows(self.dimension)
        segments, id_map, start = list(self.segments), self.id_map, 0
        number = 0
        while start < ids.size:
            if number == len(segments):
                first = _Storage(min(limit, _FIRST_ROWS), self.dimension)
                segments.append(Segment(first, 0, None, 0, 0.0))
            segment = segments[number]
            end = min(ids.size, start + limit - segment.count)
            if end > start:
                segments[number] = segment.appended(ids[start:end], vectors[start:end], limit)
                places = number * limit + np.arange(segment.count, segments[number].count)
                id_map = id_map.noting(ids[start:end], places)
                start = end
            number += 1
        return replace(self, segments=tuple(segments), id_map=id_map, size=self.size + ids.size)

    def alive(self, rows: Ints) -> NDArray[np.bool_]:
        """``(N,)`` which of the row numbers ``(N,)`` have not been removed; -1 has."""
        alive = np.zeros(rows.size, dtype=bool)
        for number, places, which in self.by_segment(rows):
            live = self.segments[number].live
            alive[which] = True if live is None else live[places]
        return alive

    def row_numbers(self) -> Ints:
        """The row numbers of all vectors, in the order of the rows."""
        limit = segment_rows(self.dimension)
        parts = [np.empty(0, dtype=np.int64)]
        for number, segment in enumerate(self.segments):
            live = np.arange(segment.count) if segment.live is None else np.flatnonzero(segment.live)
            parts.append(number * limit + live)
        return np.concatenate(parts)

    def removing(self, ids: Ints, *, rewrite: bool = True) -> Rows:
        """A moment without the ids that are there; ``self`` if none is.

        Args:
            ids: ``(N,)``.
            rewrite: Whether segments of which much has been removed are written anew, which moves their rows.
        """
        rows = self.find(ids)
        rows = rows[rows >= 0]
        if rows.size == 0:
            return self
        segments = list(self.segments)
        for number, places, _ in self.by_segment(rows):
            segments[number] = segments[number].without(places)
        moment = replace(self, segments=tuple(segments), size=self.size - rows.size)
        return moment.compacted(_WORTH_REWRITING) if rewrite else moment

    def compacted(self, worth: int | None = None) -> Rows:
        """A moment that shares no memory with removed rows.

        Args:
            worth: Only segments of which one in ``worth`` rows is removed are written anew; ``None`` for all.
        """
        limit, segments, id_map = segment_rows(self.dimension), list(self.segments), self.id_map
        for number, segment in enumerate(segments):
            if segment.dead and (worth is None or segment.dead * worth >= segment.count):
                segments[number] = segment.rewritten()
                id_map = id_map.noting(segments[number].ids.copy(), number * limit + np.arange(segments[number].count))
        if len(id_map) > 2 * self.size + _FIRST_ROWS:
            moment = replace(self, segments=tuple(segments))
            id_map = IdMap().noting(moment.ids(), moment.row_numbers())
        return replace(self, segments=tuple(segments), id_map=id_map)

    def by_segment(self, rows: Ints) -> Iterator[tuple[int, Ints, Ints]]:
        """Segment number, places in it, and which of the given row numbers they are; unknown rows are left out."""
        if rows.size == 0:
            return
        if len(self.segments) == 1:  # most galleries
            which = np.flatnonzero(rows >= 0)
            yield 0, rows[which], which
            return
        limit = segment_rows(self.dimension)
        order = np.argsort(rows, kind="stable")
        numbers = rows[order] // limit
        (starts,) = np.nonzero(np.diff(numbers, prepend=numbers[0] - 1))
        for start, end in zip(starts, [*starts[1:], order.size], strict=True):
            number = int(numbers[start])
            if number >= 0:
                which = order[start:end]
                yield number, rows[which] - number * limit, which


def _longest(vectors: FloatArray) -> float:
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return float(np.sqrt(squares.max())) if squares.size else 0.0
