"""Exact answers from Milvus: places are scored again, and more are fetched until nothing that is left can matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.index.checks import exact_scores, in_order
from facematch.index.milvus.collection import MAX_PLACES, Collection
from facematch.index.milvus.filters import Hits, Scope
from facematch.types import FloatArray

__all__ = ["Goal", "Search"]

_SPARE = 8
_FIRST = 64


@dataclass(frozen=True, slots=True)
class Goal:
    """Aim of a search: the ``k`` best, or everything from a threshold."""

    k: int | None = None
    threshold: float = -np.inf

    def kept(self, scores: FloatArray, ids: NDArray[np.int64]) -> Hits:
        """Hits that count, highest score first, ties by smaller id."""
        if self.k is None:
            reaching = scores >= self.threshold
            return in_order(scores[reaching], ids[reaching])
        scores, ids = in_order(scores, ids)
        return scores[: self.k], ids[: self.k]

    def bound(self, scores: FloatArray) -> float:
        """Least score by which a vector outside the kept ones matters."""
        if self.k is None:
            return self.threshold
        return float(scores[-1]) if scores.size >= self.k else -np.inf


class Search:
    """One call of a search.

    Args:
        collection: Where the vectors lie.
        queries: ``(Q, D)`` ``float32``.
        goal: What it is after.
        scope: The ids that it may compare with.
        longest: Length of the longest vector.
    """

    def __init__(self, collection: Collection, queries: FloatArray, goal: Goal, scope: Scope, longest: float) -> None:
        self._collection, self._queries, self._goal, self._scope = collection, queries, goal, scope
        lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
        self._off = 2.0**-22 * (queries.shape[1] + 8) * longest * lengths  # four times what float32 sums can be off

    def run(self) -> list[Hits]:
        """The hits of each query.

        Raises:
            VectorIndexError: Milvus failed, or the collection is closed.
        """
        self._collection.check_open()
        found: list[Hits] = [(np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64))] * len(self._queries)
        everything = self._scope.everything
        if everything is None:
            return found
        places = min(MAX_PLACES, _FIRST if self._goal.k is None else self._goal.k + _SPARE)
        pending = list(range(len(self._queries)))
        while pending:
            unfinished = []
            for row, hits, rest in self._ask(pending, places, everything):
                found[row] = self._goal.kept(*hits)
                if rest is not None and rest >= self._goal.bound(found[row][0]):
                    unfinished.append(row)
            if places == MAX_PLACES:
                for row in unfinished:
                    found[row] = self._halve(row, found[row])
                break
            pending, places = unfinished, min(MAX_PLACES, 4 * places)
        return found

    def _halve(self, row: int, best: Hits) -> Hits:
        """Hits of a query when more than Milvus's limit may matter: smaller and smaller ranges of ids are searched.

        A range is complete when Milvus returns all of it, or when what is left of it scores too little to matter.
        """
        spans = _halves(0, self._scope.ids.size)
        while spans:
            first, last = spans.pop()
            within = self._scope.between(first, last)
            if within is None:
                continue
            for _, hits, rest in self._ask([row], MAX_PLACES, within):
                best = self._goal.kept(*_united(best, hits))
                if rest is not None and rest >= self._goal.bound(best[0]) and last - first > 1:
                    spans += _halves(first, last)
        return best

    def _ask(self, rows: list[int], places: int, within: Mapping[str, Any]) -> list[tuple[int, Hits, float | None]]:
        """For each row its hits with exact scores, and the best score that anything else can have, if there is more."""
        answers = []
        at_once = self._collection.queries_at_once(places)
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            radius = None if self._goal.k is not None else float(self._goal.threshold - self._off[part].max())
            replies = self._collection.search(self._queries[part], places, within, radius)
            for row, reply in zip(part, replies, strict=True):
                scores = exact_scores(reply.vectors, self._queries[row])
                rest = None if reply.lowest is None else reply.lowest + float(self._off[row])
                answers.append((row, self._scope.among((scores, reply.ids)), rest))
        return answers


def _halves(first: int, last: int) -> list[tuple[int, int]]:
    """The two halves of the places ``first`` to ``last``, empty ones left out."""
    middle = (first + last) // 2
    return [(start, end) for start, end in ((first, middle), (middle, last)) if start < end]


def _united(left: Hits, right: Hits) -> Hits:
    """Both hits, each id once."""
    ids, first = np.unique(np.concatenate([left[1], right[1]]), return_index=True)
    return np.concatenate([left[0], right[0]])[first], ids
