"""Side-by-side timing: both sides in one process, turn by turn, compared by the median of the pairwise ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

__all__ = ["median_ratio"]


def median_ratio(theirs: Callable[[], object], ours: Callable[[], object], rounds: int = 15) -> float:
    """How many times longer ``theirs`` takes than ``ours``: the median over interleaved rounds, after one warm-up."""
    ratios = []
    for turn in range(rounds + 1):
        began = time.perf_counter()
        theirs()
        between = time.perf_counter()
        ours()
        ended = time.perf_counter()
        if turn:
            ratios.append((between - began) / (ended - between))
    return statistics.median(ratios)
