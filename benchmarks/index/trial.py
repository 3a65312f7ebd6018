"""One gallery of made-up people in several indexes, and the probes to search it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from machine import load
from numpy.typing import NDArray
from timing import timed

from facematch.index.approximate import ApproximateIndex
from facematch.index.exact import ExactIndex
from facematch.protocols import Progress, VectorIndex
from facematch.types import FloatArray
from index.population import Population

__all__ = ["PROBES", "Trial", "best_scores", "fill", "prepare"]

PROBES: Final = 256
"""Probes of a trial."""
_COUNTED: Final = 4096
"""Mated probes that the recall is counted on."""
_STRANGERS: Final = 2048
_FPIR: Final = 0.01
"""The threshold of a trial is the score that so many strangers reach."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A gallery in every index, and probes to search it with.

    Attributes:
        population: Where the people come from.
        seed: From which they were made.
        plain: FAISS's ``IndexFlatIP`` with the gallery.
        plain_seconds: How long it took to fill.
        indexes: Ours by name, with the gallery; the ids are 0 to ``size - 1``.
        seconds: How long each took to fill.
        probes: ``(256, D)``: mated and not, by turns.
        mated: ``(256,)``, which of them are pictures of people in the gallery.
        counted: ``(4096, D)``: more mated probes, to count the recall on.
        threshold: The score that one stranger in a hundred reaches: what calibration makes of this gallery.
        load_before: Cores that other programs kept busy in the second before.
    """

    population: Population
    seed: int
    plain: Any = field(repr=False)
    plain_seconds: float
    indexes: Mapping[str, VectorIndex] = field(repr=False)
    seconds: Mapping[str, float]
    probes: FloatArray = field(repr=False)
    mated: NDArray[np.bool_] = field(repr=False)
    counted: FloatArray = field(repr=False)
    load_before: float
    threshold: float = 0.0

    @property
    def size(self) -> int:
        """Number of templates."""
        return int(self.plain.ntotal)

    @property
    def vectors(self) -> FloatArray:
        """``(N, D)`` the templates, where FAISS keeps them, so that large galleries need no third copy."""
        import faiss

        flat = faiss.rev_swig_ptr(self.plain.get_xb(), self.size * self.population.dimension)
        return np.asarray(flat, dtype=np.float32).reshape(self.size, -1)


def prepare(
    population: Population, size: int, *, seed: int = 0, exact: bool = True, progress: Progress | None = None
) -> Trial:
    """Make people, fill FAISS with a template of each, and the exact index.

    Args:
        population: Where the people come from.
        size: Number of templates, at least 1.
        seed: From which the people are made.
        exact: Whether to fill the exact index, too.
        progress: Called with people made and people in all.

    Raises:
        InvalidArgument: ``size`` is below 1.
    """
    import faiss

    load_before = load()
    rng = np.random.default_rng(seed)
    templates = population.templates(size, rng, progress=progress)
    mated = np.arange(PROBES) % 2 == 0
    probes = np.empty((PROBES, population.dimension), dtype=np.float32)
    probes[mated] = population.probes_of(templates, rng.integers(size, size=int(mated.sum())), rng)
    probes[~mated] = population.strangers(int((~mated).sum()), rng)
    counted = population.probes_of(templates, rng.integers(size, size=_COUNTED), rng)
    strangers = population.strangers(_STRANGERS, rng)
    plain = faiss.IndexFlatIP(population.dimension)
    seconds = timed(lambda: plain.add(templates.vectors))
    trial = Trial(population, seed, plain, seconds, {}, {}, probes, mated, counted, load_before)
    if exact:
        trial = fill(trial, "exact", ExactIndex(population.dimension))
    return replace(trial, threshold=float(np.quantile(best_scores(trial, strangers), 1.0 - _FPIR)))


def fill(trial: Trial, name: str, index: VectorIndex) -> Trial:
    """The trial with one index more, which is filled; an approximate one that works in the foreground learns its codes.

    Raises:
        VectorIndexError: The index is not empty, or has vectors of another length.
    """
    vectors = trial.vectors

    def work() -> None:
        index.add(np.arange(trial.size, dtype=np.int64), vectors)
        if isinstance(index, ApproximateIndex):
            index.rebuild()

    seconds = timed(work)
    return replace(trial, indexes={**trial.indexes, name: index}, seconds={**trial.seconds, name: seconds})


def best_scores(trial: Trial, probes: FloatArray) -> FloatArray:
    """``(Q,)`` the best scores: of the exact index where there is one, whose answers are compared with FAISS's."""
    exact = trial.indexes.get("exact")
    scores = trial.plain.search(probes, 1)[0] if exact is None else exact.search(probes, 1)[0]
    return np.asarray(scores[:, 0], dtype=np.float32)
