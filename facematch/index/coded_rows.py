"""Vectors that are partly coded, and the search over them at one moment: codes propose, exact scores decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from facematch.index.candidates import Candidates, first
from facematch.index.checks import (
    check_k,
    check_scope,
    check_threshold,
    check_vectors,
    check_wanted,
    in_order,
    matches,
    not_there,
)
from facematch.index.recall_tuning import TunedCodes
from facematch.index.rows import Rows
from facematch.index.scan import scan_above, scan_best
from facematch.parallel import shared_out
from facematch.types import FloatArray, IdSet, Matches

__all__ = ["ApproximateView", "CodedRows"]

Ints = NDArray[np.int64]

_SELECTIVE = 16384
"""A scope that reaches no more vectors than this is searched exactly."""
_FIRST_ABOVE = 64
_SHARE = 4
"""A search that wants a larger share of the gallery than one in so many is done exactly."""


@dataclass(frozen=True, slots=True, eq=False)
class CodedRows:
    """An approximate index at one moment.

    Attributes:
        main: What is coded, or was: removed vectors are only missing here.
        rest: What is not coded.
        coded: The codes and how many of their candidates to score; ``None`` where everything is in ``rest``.
        rows: ``(L,)`` the row number in ``main`` of each label of the codes; -1 where there is none any more.
    """

    main: Rows
    rest: Rows
    coded: TunedCodes | None = None
    rows: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))

    @property
    def size(self) -> int:
        """Number of vectors."""
        return self.main.size + self.rest.size

    def compacted(self) -> CodedRows:
        """The same vectors, without memory or codes of removed ones."""
        main, rest = self.main.compacted(), self.rest.compacted()
        coded, rows = self.coded, self.rows.astype(np.int64)
        if coded is not None and self.main.dead:
            alive = self.main.alive(rows)
            codes = coded.codes.without(np.flatnonzero(~alive & (rows >= 0)))
            rows[~alive] = -1
            rows[alive] = main.find(self.main.ids_of(rows[alive]))
            coded = replace(coded, codes=codes)
        if coded is None:
            ids = main.ids()
            return CodedRows(Rows(main.dimension), rest.adding(ids, main.take(main.find(ids))))
        return CodedRows(main, rest, coded, rows.astype(np.int32))


class ApproximateView:
    """View of an :class:`ApproximateIndex` at one moment: a :class:`~facematch.protocols.VectorSearch`.

    Args:
        state: The state.
    """

    def __init__(self, state: CodedRows) -> None:
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
        if state.main.size == 0:
            return scan_best(state.rest, queries, k, scope)
        places = 0 if coded is None else coded.rerank + 4 * (k - 1)
        if coded is None:
            main = scan_best(state.main, queries, k, filtering)
        else:
            main = self._proposed(coded, queries, (k, places), filtering)
        return _better(main, scan_best(state.rest, queries, k, scope), k) if state.rest.size else main

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
        wanted = check_wanted(ids)
        main, rest = self._state.main.find(wanted), self._state.rest.find(wanted)
        if bool(((main < 0) & (rest < 0)).any()):
            raise not_there()
        taken = self._state.main.take(main)
        taken[rest >= 0] = self._state.rest.take(rest[rest >= 0])
        return taken

    def _codes_for(self, scope: IdSet | None) -> tuple[TunedCodes | None, IdSet | None]:
        """The codes, unless the exact search is the better one for this scope, and the scope if it leaves any out."""
        state = self._state
        if scope is None or state.main.size == 0:
            return state.coded, scope
        reached = sum(segment.count_inside(scope) for segment in state.main.segments)
        if reached == state.main.size:
            return state.coded, None
        return (state.coded if reached > _SELECTIVE else None), scope

    def _proposed(
        self, coded: TunedCodes, queries: FloatArray, wanted: tuple[int, int], scope: IdSet | None
    ) -> tuple[FloatArray, Ints]:
        """The best ``k`` of so many proposed places a query, by their exact scores.

        Codes go on proposing what was removed, and what is outside of the scope. Where that leaves too
        little to a query, it is done exactly.
        """
        k, places = wanted
        main, codes = self._state.main, coded.codes
        candidates = Candidates(main, self._state.rows, codes, queries, k=k, scope=scope)
        asked = candidates.asked_for(-(-places // codes.parts))
        if asked * codes.parts > main.size // _SHARE:
            return scan_best(main, queries, k, scope)

        def work(parts: Iterator[int]) -> None:
            for part in parts:
                candidates.take(codes.propose_in(part, queries, asked))

        shared_out(range(codes.parts), work, wanted=codes.parts)
        best, found, unsure = candidates.best(places)
        if unsure.any():
            (again,) = np.nonzero(unsure)
            best[again], found[again] = scan_best(main, np.ascontiguousarray(queries[again]), k, scope)
        return best, found

    def _main_above(
        self, coded: TunedCodes | None, query: FloatArray, threshold: float, scope: IdSet | None
    ) -> Matches:
        """More and more candidates of one query, until they fall below the threshold."""
        main = self._state.main
        places = _FIRST_ABOVE
        while coded is not None and places < main.size // _SHARE:
            scores, ids = self._proposed(coded, query, (places, places + coded.rerank), scope)
            reaching = scores[0] >= threshold
            if not reaching[-1]:
                return matches([(scores[0][reaching], ids[0][reaching])])
            places *= 4
        return scan_above(main, query, threshold, scope)


def _better(one: tuple[FloatArray, Ints], other: tuple[FloatArray, Ints], k: int) -> tuple[FloatArray, Ints]:
    """The best ``k`` of two results."""
    scores, ids = np.concatenate([one[0], other[0]], axis=1), np.concatenate([one[1], other[1]], axis=1)
    query = np.repeat(np.arange(len(scores)), scores.shape[1])
    there = ids.ravel() >= 0
    return first(query[there], scores.ravel()[there], ids.ravel()[there], (len(scores), k))
