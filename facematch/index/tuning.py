"""How hard a search of codes must try: the least effort whose recall, measured on the gallery's own vectors, is enough.

The probes of the measurement are made from the gallery: a vector turned by a random angle, between the one whose cosine
is the threshold and half of it, towards a random mixture of other vectors. So they lie where faces lie, and the true
result is as hard to find as a match that just reaches the threshold; it is harder than for other pictures of the same
people, most of whose scores are higher (a million templates of the published population: of these probes 0.10 % were
missed where 0.01 % of mated ones were). Counted are probes whose exact
best result reaches the threshold. A threshold that more than one in a hundred mixtures alone reaches, which resemble
nobody in particular, is no threshold to work with in a gallery of that size; the score that one in a hundred reaches is
taken instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.index.coarse import Coarse, CoarseKind, Effort
from facematch.index.learning import coded
from facematch.index.pairs import exact_pairs
from facematch.index.rows import Rows
from facematch.index.scan import scan_best
from facematch.types import FloatArray

__all__ = ["Tuned", "efforts", "gallery_probes", "measured_recall", "tuned"]

Ints = NDArray[np.int64]

_PROBES = 6000
_OTHERS = 2000
"""Mixtures that the lowest threshold is taken from."""
_BATCH = 256
_MIXED = 32
_STRANGERS = 0.01
_SEED = 20
_SHARES = (1 / 32, 1 / 16, 1 / 8, 3 / 16, 1 / 4, 5 / 16, 3 / 8, 7 / 16, 1 / 2, 5 / 8, 3 / 4)
_FINE = (32, 64, 128)
_COARSE = (64, 128, 192, 256, 320, 384, 512, 768, 1024)
_CODES: dict[CoarseKind, tuple[bool, ...]] = {"ivf": (True,), "pq": (False, True), "hnsw": (True,)}
"""Whether product codes are fine, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """Codes and how hard to search them.

    Attributes:
        codes: The codes.
        effort: The effort.
        recall: Share of the measured probes whose best result was found; ``None`` where the effort was given.
        probes: How many probes that was measured with.
        threshold: The lowest score that counted.
        seconds: How long learning, coding and measuring took.
    """

    codes: Coarse
    effort: Effort
    recall: float | None = None
    probes: int = 0
    threshold: float = 0.0
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """The figures for :class:`~facematch.types.IndexStats`."""
        return {
            "probes_a_search": self.effort.probes,
            "rerank": self.effort.rerank,
            "recall_at_1": self.recall,
            "recall_measured_on": self.probes,
            "recall_above": round(float(self.threshold), 4),
            "build_seconds": round(self.seconds, 3),
        }


def tuned(
    moment: Rows,
    kind: CoarseKind,
    *,
    recall: float,
    threshold: float,
    effort: Effort | None = None,
    between: Callable[[], None] = lambda: None,
) -> Tuned | None:
    """Codes of all rows and the least effort that reaches a recall.

    Args:
        moment: The rows; at least one.
        kind: Kind of codes.
        recall: The recall wanted.
        threshold: Lowest score that matters.
        effort: Take this one and measure nothing.
        between: Called every now and then; what it raises stops the work.

    Returns:
        ``None`` where no effort reaches the recall.
    """
    if effort is not None:
        return Tuned(coded(moment, kind, fine=_CODES[kind][-1], between=between), effort)
    rng = np.random.default_rng(_SEED)
    count = min(_PROBES, moment.size)
    others = _mixtures(moment, min(_OTHERS, moment.size), rng)
    strangers = _best(moment, np.ascontiguousarray(others, dtype=np.float32), between)
    threshold = max(threshold, float(np.quantile(strangers, 1.0 - _STRANGERS)))
    probes = gallery_probes(moment, threshold, count, rng)
    best = _best(moment, probes, between)
    probes, best = probes[best >= threshold], best[best >= threshold]
    rows = moment.row_numbers()
    for fine in _CODES[kind]:
        codes = coded(moment, kind, fine=fine, between=between)
        for tried in efforts(codes, fine=fine):
            between()
            measured = measured_recall(moment, codes, rows, tried, (probes, best), wanted=recall)
            if measured >= recall:
                return Tuned(codes, tried, measured, len(probes), threshold)
    return None


def efforts(codes: Coarse, *, fine: bool) -> Iterator[Effort]:
    """Efforts from small to large."""
    most = codes.most_probes
    reranks = _FINE if fine else _COARSE
    if codes.kind == "hnsw":
        yield from (Effort(breadth, 32) for breadth in (32, 64, 128, 256, 512, 1024))
        return
    tried = {max(round(most * share), 1) for share in _SHARES if codes.kind == "ivf"} | {most}
    for probes in sorted(tried):
        yield Effort(probes, reranks[0])
    yield from (Effort(most, rerank) for rerank in reranks[1:])


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
    codes: Coarse,
    rows: Ints,
    effort: Effort,
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
        effort: The effort.
        asked: Probes ``(P, D)`` and their best exact scores ``(P,)``.
        wanted: The recall that is of interest, at most.
    """
    probes, best = asked
    missed, reached = 0, 1.0
    for start in _steps(len(probes)):
        part = probes[start : start + _BATCH]
        labels = codes.propose(part, min(effort.rerank, len(codes)), effort)
        query, there = np.repeat(np.arange(len(part)), labels.shape[1]), labels.ravel() >= 0
        scores = np.full(there.size, -np.inf, dtype=np.float32)
        scores[there] = exact_pairs(moment, part, query[there], rows[labels.ravel()[there]])[0]
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
