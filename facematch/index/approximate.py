"""Approximate search for large galleries: codes propose, exact scores decide, and what is new is compared exactly.

A gallery has a main part that is coded and a small rest that was added since; the rest is scanned exactly with every
search. Removed vectors are gone at once, whatever the codes still say, because a candidate's score is computed from its
vector. When the rest has grown, everything is coded anew in the background and the new state takes the old one's place.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
from facematch.index.checks import (
    check_dimension,
    check_ids,
    check_k,
    check_scope,
    check_threshold,
    check_vectors,
    in_order,
    matches,
    not_there,
)
from facematch.index.coarse import CoarseKind, Effort, can_code
from facematch.index.costs import CostTable
from facematch.index.rows import Rows
from facematch.index.scan import exact_pairs, scan_above, scan_best
from facematch.index.tuning import Tuned, tuned
from facematch.types import FloatArray, IdSet, IndexStats, Matches

__all__ = ["ApproximateIndex", "ApproximateView"]

Ints = NDArray[np.int64]

_REST = 8192
"""Vectors that may wait to be coded, or a tenth of the gallery if that is more."""
_SELECTIVE = 16384
"""A scope that reaches no more vectors than this is searched exactly."""
_FIRST_ABOVE = 64
_SHARE = 4
"""A search that wants a larger share of the gallery than one in so many is done exactly."""


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """The index at one moment.

    Attributes:
        main: What is coded, or was: removed vectors are only missing here.
        rest: What is not coded.
        coded: The codes and how hard to search them; ``None`` where everything is in ``rest``.
        gone: Ids that are in the codes and were removed.
    """

    main: Rows
    rest: Rows
    coded: Tuned | None = None
    gone: tuple[Ints, ...] = ()

    @property
    def size(self) -> int:
        return self.main.size + self.rest.size


class ApproximateView:
    """What an :class:`ApproximateIndex` held at one moment: a :class:`~facematch.protocols.VectorSearch`.

    Args:
        state: The state.
    """

    def __init__(self, state: _State) -> None:
        self._state = state

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._state.main.dimension

    def __len__(self) -> int:
        """Number of vectors."""
        return self._state.size

    def search(self, queries: FloatArray, k: int, *, allowed: IdSet | Ints | None = None) -> tuple[FloatArray, Ints]:
        """The ``k`` highest inner products of each query; see :class:`~facematch.protocols.VectorSearch`.

        Scores are exact. A result can be missing where the codes did not propose it.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        queries, k = check_vectors(queries, self.dimension, "queries"), check_k(k)
        scope = check_scope(allowed)
        state = self._state
        coded, filtering = self._codes_for(scope)
        rest = scan_best(state.rest, queries, k, scope)
        if coded is None:
            return _better(rest, scan_best(state.main, queries, k, scope), k) if state.main.size else rest
        places = coded.effort.rerank + 4 * (k - 1)
        if places > state.main.size // _SHARE:
            return _better(rest, scan_best(state.main, queries, k, filtering), k)
        return _better(rest, self._proposed(coded, queries, (k, places), filtering), k)

    def search_above(self, queries: FloatArray, threshold: float, *, allowed: IdSet | Ints | None = None) -> Matches:
        """Everything that scores ``threshold`` or more; see :class:`~facematch.protocols.VectorSearch`.

        Scores are exact. A result can be missing where the codes did not propose it.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        queries, threshold = check_vectors(queries, self.dimension, "queries"), check_threshold(threshold)
        scope = check_scope(allowed)
        coded, filtering = self._codes_for(scope)
        rest = scan_above(self._state.rest, queries, threshold, scope)
        main = [self._main_above(coded, query[None], threshold, filtering) for query in queries]
        parts = [(rest.of(number), own.of(0)) for number, own in enumerate(main)]
        return matches([in_order(np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]])) for a, b in parts])

    def vectors(self, ids: Ints) -> FloatArray:
        """The vectors ``(N, dimension)`` of ids ``(N,)``.

        Raises:
            VectorIndexError: An id is not there.
        """
        wanted = np.asarray(ids, dtype=np.int64)
        main, rest = self._state.main.find(wanted), self._state.rest.find(wanted)
        if bool(((main < 0) & (rest < 0)).any()):
            raise not_there()
        taken = self._state.main.take(main)
        taken[rest >= 0] = self._state.rest.take(rest[rest >= 0])
        return taken

    def _codes_for(self, scope: IdSet | None) -> tuple[Tuned | None, IdSet | None]:
        """The codes, unless the exact search is the better one for this scope, and the scope if it leaves any out."""
        state = self._state
        if scope is None or state.main.size == 0:
            return state.coded, scope
        reached = sum(segment.count_inside(scope) for segment in state.main.segments)
        if reached == state.main.size:
            return state.coded, None
        return (state.coded if reached > _SELECTIVE else None), scope

    def _proposed(
        self, coded: Tuned, queries: FloatArray, wanted: tuple[int, int], scope: IdSet | None
    ) -> tuple[FloatArray, Ints]:
        """The best ``k`` of so many proposed places a query, by their exact scores."""
        k, places = wanted
        main = self._state.main
        found = coded.codes.propose(queries, places, coded.effort, scope)
        rows = main.find(found.ravel())
        query = np.repeat(np.arange(len(queries)), found.shape[1])
        there = rows >= 0
        query, rows, ids = query[there], rows[there], found.ravel()[there]
        scores = exact_pairs(main, queries, query, rows)
        return _first(query, scores, ids, (len(queries), k))

    def _main_above(self, coded: Tuned | None, query: FloatArray, threshold: float, scope: IdSet | None) -> Matches:
        """More and more candidates of one query, until they fall below the threshold."""
        main = self._state.main
        places = _FIRST_ABOVE
        while coded is not None and places < main.size // _SHARE:
            scores, ids = self._proposed(coded, query, (places, places + coded.effort.rerank), scope)
            reaching = scores[0] >= threshold
            if not reaching[-1]:
                return matches([(scores[0][reaching], ids[0][reaching])])
            places *= 4
        return scan_above(main, query, threshold, scope)


class ApproximateIndex:
    """A :class:`~facematch.protocols.VectorIndex` through FAISS codes, at a recall measured on its own vectors.

    Up to ``exact_below`` vectors it searches exactly. Beyond, it learns codes in the background, looks for the least
    effort that reaches the wanted recall, and searches exactly until it has found it, or for ever if none does.

    Args:
        dimension: Length of the vectors, at least 1.
        kind: Kind of codes; ``auto`` takes what :class:`~facematch.index.costs.CostTable` says for the size.
        recall: Share of searches whose best result is the true one, among those whose true one reaches ``threshold``;
            over 0, at most 1.
        threshold: Lowest score that matters, a raw cosine.
        exact_below: Galleries smaller than this are searched exactly.
        effort: How hard to search; ``None`` finds it by measuring.
        background: Whether codes are learnt in a thread of their own; otherwise only :meth:`rebuild` learns them.
        costs: What searches cost; ``None`` for the table of this machine.

    Raises:
        VectorIndexError: An argument is out of its range.
    """

    def __init__(
        self,
        dimension: int,
        *,
        kind: CoarseKind | Literal["auto"] = "auto",
        recall: float = 0.999,
        threshold: float = 0.3,
        exact_below: int = 100_000,
        effort: Effort | None = None,
        background: bool = True,
        costs: CostTable | None = None,
    ) -> None:
        empty = Rows(check_dimension(dimension))
        if not 0.0 < recall <= 1.0:
            raise VectorIndexError(f"recall must be over 0 and at most 1, got {recall!r}", hint="such as 0.999")
        self._kind, self._recall, self._threshold, self._effort = kind, recall, check_threshold(threshold), effort
        self._exact_below, self._background = exact_below, background
        self._costs = costs
        self._state = _State(empty, empty)
        self._writing = threading.Lock()
        self._building = threading.Lock()
        self._builder: threading.Thread | None = None
        self._removed_since: list[Ints] | None = None
        self._tried_at = 0
        self._failure: str | None = None

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._state.main.dimension

    def __len__(self) -> int:
        """Number of vectors."""
        return self._state.size

    def add(self, ids: Ints, vectors: FloatArray) -> None:
        """Add vectors under new ids; all of them or none.

        Args:
            ids: ``(N,)`` ``int64``, not negative.
            vectors: ``(N, dimension)`` ``float32``, finite.

        Raises:
            VectorIndexError: A wrong type or shape, a number that is not finite, or an id that is already there.
        """
        ids, vectors = check_ids(ids), check_vectors(vectors, self.dimension, "vectors")
        if ids.size != vectors.shape[0]:
            raise VectorIndexError(f"{ids.size} ids for {vectors.shape[0]} vectors", hint="pass one id a vector")
        with self._writing:
            state = self._state
            if bool(((state.main.find(ids) >= 0) | (state.rest.find(ids) >= 0)).any()):
                raise VectorIndexError("an id is already in the index", hint="remove it first; nothing was added")
            if ids.size:
                self._state = replace(state, rest=state.rest.adding(ids, vectors))
        self._build_if_due()

    def remove(self, ids: Ints) -> int:
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
            state = self._state
            if self._removed_since is not None:
                self._removed_since.append(ids)
            main, rest = state.main.removing(ids), state.rest.removing(ids)
            gone = state.gone if main is state.main else (*state.gone, ids)
            self._state = _State(main, rest, state.coded, gone)
            return state.size - self._state.size

    def compact(self) -> int:
        """Let go of the memory of removed vectors and of their codes.

        Returns:
            How many rows were let go of.
        """
        with self._building, self._writing:
            state = self._state
            freed = state.main.dead + state.rest.dead
            main, rest, coded = state.main.compacted(), state.rest.compacted(), state.coded
            if coded is not None and state.gone:
                codes = coded.codes.without(np.concatenate(state.gone))
                coded = None if codes is None else replace(coded, codes=codes)
            if coded is None and main.size:
                rest, main = rest.adding(main.ids(), main.take(main.find(main.ids()))), Rows(self.dimension)
            self._state = _State(main, rest, coded)
        self._build_if_due()
        return freed

    def view(self) -> ApproximateView:
        """What a search would read now, whatever changes later."""
        return ApproximateView(self._state)

    def search(self, queries: FloatArray, k: int, *, allowed: IdSet | Ints | None = None) -> tuple[FloatArray, Ints]:
        """The ``k`` highest inner products of each query; see :meth:`ApproximateView.search`.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        return self.view().search(queries, k, allowed=allowed)

    def search_above(self, queries: FloatArray, threshold: float, *, allowed: IdSet | Ints | None = None) -> Matches:
        """Everything that scores ``threshold`` or more; see :meth:`ApproximateView.search_above`.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        return self.view().search_above(queries, threshold, allowed=allowed)

    def vectors(self, ids: Ints) -> FloatArray:
        """The vectors ``(N, dimension)`` of ids ``(N,)``.

        Raises:
            VectorIndexError: An id is not there.
        """
        return self.view().vectors(ids)

    def stats(self) -> IndexStats:
        """Figures about the index: kind of codes, effort, and the recall that was measured."""
        state = self._state
        details: dict[str, Any] = {"precision": "float32", "coded": state.main.size, "rest": state.rest.size}
        total = state.main.nbytes + state.rest.nbytes
        kind = "exact"
        if state.coded is not None:
            kind = state.coded.codes.kind
            total += state.coded.codes.nbytes
            details |= state.coded.facts()
        if self._failure is not None:
            details["not_coded_because"] = self._failure
        size = 4 * state.size * self.dimension
        return IndexStats(kind, state.size, self.dimension, state.main.dead + state.rest.dead, size, total, details)

    # --- learning codes

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no codes are being learnt.

        Args:
            timeout: Seconds to wait at most; ``None`` for as long as it takes.

        Returns:
            Whether that is so.
        """
        builder = self._builder
        if builder is not None:
            builder.join(timeout)
        return builder is None or not builder.is_alive()

    def rebuild(self) -> bool:
        """Learn codes of everything that is there now; searches and changes go on meanwhile.

        Returns:
            Whether codes are in use afterwards: not where the vectors cannot be coded, or where no effort reaches the
            recall.
        """
        with self._building:
            return self._rebuild()

    def _build_if_due(self) -> None:
        if not self._background or (self._builder is not None and self._builder.is_alive()):
            return
        state = self._state
        waiting = state.rest.size + sum(ids.size for ids in state.gone)
        due = waiting > max(_REST, state.main.size // 10) and state.size > 1.1 * self._tried_at
        if due and self._wanted_kind(state.size) is not None:
            self._builder = threading.Thread(target=self.rebuild, name="facematch-index-builder", daemon=True)
            self._builder.start()

    def _wanted_kind(self, size: int) -> CoarseKind | None:
        if not can_code(self.dimension, size) or size < self._exact_below:
            return None
        if self._kind != "auto":
            return self._kind
        costs = self._costs if self._costs is not None else CostTable.of_this_machine()
        return costs.cheapest(self.dimension, size, self._recall)

    def _rebuild(self) -> bool:
        with self._writing:
            before = self._state
            self._removed_since = []
        try:
            kind = self._wanted_kind(before.size)
            ids = before.rest.ids()
            everything = before.main.adding(ids, before.rest.take(before.rest.find(ids)))
            began = time.perf_counter()
            coded = None
            if kind is not None and everything.size:
                coded = tuned(everything, kind, recall=self._recall, threshold=self._threshold, effort=self._effort)
            self._tried_at = before.size
            self._failure = None if coded is not None else self._why_not(kind)
            if coded is None:
                return self._state.coded is not None
            coded = replace(coded, seconds=time.perf_counter() - began)
            with self._writing:
                self._take(everything, coded)
            return True
        finally:
            self._removed_since = None

    def _take(self, everything: Rows, coded: Tuned) -> None:
        now = self._state
        gone = tuple(self._removed_since or ())
        main = everything.removing(np.unique(np.concatenate(gone))) if gone else everything
        waiting = now.rest.ids()
        new = waiting[main.find(waiting) < 0]
        rest = Rows(self.dimension).adding(new, now.rest.take(now.rest.find(new)))
        self._state = _State(main, rest, coded, gone)

    def _why_not(self, kind: CoarseKind | None) -> str:
        if kind is None:
            return "the exact search is the better one for this size or length of vectors"
        return f"no effort reached a recall of {self._recall}"


def _better(one: tuple[FloatArray, Ints], other: tuple[FloatArray, Ints], k: int) -> tuple[FloatArray, Ints]:
    """The best ``k`` of two results."""
    scores, ids = np.concatenate([one[0], other[0]], axis=1), np.concatenate([one[1], other[1]], axis=1)
    query = np.repeat(np.arange(len(scores)), scores.shape[1])
    there = ids.ravel() >= 0
    return _first(query[there], scores.ravel()[there], ids.ravel()[there], (len(scores), k))


def _first(query: Ints, scores: FloatArray, ids: Ints, shape: tuple[int, int]) -> tuple[FloatArray, Ints]:
    """The best of each query in order; ``shape`` is the number of queries and of places."""
    best, found = np.full(shape, -np.inf, dtype=np.float32), np.full(shape, -1, dtype=np.int64)
    order = np.lexsort((ids, -scores, query))
    place = np.arange(order.size) - np.searchsorted(query[order], query[order])
    order, place = order[place < shape[1]], place[place < shape[1]]
    best[query[order], place] = scores[order]
    found[query[order], place] = ids[order]
    return best, found
