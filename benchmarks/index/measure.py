"""Indexes beside the plain FAISS index that a user would reach for, and beside the matrix product alone.

FAISS is ``IndexFlatIP`` as it comes, none of its settings touched. Before anything is timed, all answers are compared
with its answers. Half of the probes are other pictures of people in the gallery, half are strangers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
from machine import machine_facts, peak_memory
from numpy.typing import NDArray
from timing import interleaved

from facematch.errors import InvalidArgument, VectorIndexError
from facematch.protocols import Progress
from facematch.types import FloatArray
from index.figures import BatchFigures, IndexBenchmark, IndexFigures
from index.trial import PROBES, Trial, best_scores

__all__ = ["BATCHES", "measure"]

BATCHES: Final = (1, 16, 64, 256)
"""Probes a search."""

_GEMM_ROWS: Final = 1 << 20
_FAISS: Final = "faiss flat"
_GEMM: Final = "gemm"
_SETTLE: Final = 0.05
_EXACT: Final = frozenset({"exact", "oracle"})


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
    if not batches or min(batches) < 1 or max(batches) > PROBES:
        raise InvalidArgument(f"batches are of 1 to {PROBES} probes, got {list(batches)}", hint="such as 1 and 256")
    done, total = 0, len(batches) * (rounds + 1) + 1

    def step() -> None:
        nonlocal done
        done = min(done + 1, total)
        if progress is not None:
            progress(done, total)

    others = {name: _recalls(trial, name, k) for name in trial.indexes}
    best = best_scores(trial, trial.counted)
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
        start = turn * batch % PROBES
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
