"""The figures of evaluation in one place: verification (1:1), identification (1:N), acquisition, and their intervals.

=====================================  ===============================================================
FMR, FNMR, DET, EER, AUC, TPR at FMR   :mod:`facematch.evaluation.verification`
FPIR, FNIR, rank rates, DIR at FPIR    :mod:`facematch.evaluation.identification`
subject-level score rules              :mod:`facematch.matching.subjects`
Clopper-Pearson, bootstrap of people   :mod:`facematch.evaluation.intervals`
FTE, FTA                               here
=====================================  ===============================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.identification import (
    SearchScores,
    dir_at_fpir,
    dir_at_fpir_interval,
    fnir,
    fpir,
    rank_rate,
    search,
    threshold_at_fpir,
)
from facematch.evaluation.intervals import (
    Interval,
    Rate,
    bootstrap_people,
    bootstrap_rate,
    clopper_pearson,
    lower_bound,
    percentile_interval,
    trials_needed,
    upper_bound,
)
from facematch.evaluation.verification import (
    DetCurve,
    accuracy,
    best_threshold,
    det_curve,
    fmr,
    fnmr,
    fold_accuracies,
    pairwise_histogram,
)
from facematch.matching.subjects import SubjectGallery, SubjectRule

__all__ = [
    "DetCurve",
    "Interval",
    "Rate",
    "SearchScores",
    "SubjectGallery",
    "SubjectRule",
    "accuracy",
    "best_threshold",
    "bootstrap_people",
    "bootstrap_rate",
    "clopper_pearson",
    "det_curve",
    "dir_at_fpir",
    "dir_at_fpir_interval",
    "failure_to_acquire",
    "failure_to_enroll",
    "fmr",
    "fnir",
    "fnmr",
    "fold_accuracies",
    "fpir",
    "lower_bound",
    "pairwise_histogram",
    "percentile_interval",
    "rank_rate",
    "search",
    "threshold_at_fpir",
    "trials_needed",
    "upper_bound",
]


def failure_to_acquire(found: NDArray[np.bool_]) -> Rate:
    """FTA: the share of pictures that gave no embedding (ISO/IEC 19795-1).

    Args:
        found: ``(N,)``, whether each picture gave one.
    """
    return Rate(int(np.count_nonzero(~found)), len(found))


def failure_to_enroll(found: NDArray[np.bool_], people: NDArray[np.integer], templates: int = 1) -> Rate:
    """FTE: the share of people of whom fewer than ``templates`` pictures gave an embedding (ISO/IEC 19795-1).

    Args:
        found: ``(N,)``, whether each picture gave one.
        people: ``(N,)``, whom each picture shows.
        templates: Pictures that an enrollment needs.
    """
    who = np.unique(people, return_inverse=True)[1]
    good = np.bincount(who[found], minlength=int(who.max()) + 1 if who.size else 0)
    return Rate(int(np.count_nonzero(good < templates)), len(good))
