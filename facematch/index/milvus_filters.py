"""What a search in Milvus is after, whom it may reach, and how Milvus is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.index.checks import in_order
from facematch.types import FloatArray

__all__ = ["ID", "Goal", "Held", "Hits", "Probe", "Reach", "halves", "listed", "united"]

ID = "template_id"
"""Name of the primary key."""

Hits = tuple[FloatArray, NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Held:
    """The ids that a search may return, ascending, and the length of the longest vector so far; never changes."""

    ids: NDArray[np.int64]
    longest: float

    def has(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """``(N,)`` which of the ids ``(N,)`` are held."""
        if self.ids.size == 0:
            return np.zeros(ids.size, dtype=bool)
        at = np.searchsorted(self.ids, ids).clip(max=self.ids.size - 1)
        return np.asarray(self.ids[at] == ids)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a search is after: the ``k`` best, or everything from a threshold."""

    k: int | None = None
    threshold: float = -np.inf

    def kept(self, scores: FloatArray, ids: NDArray[np.int64]) -> Hits:
        """What counts of some hits, highest score first, ties by smaller id."""
        if self.k is None:
            reaching = scores >= self.threshold
            return in_order(scores[reaching], ids[reaching])
        scores, ids = in_order(scores, ids)
        return scores[: self.k], ids[: self.k]

    def bound(self, scores: FloatArray) -> float:
        """What a vector that is not among the kept ones must score to matter."""
        if self.k is None:
            return self.threshold
        return float(scores[-1]) if scores.size >= self.k else -np.inf


@dataclass(frozen=True, slots=True)
class Reach:
    """The ids that one search may compare with, and how Milvus is told of them.

    Attributes:
        ids: The ids of the index, ascending.
        chosen: Which of them are allowed; ``None`` for all.
        templates: Whether the server takes lists of ids beside the expression.
    """

    ids: NDArray[np.int64]
    chosen: NDArray[np.bool_] | None
    templates: bool
    everybody: dict[str, Any] | None = field(init=False)
    """Filter arguments of a search for all that are allowed; ``None`` if that is nobody."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "everybody", self._clause(self.ids, self.chosen) if self.ids.size else None)

    def among(self, hits: Hits) -> Hits:
        """The hits that may be returned: a row that is being added or deleted may lie in Milvus as well."""
        scores, ids = hits
        at = np.searchsorted(self.ids, ids).clip(max=self.ids.size - 1)
        there = self.ids[at] == ids
        if self.chosen is not None:
            there &= self.chosen[at]
        return scores[there], ids[there]

    def between(self, first: int, last: int) -> dict[str, Any] | None:
        """The same for the ids from place ``first`` up to place ``last``."""
        ids = self.ids[first:last]
        clause = self._clause(ids, None if self.chosen is None else self.chosen[first:last])
        if clause is None:
            return None
        within = f"{ID} >= {ids[0]} and {ID} <= {ids[-1]}"
        return {**clause, "filter": f"{within} and {clause['filter']}" if clause else within}

    def _clause(self, ids: NDArray[np.int64], chosen: NDArray[np.bool_] | None) -> dict[str, Any] | None:
        """Names the fewer: those that are allowed, or those that are not."""
        allowed = ids.size if chosen is None else int(np.count_nonzero(chosen))
        if allowed == 0:
            return None
        if chosen is None or allowed == ids.size:
            return {}
        if 2 * allowed <= ids.size:
            return listed("in", ids[chosen], templates=self.templates)
        return listed("not in", ids[~chosen], templates=self.templates)


@dataclass(frozen=True, slots=True)
class Probe:
    """One call of a search.

    Attributes:
        queries: ``(Q, D)``.
        off: ``(Q,)`` more than Milvus's scores can be off.
        goal: What it is after.
        reach: Whom it may compare with.
    """

    queries: FloatArray
    off: NDArray[np.float64]
    goal: Goal
    reach: Reach


def halves(first: int, last: int) -> list[tuple[int, int]]:
    """The two halves of the places ``first`` to ``last``, empty ones left out."""
    middle = (first + last) // 2
    return [(start, end) for start, end in ((first, middle), (middle, last)) if start < end]


def united(left: Hits, right: Hits) -> Hits:
    """Both hits, each id once."""
    ids, first = np.unique(np.concatenate([left[1], right[1]]), return_index=True)
    return np.concatenate([left[0], right[0]])[first], ids


def listed(operator: str, ids: NDArray[np.int64], *, templates: bool) -> dict[str, Any]:
    """Filter arguments for a list of ids: beside the expression where the server takes that, else in it."""
    values = ids.tolist()
    if templates:
        return {"filter": f"{ID} {operator} {{ids}}", "filter_params": {"ids": values}}
    return {"filter": f"{ID} {operator} {values}"}
