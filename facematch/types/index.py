"""Arguments and results of vector indexes: sets of ids, hits above a threshold, figures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
from facematch.types.faces import FloatArray

__all__ = ["IdSet", "IndexStats", "Matches"]

T = TypeVar("T")

_DENSE = 64
"""A bitmap is used where the ids span at most this many times their number."""


class IdSet:
    """A set of int64 ids that never changes: the scope of a search, made once and used for many.

    An index works out which of its rows are in the set when it first meets it, and remembers that beside the set for
    as long as both live. Safe to share between threads.

    Args:
        ids: ``(N,)`` ``int64``, not negative, in any order; repeated ids count once.

    Raises:
        VectorIndexError: Not a one-dimensional ``int64`` array, or a negative id.
    """

    __slots__ = ("__weakref__", "_bitmap", "_ids", "_kept", "_lock")

    def __init__(self, ids: Any) -> None:
        if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.ndim != 1:
            form = f"{ids.dtype} {ids.shape}" if isinstance(ids, np.ndarray) else type(ids).__name__
            raise VectorIndexError(f"ids must be an int64 array (N,), got {form}", hint="use dtype=np.int64")
        ascending = ids.size < 2 or bool((ids[1:] > ids[:-1]).all())
        self._ids: NDArray[np.int64] = ids.copy() if ascending else np.unique(ids)
        if self._ids.size and self._ids[0] < 0:
            raise VectorIndexError(f"ids must not be negative, got {int(self._ids[0])}", hint="-1 marks an empty place")
        self._ids.flags.writeable = False
        self._bitmap: NDArray[np.bool_] | None = None
        self._lock = threading.Lock()
        self._kept: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    @property
    def ids(self) -> NDArray[np.int64]:
        """``(N,)`` the ids, ascending; read-only."""
        return self._ids

    def __len__(self) -> int:
        """Number of ids."""
        return int(self._ids.size)

    def contains(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """``(M,)``: which of the ids ``(M,)`` are in the set."""
        if self._ids.size == 0 or ids.size == 0:
            return np.zeros(ids.size, dtype=bool)
        bitmap = self.bitmap()
        if bitmap is not None:
            return bitmap[np.clip(ids, -1, bitmap.size - 1)]  # both ends are the last place, which is False
        at = np.searchsorted(self._ids, ids).clip(max=self._ids.size - 1)
        return np.asarray(self._ids[at] == ids)

    def bitmap(self) -> NDArray[np.bool_] | None:
        """``(last id + 2,)``: which numbers are in the set; ``None`` where the ids lie too far apart for that."""
        if self._bitmap is None and self._ids.size and int(self._ids[-1]) < _DENSE * self._ids.size:
            bitmap = np.zeros(int(self._ids[-1]) + 2, dtype=bool)
            bitmap[self._ids] = True
            bitmap.flags.writeable = False
            self._bitmap = bitmap
        return self._bitmap

    def remembered(self, owner: object, make: Callable[[IdSet], T]) -> T:
        """Value of ``make`` for this set, made once for ``owner`` and forgotten together with it."""
        with self._lock:
            known = self._kept.get(owner)
        if known is None:
            known = make(self)
            with self._lock:
                self._kept[owner] = known
        found: T = known
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Hits above a threshold, for several queries in one.

    Attributes:
        offsets: ``(Q + 1,)`` ``int64``; query ``q`` has the places ``offsets[q]`` to ``offsets[q + 1]``.
        scores: ``(M,)`` ``float32``, within a query highest first.
        ids: ``(M,)`` ``int64``; ties by smaller id.
    """

    offsets: NDArray[np.int64]
    scores: FloatArray
    ids: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of queries."""
        return int(self.offsets.size) - 1

    def of(self, query: int) -> tuple[FloatArray, NDArray[np.int64]]:
        """Scores and ids of one query."""
        here = slice(int(self.offsets[query]), int(self.offsets[query + 1]))
        return self.scores[here], self.ids[here]


@dataclass(frozen=True, slots=True)
class IndexStats:
    """Figures of an index.

    Attributes:
        kind: Kind of index, such as ``exact``.
        vectors: Number of vectors that a search can return.
        dimension: Length of the vectors.
        removed: Rows that are still in memory and that no search reads any more.
        vector_bytes: Size of the vectors themselves at the precision they are kept at.
        total_bytes: All memory that the index holds for them, ids and codes included.
        details: More figures, by name, of the kind of index: recall measured, parameters, time of the last compaction.
    """

    kind: str
    vectors: int
    dimension: int
    removed: int
    vector_bytes: int
    total_bytes: int
    details: Mapping[str, Any] = field(default_factory=dict)
