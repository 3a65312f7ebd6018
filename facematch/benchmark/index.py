"""Indexes beside the plain FAISS index that a user would reach for, and beside the matrix product alone.

FAISS is ``IndexFlatIP`` as it comes, none of its settings touched. Before anything is timed, all answers are compared
with its answers. Half of the probes are other pictures of people in the gallery, half are strangers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.benchmark.machine import load, machine_facts, peak_memory
from facematch.benchmark.population import Population
from facematch.benchmark.timing import interleaved
from facematch.errors import InvalidArgument, VectorIndexError
from facematch.index.approximate import ApproximateIndex
from facematch.index.exact import ExactIndex
from facematch.protocols import Progress, VectorIndex
from facematch.types import FloatArray

__all__ = ["BATCHES", "BatchFigures", "IndexBenchmark", "IndexFigures", "Trial", "fill", "measure", "prepare"]

BATCHES: Final = (1, 16, 64, 256)
"""Probes a search."""

_PROBES: Final = 256
_COUNTED: Final = 4096
"""Mated probes that the recall is counted on."""
_STRANGERS: Final = 2048
_FPIR: Final = 0.01
"""The threshold of a trial is the score that so many strangers reach."""
_GEMM_ROWS: Final = 1 << 20
_FAISS: Final = "faiss flat"
_GEMM: Final = "gemm"
_SETTLE: Final = 0.05
_EXACT: Final = frozenset({"exact", "oracle"})


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
        load_before: Cores that other programs kept busy in the minute before.
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


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """How quickly an index answers a number of probes at once.

    Attributes:
        median_ms: Median time of a search in milliseconds, one after the other.
        median_ms_rested: The same of searches after a pause in which the processor has rested.
        ratio_vs_faiss_flat: Time of FAISS by time of the index; above 1, the index is quicker.
        gemm_share: Time of the bare matrix product by time of the index; 1: it costs nothing beside the product.
        turns: Turns that the medians are taken of.
    """

    median_ms: float
    median_ms_rested: float
    ratio_vs_faiss_flat: float
    gemm_share: float
    turns: int


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """What was measured of one index.

    Attributes:
        name: What it is called here.
        kind: Kind of index, as it says itself.
        details: What else it says of itself, such as its effort.
        build_seconds: How long it took to fill.
        total_bytes: Memory that it holds.
        recall_at_1: Share of the probes whose best result is as good as the true best, of those whose true best
            reaches the threshold of the trial.
        recall_measured_on: How many those are.
        recall_at_1_any: The same of mated and other probes alike, whatever they reach.
        recall_at_1_mated: The same of the mated probes, whatever they reach.
        recall_at_k: Share of the true ``k`` best that are found.
        batches: Figures by number of probes a search.
    """

    name: str
    kind: str
    details: Mapping[str, Any]
    build_seconds: float
    total_bytes: int
    recall_at_1: float
    recall_measured_on: int
    recall_at_1_any: float
    recall_at_1_mated: float
    recall_at_k: float
    batches: Mapping[int, BatchFigures]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        document: dict[str, Any] = {"index": self.kind}
        for batch, figures in self.batches.items():
            document[f"ratio_vs_faiss_flat_batch{batch}"] = figures.ratio_vs_faiss_flat
        for batch, figures in self.batches.items():
            document[f"median_ms_rested_batch{batch}"] = figures.median_ms_rested
        for batch, figures in self.batches.items():
            document[f"gemm_share_batch{batch}"] = figures.gemm_share
        for batch, figures in self.batches.items():
            document[f"median_ms_batch{batch}"] = figures.median_ms
        return document | {
            "recall_at_1": self.recall_at_1,
            "recall_measured_on": self.recall_measured_on,
            "recall_at_1_any": self.recall_at_1_any,
            "recall_at_1_mated": self.recall_at_1_mated,
            "recall_at_k": self.recall_at_k,
            "build_seconds": self.build_seconds,
            "index_bytes": self.total_bytes,
            "index_details": dict(self.details),
            "turns": {str(batch): figures.turns for batch, figures in self.batches.items()},
        }


@dataclass(frozen=True, slots=True)
class IndexBenchmark:
    """What :func:`measure` measured.

    Attributes:
        population: Name of the population.
        size: Templates in the gallery.
        dimension: Length of the vectors.
        k: Results a probe.
        rounds: Turns that were asked for.
        seed: Seed of the people.
        faiss_build_seconds: How long FAISS took to fill.
        faiss_bytes: Memory of FAISS's vectors.
        faiss_ms: Median time of FAISS in milliseconds by number of probes.
        gemm_ms: Median time of the bare matrix product in milliseconds by number of probes.
        indexes: Figures of each index; the first is what the result is about.
        peak_bytes: Most memory that the process had.
        load_before: Cores that other programs kept busy in the minute before; above a few tenths, the figures are off.
        machine: What it was measured on.
        measured_at: When, ISO 8601 in UTC.
        threshold: The score from which recall counts; one stranger in a hundred reaches it.
    """

    population: str
    size: int
    dimension: int
    k: int
    rounds: int
    seed: int
    faiss_build_seconds: float
    faiss_bytes: int
    faiss_ms: Mapping[int, float]
    gemm_ms: Mapping[int, float]
    indexes: tuple[IndexFigures, ...]
    peak_bytes: int
    load_before: float
    machine: Mapping[str, Any]
    measured_at: str
    threshold: float

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data: the first index's figures at the top, those of others under their names."""
        first, *others = self.indexes
        return {
            **first.to_dict(),
            **{figures.name: figures.to_dict() for figures in others},
            "size": self.size,
            "dimension": self.dimension,
            "k": self.k,
            "population": self.population,
            "seed": self.seed,
            "rounds": self.rounds,
            "threshold": self.threshold,
            "faiss_flat_ms": {str(batch): value for batch, value in self.faiss_ms.items()},
            "gemm_ms": {str(batch): value for batch, value in self.gemm_ms.items()},
            "faiss_build_seconds": self.faiss_build_seconds,
            "faiss_bytes": self.faiss_bytes,
            "peak_bytes": self.peak_bytes,
            "load_before": self.load_before,
            "machine": dict(self.machine),
            "measured_at": self.measured_at,
        }


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
    mated = np.arange(_PROBES) % 2 == 0
    probes = np.empty((_PROBES, population.dimension), dtype=np.float32)
    probes[mated] = population.probes_of(templates, rng.integers(size, size=int(mated.sum())), rng)
    probes[~mated] = population.strangers(int((~mated).sum()), rng)
    counted = population.probes_of(templates, rng.integers(size, size=_COUNTED), rng)
    strangers = population.strangers(_STRANGERS, rng)
    plain = faiss.IndexFlatIP(population.dimension)
    seconds = _timed(lambda: plain.add(templates.vectors))
    trial = Trial(population, seed, plain, seconds, {}, {}, probes, mated, counted, load_before)
    if exact:
        trial = fill(trial, "exact", ExactIndex(population.dimension))
    return replace(trial, threshold=float(np.quantile(_best(trial, strangers), 1.0 - _FPIR)))


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

    seconds = _timed(work)
    return replace(trial, indexes={**trial.indexes, name: index}, seconds={**trial.seconds, name: seconds})


def measure(
    trial: Trial,
    *,
    k: int = 10,
    rounds: int = 7,
    batches: Sequence[int] = BATCHES,
    least_seconds: float = 3.0,
    progress: Progress | None = None,
) -> IndexBenchmark:
    """Compare the answers of all indexes with FAISS's, then time them turn by turn.

    Args:
        trial: What :func:`prepare` made.
        k: Results a probe, 1 to the size of the gallery.
        rounds: Turns at least; searches that take no time have more of them.
        batches: Numbers of probes a search, 1 to 256.
        least_seconds: Time to spend on each number of probes, within fifty times the turns.
        progress: Called with turns done and turns in all.

    Raises:
        InvalidArgument: ``k``, ``rounds`` or ``batches`` is out of range, or the trial has no index.
        VectorIndexError: An exact index gives another answer than FAISS, beyond rounding and ties.
    """
    if not 1 <= k <= trial.size:
        raise InvalidArgument(f"k is 1 to {trial.size:,}, got {k}", hint="ask for fewer results or a larger gallery")
    if not trial.indexes:
        raise InvalidArgument("a trial without an index", hint="fill one")
    if not batches or min(batches) < 1 or max(batches) > _PROBES:
        raise InvalidArgument(f"batches are of 1 to {_PROBES} probes, got {list(batches)}", hint="such as 1 and 256")
    done, total = 0, len(batches) * (rounds + 1) + 1

    def step() -> None:
        nonlocal done
        done = min(done + 1, total)
        if progress is not None:
            progress(done, total)

    others = {name: _recalls(trial, name, k) for name in trial.indexes}
    best = _best(trial, trial.counted)
    recalls = {name: (*_recall(trial, name, best), *others[name]) for name in trial.indexes}
    step()
    faiss_ms, gemm_ms = {}, {}
    figures: dict[str, dict[int, BatchFigures]] = {name: {} for name in trial.indexes}
    for number, batch in enumerate(batches):
        timings = interleaved(
            _sides(trial, batch, k), rounds, least_seconds=least_seconds, settle=_SETTLE, on_turn=step
        )
        done = 1 + (number + 1) * (rounds + 1)
        faiss_ms[batch], gemm_ms[batch] = timings.median_ms(_FAISS), timings.median_ms(_GEMM)
        for name in trial.indexes:
            ratio, share = timings.ratio(_FAISS, name), timings.ratio(_GEMM, name)
            rested = timings.median_ms_rested(name)
            figures[name][batch] = BatchFigures(timings.median_ms(name), rested, ratio, share, timings.turns)
    return IndexBenchmark(
        population=trial.population.name,
        size=trial.size,
        dimension=trial.population.dimension,
        k=k,
        rounds=rounds,
        seed=trial.seed,
        faiss_build_seconds=trial.plain_seconds,
        faiss_bytes=4 * trial.size * trial.population.dimension,
        faiss_ms=faiss_ms,
        gemm_ms=gemm_ms,
        indexes=tuple(_figures(trial, name, recalls[name], figures[name]) for name in trial.indexes),
        peak_bytes=peak_memory(),
        load_before=trial.load_before,
        machine=machine_facts(),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        threshold=trial.threshold,
    )


def _best_scores(vectors: FloatArray, probes: FloatArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(Q, k)`` scores of the rows ``(Q, k)``, computed in float64, highest first; ``-inf`` where the row is -1."""
    scores = np.empty(rows.shape, dtype=np.float64)
    for place, probe in enumerate(probes):
        found = vectors[rows[place]].astype(np.float64) @ probe.astype(np.float64)
        scores[place] = -np.sort(-np.where(rows[place] < 0, -np.inf, found))
    return scores


def _rounding(dimension: int) -> float:
    """By how much a ``float32`` product of unit vectors may be off, whatever the order of its sum.

    ``D u / (1 - D u)`` with ``u = 2**-24``; N. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., 3.1.
    """
    share = dimension * 2.0**-24
    return share / (1 - share)


def _figures(
    trial: Trial, name: str, recalls: tuple[float, int, float, float, float], batches: Mapping[int, BatchFigures]
) -> IndexFigures:
    stats = trial.indexes[name].stats()
    return IndexFigures(
        name, stats.kind, stats.details, trial.seconds[name], stats.total_bytes, *recalls, batches=batches
    )


def _best(trial: Trial, probes: FloatArray) -> FloatArray:
    """``(Q,)`` the best scores: of the exact index where there is one, whose answers are compared with FAISS's."""
    exact = trial.indexes.get("exact")
    scores = trial.plain.search(probes, 1)[0] if exact is None else exact.search(probes, 1)[0]
    return np.asarray(scores[:, 0], dtype=np.float32)


def _recall(trial: Trial, name: str, best: FloatArray) -> tuple[float, int]:
    """Recall at 1 of the counted probes, with their best scores ``(4096,)``, and how many reach the threshold."""
    reaching = best >= trial.threshold
    found = trial.indexes[name].search(np.ascontiguousarray(trial.counted[reaching]), 1)[0][:, 0]
    right = found >= best[reaching] - 2 * _rounding(trial.population.dimension)
    return float(right.mean()) if right.size else 1.0, int(right.size)


def _recalls(trial: Trial, name: str, k: int) -> tuple[float, float, float]:
    """Recall at 1, of the mated probes at 1, and at ``k``; an index that is exact must have all."""
    index = trial.indexes[name]
    their_scores, their_rows = trial.plain.search(trial.probes, k)
    scores, rows = index.search(trial.probes, k)
    slack = 2 * _rounding(trial.population.dimension)
    vectors = trial.vectors
    theirs, ours = (_best_scores(vectors, trial.probes, found) for found in (their_rows, rows))
    repeated = any(np.unique(row[row >= 0]).size < (row >= 0).sum() for row in rows)
    if repeated or not _alike(scores, ours, slack):
        raise VectorIndexError(f"the index {name} gives results twice or scores that are not theirs", hint="a defect")
    if index.stats().kind in _EXACT and not (_alike(theirs, ours, slack) and _alike(their_scores, ours, slack)):
        raise VectorIndexError(f"the index {name} and FAISS find different vectors", hint="a defect of one of them")
    best = ours[:, 0] >= theirs[:, 0] - slack
    found = ours >= theirs[:, -1:] - slack
    return float(best.mean()), float(best[trial.mated].mean()), float(found.mean())


def _alike(first: NDArray[np.floating], second: NDArray[np.float64], slack: float) -> bool:
    there = np.isfinite(first)
    return bool((there == np.isfinite(second)).all() and (np.abs(first[there] - second[there]) <= slack).all())


def _sides(trial: Trial, batch: int, k: int) -> dict[str, Callable[[int], object]]:
    vectors = trial.vectors
    out = np.empty((batch, min(trial.size, _GEMM_ROWS)), dtype=np.float32)

    def probes(turn: int) -> FloatArray:
        start = turn * batch % _PROBES
        return trial.probes.take(range(start, start + batch), axis=0, mode="wrap")

    def gemm(turn: int) -> None:
        queries = probes(turn)
        for start in range(0, trial.size, _GEMM_ROWS):
            rows = vectors[start : start + _GEMM_ROWS]
            np.matmul(queries, rows.T, out=out[:, : len(rows)])

    sides: dict[str, Callable[[int], object]] = {
        _FAISS: lambda turn: trial.plain.search(probes(turn), k),
        _GEMM: gemm,
    }
    for name, index in trial.indexes.items():
        sides[name] = lambda turn, index=index: index.search(probes(turn), k)  # type: ignore[misc]
    return sides


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
