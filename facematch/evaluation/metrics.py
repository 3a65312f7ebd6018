"""The figures of evaluation in one place: verification (1:1), identification (1:N), and their intervals.

=====================================  ===============================================================
FMR, FNMR, DET, EER, AUC, TPR at FMR   :mod:`facematch.evaluation.verification`
FPIR, FNIR, rank rates, DIR at FPIR    :mod:`facematch.evaluation.identification`
subject-level score rules              :mod:`facematch.matching.subjects`
Clopper-Pearson, bootstrap of people   :mod:`facematch.evaluation.intervals`
=====================================  ===============================================================
"""

from __future__ import annotations

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
    "clopper_pearson",
    "det_curve",
    "dir_at_fpir",
    "dir_at_fpir_interval",
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
