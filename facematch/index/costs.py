"""What searches cost on this machine, by kind and size; ``facematch bench index`` measures it and stores it."""

from __future__ import annotations

import itertools
import json
import math
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from facematch.errors import VectorIndexError
from facematch.index.coarse import KINDS, CoarseKind
from facematch.settings import Settings

__all__ = ["Cost", "CostTable"]

_NAME = "index-costs.json"


@dataclass(frozen=True, slots=True)
class Cost:
    """One measurement.

    Attributes:
        kind: ``exact`` or a kind of codes.
        dimension: Length of the vectors.
        size: Number of vectors.
        milliseconds: Median time of a search of one query.
        recall: Recall that was measured with it; 1 for ``exact``.
    """

    kind: str
    dimension: int
    size: int
    milliseconds: float
    recall: float


_PUBLISHED = (
    Cost("exact", 128, 10_000, 0.75, 1.0),
    Cost("pq", 128, 10_000, 0.26, 1.0),
    Cost("ivf", 128, 10_000, 0.42, 1.0),
    Cost("exact", 128, 100_000, 2.7, 1.0),
    Cost("pq", 128, 100_000, 0.64, 1.0),
    Cost("ivf", 128, 100_000, 0.70, 0.9994),
    Cost("exact", 128, 1_000_000, 31.0, 1.0),
    Cost("pq", 128, 1_000_000, 1.5, 0.9994),
    Cost("ivf", 128, 1_000_000, 2.0, 0.9997),
)


class CostTable:
    """Costs by kind and size.

    Args:
        costs: The measurements; without any, those published with this version.
    """

    def __init__(self, costs: Iterable[Cost] = ()) -> None:
        self.costs = tuple(costs) or _PUBLISHED

    @classmethod
    def of_this_machine(cls, path: Path | None = None) -> Self:
        """The stored table, or the published one where nothing was measured or the file is damaged.

        Args:
            path: The file; ``None`` for the one in the cache folder.
        """
        try:
            rows = json.loads((path or _file()).read_text(encoding="utf-8"))
            return cls(_checked(**row) for row in rows)
        except (OSError, ValueError, TypeError):
            return cls()

    def store(self, path: Path | None = None) -> Path:
        """Write the table, whole or not at all.

        Raises:
            VectorIndexError: It cannot be written.
        """
        target = path or _file()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=_NAME)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump([asdict(cost) for cost in self.costs], file, indent=1)
                Path(name).replace(target)
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise VectorIndexError(f"{target} cannot be written: {error}", hint="check the cache folder") from error
        return target

    def cheapest(self, dimension: int, size: int, recall: float) -> CoarseKind | None:
        """The kind of codes that is expected to cost least; ``None`` for the exact search.

        Costs are taken from the nearest dimension; between two sizes they are interpolated, beyond them they grow in
        proportion. A kind counts where the recall measured with it comes near the one wanted: the index itself
        measures again and falls back.

        Args:
            dimension: Length of the vectors.
            size: Number of vectors.
            recall: The recall wanted.
        """
        near = min({cost.dimension for cost in self.costs}, key=lambda known: abs(known - dimension))
        best: CoarseKind | None = None
        least = self._expected("exact", near, size, 0.0)
        for kind in KINDS:
            expected = self._expected(kind, near, size, recall - (1.0 - recall))
            if expected is not None and (least is None or expected < least):
                best, least = kind, expected
        return best

    def _expected(self, kind: str, dimension: int, size: int, recall: float) -> float | None:
        known = sorted(
            (cost.size, cost.milliseconds)
            for cost in self.costs
            if cost.kind == kind and cost.dimension == dimension and cost.recall >= recall
        )
        if not known:
            return None
        if size <= known[0][0]:
            return known[0][1] * (size / known[0][0] if kind == "exact" else 1.0)
        for (left, low), (right, high) in itertools.pairwise(known):
            if size <= right:
                return low + (high - low) * (size - left) / (right - left)
        return known[-1][1] * size / known[-1][0]


def _checked(kind: Any, dimension: Any, size: Any, milliseconds: Any, recall: Any) -> Cost:
    """A measurement that was read from a file.

    Raises:
        ValueError: A part is of another type or out of its range.
    """
    counts = all(type(number) is int and number >= 1 for number in (dimension, size))
    figures = all(type(number) in {int, float} and math.isfinite(number) for number in (milliseconds, recall))
    if not (isinstance(kind, str) and counts and figures and milliseconds >= 0.0 and 0.0 <= recall <= 1.0):
        raise ValueError("a measurement is damaged")
    return Cost(kind, dimension, size, float(milliseconds), float(recall))


def _file() -> Path:
    return Settings().home / _NAME
