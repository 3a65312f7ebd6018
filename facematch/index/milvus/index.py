"""The index: which ids are held, and how they come and go."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
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
    matches,
    not_there,
)
from facematch.index.milvus.collection import Collection, CollectionSettings, checked_prefix
from facematch.index.milvus.connection import connect
from facematch.index.milvus.filters import Hits, Scope
from facematch.index.milvus.search import Goal, Search
from facematch.types import FloatArray, IdSet, IndexStats, Matches

__all__ = ["MilvusIndex"]


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """The ids that a search may return, ascending, and the length of the longest vector so far; never changes."""

    ids: NDArray[np.int64]
    longest: float

    def has(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """``(N,)`` which of the ids ``(N,)`` are held."""
        if self.ids.size == 0:
            return np.zeros(ids.size, dtype=bool)
        at = np.searchsorted(self.ids, ids).clip(max=self.ids.size - 1)
        return np.asarray(self.ids[at] == ids)


class MilvusIndex:
    """A :class:`~facematch.protocols.VectorIndex` in a Milvus server, or in Milvus Lite for trials and tests.

    The index makes a collection of its own with a random name and drops it when it is closed or no longer used. No
    search returns what was removed, whatever the server does: every answer is compared with the ids that this index
    holds. The vectors lie in Milvus unencrypted. Safe to share between threads.

    Args:
        dimension: Length of the vectors, 2 to 32,768.
        uri: Address, such as ``https://milvus.example:19530``, or a path that ends in ``.db`` for Milvus Lite.
        token: ``user:password`` or an API key.
        prefix: Beginning of the collection's name: letters, digits and underscores.
        index_type: Milvus's index type. ``FLAT`` compares with every vector; every other type may miss some.
        index_params: Parameters of that type, such as ``{"M": 16, "efConstruction": 200}``.
        search_params: Parameters of a search with it, such as ``{"ef": 128}``.
        consistency: ``Strong``, or ``Session``: quicker, and enough because nothing else writes to the collection.
        timeout: Seconds that one request may take, repetitions included.
        connection: More arguments of ``pymilvus.MilvusClient``, such as ``db_name`` or ``server_pem_path``.

    Raises:
        VectorIndexError: An argument is malformed, or the server cannot be reached or refuses.
        MissingExtra: The extra ``milvus`` is not installed.
    """

    def __init__(
        self,
        dimension: int,
        *,
        uri: str,
        token: str | None = None,
        prefix: str = "facematch",
        index_type: str = "FLAT",
        index_params: Mapping[str, Any] | None = None,
        search_params: Mapping[str, Any] | None = None,
        consistency: Literal["Strong", "Session"] = "Strong",
        timeout: float = 30.0,
        connection: Mapping[str, Any] | None = None,
    ) -> None:
        self._dimension = check_dimension(dimension)
        if not 2 <= self._dimension <= 32_768:
            raise VectorIndexError(
                f"Milvus keeps vectors of 2 to 32768 numbers, got {dimension}", hint="use another index"
            )
        if consistency not in {"Strong", "Session"}:
            raise VectorIndexError(
                f"consistency is 'Strong' or 'Session', got {consistency!r}",
                hint="weaker ones may not see what was added",
            )
        settings = CollectionSettings(
            self._dimension, index_type, dict(index_params or {}), dict(search_params or {}), consistency, timeout
        )
        prefix = checked_prefix(prefix)
        self._collection = Collection(connect(uri, token, timeout, connection), prefix, settings)
        self._index_type = index_type
        self._held = _Held(np.empty(0, dtype=np.int64), 0.0)
        self._stray: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._deleted = 0
        self._writing = threading.Lock()
        self._scopes: WeakKeyDictionary[IdSet, tuple[_Held, Scope]] = WeakKeyDictionary()
        self._remembering = threading.Lock()

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._dimension

    @property
    def collection(self) -> str:
        """Name of the collection in Milvus."""
        return self._collection.name

    def __len__(self) -> int:
        """Number of vectors."""
        return int(self._held.ids.size)

    def add(self, ids: NDArray[np.int64], vectors: FloatArray) -> None:
        """Add vectors under new ids; all of them or none.

        Args:
            ids: ``(N,)`` ``int64``, not negative.
            vectors: ``(N, dimension)`` ``float32``, finite.

        Raises:
            VectorIndexError: A wrong type or shape, a number that is not finite, an id that is already there, or Milvus
                failed. Nothing was added.
        """
        ids, vectors = check_addition(ids, vectors, self._dimension)
        with self._writing:
            self._settle()
            held = self._held
            if bool(held.has(ids).any()):
                raise already_there()
            if ids.size == 0:
                return
            self._stray = ids.copy()
            try:
                self._collection.insert(ids, vectors)
                longest = max(held.longest, float(np.linalg.norm(vectors.astype(np.float64), axis=1).max()))
                self._held = _Held(np.sort(np.concatenate([held.ids, ids]), kind="stable"), longest)
                self._stray = self._stray[:0]
            finally:
                with suppress(VectorIndexError):  # then the next change tries again
                    self._settle()

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Remove ids; ids that are not there are ignored. Effective with the next search.

        Milvus marks the rows as deleted and rewrites its files later; see :meth:`compact`.

        Args:
            ids: ``(N,)`` ``int64``.

        Returns:
            How many were there.

        Raises:
            VectorIndexError: A wrong type or shape, or Milvus failed. Then no search returns them any more, but Milvus
                may still hold them; the next change tries again.
        """
        ids = check_ids(ids)
        with self._writing:
            held = self._held
            gone = ids[held.has(ids)]
            if gone.size:
                self._held = _Held(held.ids[~np.isin(held.ids, gone, assume_unique=True)], held.longest)
                self._stray = np.concatenate([self._stray, gone])
            self._settle()
            return int(gone.size)

    def search(
        self, queries: FloatArray, k: int, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """The ``k`` highest inner products of each query.

        Args:
            queries: ``(Q, dimension)`` ``float32``.
            k: Results wanted a query, at least 1.
            allowed: Only these ids are compared, as a filter that Milvus applies before it scores; ids that are not
                there are ignored. ``None`` allows all. Nothing is sent when none is left.

        Returns:
            ``scores (Q, k)`` ``float32`` and ``ids (Q, k)`` ``int64``, highest first, ties by smaller id; missing
            places hold ``-inf`` and ``-1``.

        Raises:
            VectorIndexError: A wrong type or shape, or Milvus failed.
        """
        queries, k = check_vectors(queries, self._dimension, "queries"), check_k(k)
        scores = np.full((queries.shape[0], k), -np.inf, dtype=np.float32)
        found = np.full((queries.shape[0], k), -1, dtype=np.int64)
        for row, (top, ids) in enumerate(self._found(queries, check_scope(allowed), Goal(k=k))):
            scores[row, : top.size], found[row, : ids.size] = top, ids
        return scores, found

    def search_above(
        self, queries: FloatArray, threshold: float, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> Matches:
        """Everything that scores ``threshold`` or more; Milvus sends nothing that is clearly below.

        Args:
            queries: ``(Q, dimension)`` ``float32``.
            threshold: Lowest score that counts, finite.
            allowed: As in :meth:`search`.

        Raises:
            VectorIndexError: A wrong type or shape, or Milvus failed.
        """
        queries, threshold = check_vectors(queries, self._dimension, "queries"), check_threshold(threshold)
        return matches(self._found(queries, check_scope(allowed), Goal(threshold=threshold)))

    def vectors(self, ids: NDArray[np.int64]) -> FloatArray:
        """The vectors ``(N, dimension)`` ``float32`` of ids ``(N,)``, as they were added.

        Raises:
            VectorIndexError: An id is not there, or Milvus failed.
        """
        wanted, places = np.unique(check_wanted(ids), return_inverse=True)
        if not bool(self._held.has(wanted).all()):
            raise not_there()
        rows = self._collection.vectors(wanted)
        if not bool(self._held.has(wanted).all()):
            raise not_there()
        return rows[places]

    def view(self) -> Self:
        """The index itself: it cannot keep a moment, and never returns what was removed."""
        return self

    def stats(self) -> IndexStats:
        """Figures about the index.

        ``vector_bytes`` lie in Milvus; in this process are only the ids (``details["local_bytes"]``). ``removed``
        counts the rows deleted since the last :meth:`compact`; Milvus may have rewritten its files by itself since.
        """
        ids = self._held.ids
        size = 4 * self._dimension * ids.size
        details = {"collection": self.collection, "index_type": self._index_type, "local_bytes": ids.nbytes}
        return IndexStats("milvus", ids.size, self._dimension, self._deleted, size, size + ids.nbytes, details)

    def compact(self) -> int:
        """Ask Milvus to write out what it holds and to rewrite its files without the deleted rows.

        Milvus does the work after this returns, and removes the old files later still (``dataCoord.gc``). Meant for
        after erasures, not for every removal: Milvus limits how often a collection may be written out.

        Returns:
            How many rows had been deleted since the last time.

        Raises:
            VectorIndexError: Milvus failed.
        """
        with self._writing:
            self._settle()
            self._collection.compact()
            deleted, self._deleted = self._deleted, 0
            return deleted

    def close(self) -> None:
        """Drop the collection and disconnect; may be called again.

        Raises:
            VectorIndexError: The collection could not be dropped; :func:`sweep_collections` drops it later.
        """
        with self._writing:
            self._held = _Held(np.empty(0, dtype=np.int64), 0.0)
            self._collection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _settle(self) -> None:
        """Delete in Milvus what may lie there and must not; the caller holds the lock of writers."""
        self._stray = self._stray[~self._held.has(self._stray)]
        while self._stray.size:
            deleted = self._collection.delete_some(self._stray)
            self._deleted += deleted
            self._stray = self._stray[deleted:]

    def _found(self, queries: FloatArray, allowed: IdSet | None, goal: Goal) -> list[Hits]:
        """Hits of each query among the ids that are held throughout."""
        while True:
            held = self._held
            found = Search(self._collection, queries, goal, self._scope(allowed, held), held.longest).run()
            now = self._held
            if now is held or all(bool(now.has(ids).all()) for _, ids in found):
                return found

    def _scope(self, allowed: IdSet | None, held: _Held) -> Scope:
        """The ids that a search may compare with; worked out once for a scope that is used again."""
        templates = self._collection.templates
        if allowed is None:
            return Scope(held.ids, None, templates)
        with self._remembering:
            made_for, scope = self._scopes.get(allowed, (None, None))
        if scope is None or made_for is not held:
            scope = Scope(held.ids, allowed.contains(held.ids), templates)
            with self._remembering:
                self._scopes[allowed] = held, scope
        return scope
