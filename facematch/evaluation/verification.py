"""Verification (1:1) figures from scores: error rates, DET, EER, AUC, ten-fold accuracy, thresholds for an FMR.

Definitions after ISO/IEC 19795-1: FMR is the share of non-mated comparisons at or above a threshold, FNMR the share of
mated ones below it; the DET curve is FNMR over FMR (A. Martin et al., "The DET curve in assessment of detection task
performance", Eurospeech 1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.types import FloatArray

__all__ = [
    "DetCurve",
    "ScoreHistogram",
    "accuracy",
    "best_threshold",
    "det_curve",
    "fmr",
    "fnmr",
    "fold_accuracies",
    "pairwise_histogram",
]

_BLOCK: Final = 512
_GRID: Final = np.arange(-100, 100) / 100


def fmr(non_mated: NDArray[np.floating], thresholds: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """False match rate: the share of non-mated scores at or above each threshold.

    Args:
        non_mated: ``(N,)`` scores, at least one.
        thresholds: ``(K,)`` or one raw cosine.

    Returns:
        ``(K,)`` or ``()`` in ``[0, 1]``.

    Raises:
        InvalidArgument: There are no scores.
    """
    return np.asarray(1 - _share_below(non_mated, thresholds, "non-mated"))


def fnmr(mated: NDArray[np.floating], thresholds: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """False non-match rate: the share of mated scores below each threshold; otherwise as :func:`fmr`."""
    return _share_below(mated, thresholds, "mated")


def accuracy(scores: NDArray[np.floating], same: NDArray[np.bool_], threshold: float) -> float:
    """The share of comparisons that a threshold decides rightly; scores at or above it count as mated."""
    return float(np.mean((np.asarray(scores, dtype=np.float64) >= threshold) == same))


@dataclass(frozen=True, slots=True, eq=False)
class DetCurve:
    """Every pair of error rates that a set of scores can show.

    Attributes:
        thresholds: ``(K,)`` descending: infinity, then every distinct score.
        fmr: ``(K,)`` FMR at each, ascending from 0 to 1.
        fnmr: ``(K,)`` FNMR at each, descending from 1 to 0.
    """

    thresholds: NDArray[np.float64]
    fmr: NDArray[np.float64]
    fnmr: NDArray[np.float64]

    @property
    def auc(self) -> float:
        """Area under TPR over FMR: the chance that a mated score exceeds a non-mated one, ties counting half."""
        return float(np.trapezoid(1 - self.fnmr, self.fmr))

    @property
    def eer(self) -> float:
        """Equal error rate: where FMR and FNMR meet, linear between the two points around it."""
        gap = self.fmr - self.fnmr  # ascends from -1 to 1
        after = int(np.argmax(gap >= 0))
        share = -gap[after - 1] / (gap[after] - gap[after - 1])
        return float(self.fmr[after - 1] + share * (self.fmr[after] - self.fmr[after - 1]))

    def tpr_at_fmr(self, target: float) -> float:
        """Highest true positive rate (1 - FNMR) at an FMR of at most ``target``, a step and not interpolated."""
        return float(1 - self.fnmr[self._last(target)])

    def threshold_at_fmr(self, target: float) -> float:
        """The lowest score that is a threshold with an FMR of at most ``target``; infinity where none is."""
        return float(self.thresholds[self._last(target)])

    def _last(self, target: float) -> int:
        return int(np.searchsorted(self.fmr, target, side="right")) - 1


def det_curve(mated: NDArray[np.floating], non_mated: NDArray[np.floating]) -> DetCurve:
    """The DET curve of scores.

    Args:
        mated: ``(M,)`` scores of mated comparisons, at least one.
        non_mated: ``(N,)`` scores of non-mated comparisons, at least one.

    Raises:
        InvalidArgument: One of them is empty or holds something that is not a number.
    """
    distinct = np.unique(np.concatenate([mated, non_mated]).astype(np.float64))
    if np.isnan(distinct).any():
        raise InvalidArgument("scores must be numbers", hint="score a comparison without a face as -1")
    thresholds = np.concatenate([[np.inf], distinct[::-1]])
    return DetCurve(thresholds, fmr(non_mated, thresholds), fnmr(mated, thresholds))


def best_threshold(scores: NDArray[np.floating], same: NDArray[np.bool_]) -> float:
    """The threshold of the highest accuracy on a grid.

    Cosines from -1 to 1 in steps of 0.01 are tried, and the first best one is taken. A finer grid fits the noise of the
    folds that it is chosen on: with steps of 0.001 SFace's accuracy on LFW comes out 0.05 points lower.

    Args:
        scores: ``(N,)`` cosines.
        same: ``(N,)``, whether a pair is mated.

    Returns:
        A cosine; pairs at or above it count as mated.
    """
    mated, non_mated = np.sort(scores[same]), np.sort(scores[~same])
    correct = len(mated) - np.searchsorted(mated, _GRID) + np.searchsorted(non_mated, _GRID)
    return float(_GRID[np.argmax(correct)])


def fold_accuracies(
    scores: NDArray[np.floating], same: NDArray[np.bool_], folds: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Accuracy on each fold at the threshold that is best on all others (the LFW protocol).

    Args:
        scores: ``(N,)`` cosines.
        same: ``(N,)``, whether a pair is mated.
        folds: ``(N,)``, the fold of each pair.

    Returns:
        One accuracy a fold, in ``[0, 1]``.

    Raises:
        InvalidArgument: The arrays differ in length, or there are fewer than two folds.
    """
    if not len(scores) == len(same) == len(folds):
        sizes = f"{len(scores)}, {len(same)} and {len(folds)}"
        raise InvalidArgument(f"scores, labels and folds must be equally many, got {sizes}")
    names = np.unique(folds)
    if len(names) < 2:
        raise InvalidArgument(f"at least two folds are needed, got {len(names)}")
    accuracies = []
    for fold in names:
        held_out = folds == fold
        threshold = best_threshold(scores[~held_out], same[~held_out])
        accuracies.append(np.mean((scores[held_out] >= threshold) == same[held_out]))
    return np.array(accuracies)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreHistogram:
    """Counts of mated and non-mated scores in equal bins over ``[-1, 1]``.

    Attributes:
        mated: ``(B,)`` counts.
        non_mated: ``(B,)`` counts.
    """

    mated: NDArray[np.int64]
    non_mated: NDArray[np.int64]

    def threshold_at_fmr(self, fmr: float) -> float:
        """The lowest bin edge at or above which at most ``fmr`` of the non-mated scores lie.

        Raises:
            InvalidArgument: ``fmr`` is not in ``(0, 1)``, or there are too few non-mated scores to see it.
        """
        total = int(self.non_mated.sum())
        if not 0 < fmr < 1 or total * fmr < 1:
            raise InvalidArgument(f"an FMR of {fmr} cannot be measured on {total} non-mated comparisons")
        above = np.append(np.cumsum(self.non_mated[::-1])[::-1], 0) / total
        return float(np.argmax(above <= fmr) * 2 / len(self.non_mated) - 1)

    def rates_at(self, threshold: float) -> tuple[float, float]:
        """``(FMR, FNMR)`` at the bin edge nearest to ``threshold``."""
        edge = round((threshold + 1) / 2 * len(self.mated))
        return (
            float(self.non_mated[edge:].sum() / max(self.non_mated.sum(), 1)),
            float(self.mated[:edge].sum() / max(self.mated.sum(), 1)),
        )


def pairwise_histogram(embeddings: FloatArray, people: NDArray[np.integer], bins: int = 20_000) -> ScoreHistogram:
    """Histogram of the scores of every pair of embeddings, in blocks, without holding the matrix.

    Args:
        embeddings: ``(N, D)`` unit vectors.
        people: ``(N,)``, who each is of.
        bins: Number of bins over ``[-1, 1]``.
    """
    mated, non_mated = np.zeros(bins, dtype=np.int64), np.zeros(bins, dtype=np.int64)
    for start in range(0, len(embeddings), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(embeddings)))
        scores = embeddings[rows] @ embeddings[start:].T
        later = np.arange(len(embeddings) - start)[None] > np.arange(rows.stop - start)[:, None]
        same = people[rows, None] == people[None, start:]
        index = np.clip(np.floor((scores + 1) * (bins / 2)).astype(np.int64), 0, bins - 1)
        mated += np.bincount(index[later & same], minlength=bins)
        non_mated += np.bincount(index[later & ~same], minlength=bins)
    return ScoreHistogram(mated, non_mated)


def _share_below(
    scores: NDArray[np.floating], thresholds: NDArray[np.floating] | float, kind: str
) -> NDArray[np.float64]:
    if scores.size == 0:
        raise InvalidArgument(f"an error rate needs at least one {kind} score")
    ordered = np.sort(scores.astype(np.float64))
    below = np.searchsorted(ordered, np.asarray(thresholds, dtype=np.float64), side="left")
    return np.asarray(below / scores.size, dtype=np.float64)
