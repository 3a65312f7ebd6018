"""Recall tuning: the fewest candidates whose recall, measured on the gallery's own vectors, is enough.

The probes of the measurement are made from the gallery: a vector turned by a random angle, between the one whose cosine
is the threshold and half of it, towards a random mixture of other vectors. So they lie where faces lie, and the true
result is as hard to find as a match that just reaches the threshold; it is harder than for other pictures of the same
people, most of whose scores are higher (a million templates of the published population: of these probes 0.10 % were
missed where 0.01 % of mated ones were). Counted are probes whose exact
best result reaches the threshold. A threshold that more than one in a hundred mixtures alone reaches, which resemble no
vector in particular, is no threshold to work with in a gallery of that size; the score that one in a hundred reaches is
taken instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.index.codebook import ProductCodes
from facematch.index.pair_scores import exact_pair_scores
from facematch.index.rows import Rows
from facematch.index.scan import scan_best
from facematch.index.training import encoded
from facematch.types import FloatArray

__all__ = ["TunedCodes", "gallery_probes", "measured_recall", "rerank_counts", "tuned"]

Ints = NDArray[np.int64]

_PROBES = 6000
_OTHERS = 2000
"""Mixtures that the lowest threshold is taken from."""
_BATCH = 256
_MIXED = 32
_STRANGERS = 0.01
_SEED = 20
_FINE = (32, 64, 128)
_COARSE = (64, 128, 192, 256, 320, 384, 512, 768, 1024)


@dataclass(frozen=True, slots=True)
class TunedCodes:
    """Codes and how many of their candidates to score.

    Attributes:
        codes: The codes.
        rerank: Candidates whose scores are computed exactly, over all parts.
        recall: Share of the measured probes whose best result was found; ``None`` where ``rerank`` was given.
        probes: How many probes that was measured with.
        threshold: The lowest score that counted.
        seconds: How long learning, coding and measuring took.
    """

    codes: ProductCodes
    rerank: int
    recall: float | None = None
    probes: int = 0
    threshold: float = 0.0
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """The figures for :class:`~facematch.types.IndexStats`."""
        return {
            "rerank": self.rerank,
            "recall_at_1": self.recall,
            "recall_measured_on": self.probes,
            "recall_above": round(float(self.threshold), 4),
            "build_seconds": round(self.seconds, 3),
        }


def tuned(
    moment: Rows,
    *,
    recall: float,
    threshold: float,
    rerank: int | None = None,
    between: Callable[[], None] = lambda: None,
) -> TunedCodes | None:
    """Codes of all rows and the fewest candidates that reach a recall.

    Args:
        moment: The rows; at least one.
        recall: The recall wanted.
        threshold: Lowest score that matters.
        rerank: Take so many candidates of fine codes and measure nothing.
        between: Called every now and then; what it raises stops the work.

    Returns:
        ``None`` where no number of candidates that is tried reaches the recall.
    """
    if rerank is not None:
        return TunedCodes(encoded(moment, fine=True, between=between), rerank)
    rng = np.random.default_rng(_SEED)
    count = min(_PROBES, moment.size)
    others = _mixtures(moment, min(_OTHERS, moment.size), rng)
    strangers = _best(moment, np.ascontiguousarray(others, dtype=np.float32), between)
    threshold = max(threshold, float(np.quantile(strangers, 1.0 - _STRANGERS)))
    probes = gallery_probes(moment, threshold, count, rng)
    best = _best(moment, probes, between)
    probes, best = probes[best >= threshold], best[best >= threshold]
    rows = moment.row_numbers()
    for fine in (False, True):
        codes = encoded(moment, fine=fine, between=between)
        for tried in rerank_counts(fine=fine):
            between()
            measured = measured_recall(moment, codes, rows, tried, (probes, best), wanted=recall)
            if measured >= recall:
                return TunedCodes(codes, tried, measured, len(probes), threshold)
    return None


def rerank_counts(*, fine: bool) -> tuple[int, ...]:
    """Numbers of candidates that are tried, ascending: fewer where codes are fine."""
    return _FINE if fine else _COARSE


def gallery_probes(moment: Rows, threshold: float, count: int, rng: np.random.Generator) -> FloatArray:
    """Probes ``(count, D)`` of unit length, made from the vectors of a gallery."""
    own = _unit(moment.take(moment.find(rng.choice(moment.ids(), count))).astype(np.float64))
    away = _mixtures(moment, count, rng)
    away = _unit(away - (away * own).sum(axis=1, keepdims=True) * own)
    angle = np.arccos(np.clip(threshold, -1.0, 1.0)) * rng.uniform(0.5, 1.0, (count, 1))
    return np.ascontiguousarray(np.cos(angle) * own + np.sin(angle) * away, dtype=np.float32)


def _mixtures(moment: Rows, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    mixed = np.zeros((count, moment.dimension))
    ids = moment.ids()
    for _ in range(_MIXED):
        mixed += rng.choice([-1.0, 1.0], (count, 1)) * moment.take(moment.find(rng.choice(ids, count)))
    return _unit(mixed)


def _best(moment: Rows, probes: FloatArray, between: Callable[[], None]) -> FloatArray:
    best = np.empty(len(probes), dtype=np.float32)
    for start in _steps(len(probes)):
        between()
        best[start : start + _BATCH] = scan_best(moment, probes[start : start + _BATCH], 1, None)[0][:, 0]
    return best


def measured_recall(
    moment: Rows,
    codes: ProductCodes,
    rows: Ints,
    rerank: int,
    asked: tuple[FloatArray, FloatArray],
    *,
    wanted: float = 0.0,
) -> float:
    """Share of probes whose best exact score is among what the codes propose; 1 without probes.

    As soon as ``wanted`` is out of reach it is given up; the result is what could be reached at most.

    Args:
        moment: The vectors.
        codes: Their codes.
        rows: Row number of each label.
        rerank: Candidates a query.
        asked: Probes ``(P, D)`` and their best exact scores ``(P,)``.
        wanted: The recall that is of interest, at most.
    """
    probes, best = asked
    missed, reached = 0, 1.0
    for start in _steps(len(probes)):
        part = probes[start : start + _BATCH]
        labels = codes.propose(part, min(rerank, len(codes)))
        query, there = np.repeat(np.arange(len(part)), labels.shape[1]), labels.ravel() >= 0
        scores = np.full(there.size, -np.inf, dtype=np.float32)
        scores[there] = exact_pair_scores(moment, part, query[there], rows[labels.ravel()[there]])[0]
        missed += int((scores.reshape(labels.shape).max(axis=1) < best[start : start + _BATCH]).sum())
        reached = 1.0 - missed / len(probes)
        if reached < wanted:
            break
    return reached


def _steps(count: int) -> range:
    return range(0, count, _BATCH)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
