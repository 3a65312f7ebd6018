"""Scope of a search in Milvus as filter arguments of its client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.types import FloatArray

__all__ = ["ID", "Hits", "Scope", "listed"]

ID = "template_id"
"""Name of the primary key."""

Hits = tuple[FloatArray, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Scope:
    """The ids that one search may compare with, as Milvus's filter arguments.

    Attributes:
        ids: The ids of the index, ascending.
        chosen: Which of them are allowed; ``None`` for all.
        templates: Whether the server takes lists of ids beside the expression.
    """

    ids: NDArray[np.int64]
    chosen: NDArray[np.bool_] | None
    templates: bool
    everything: dict[str, Any] | None = field(init=False)
    """Filter arguments of a search for all that are allowed; ``None`` if that is none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "everything", self._clause(self.ids, self.chosen) if self.ids.size else None)

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


def listed(operator: str, ids: NDArray[np.int64], *, templates: bool) -> dict[str, Any]:
    """Filter arguments for a list of ids: beside the expression where the server takes that, else in it."""
    values = ids.tolist()
    if templates:
        return {"filter": f"{ID} {operator} {{ids}}", "filter_params": {"ids": values}}
    return {"filter": f"{ID} {operator} {values}"}
