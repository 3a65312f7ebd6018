"""Rates of groups, the ratios between them, and the gate that judges a release by them.

After ISO/IEC 19795-10: the differential of a rate is the largest over the smallest group's rate, and the largest over
the geometric mean of the groups. No ratio is formed over a group without errors or with too few people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.grouping import GroupCounts
from facematch.evaluation.intervals import (
    LEVEL,
    REPLICATES,
    Interval,
    Rate,
    people_weights,
    percentile_interval,
    trials_needed,
)

__all__ = ["GATED", "MIN_PEOPLE", "Gate", "GroupRate", "Ratio", "judge", "rates_and_ratios"]

GATED: Final = ("fpir", "fnir")
MIN_PEOPLE: Final = 30


@dataclass(frozen=True, slots=True)
class GroupRate:
    """One error rate of one group.

    Attributes:
        rate: Errors by trials; ``None`` where there were no trials.
        errors: Number of errors, over all draws.
        trials: Number of trials, over all draws.
        people: Number of people behind the trials.
        interval: Its interval at 95 %: Clopper-Pearson where every person counts once or no one erred (with people as
            trials), otherwise a bootstrap over people; ``None`` without trials.
        insufficient: Why no ratio may rest on it; ``None`` where one may.
        people_needed: People that a ratio would need, where that can be said.
    """

    rate: float | None
    errors: int
    trials: int
    people: int
    interval: Interval | None
    insufficient: str | None
    people_needed: int | None

    def to_dict(self) -> dict[str, Any]:
        """The rate as plain data."""
        return {
            "rate": None if self.rate is None else round(self.rate, 8),
            "ci95": None if self.interval is None else [round(self.interval.low, 8), round(self.interval.high, 8)],
            "errors": self.errors,
            "trials": self.trials,
            "people": self.people,
            "insufficient": self.insufficient,
            "people_needed": self.people_needed,
        }


@dataclass(frozen=True, slots=True)
class Ratio:
    """A differential of one rate.

    Attributes:
        value: The ratio, at least 1; ``None`` where it must not be formed.
        interval: Its interval at 95 %, resampling people; ``high`` may be infinite.
        groups: The groups with the largest and the smallest rate.
    """

    value: float | None
    interval: Interval | None = None
    groups: tuple[str, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The ratio as plain data; an infinite end is ``None``."""
        ends = None
        if self.interval is not None:
            ends = [round(end, 4) if np.isfinite(end) else None for end in (self.interval.low, self.interval.high)]
        return {
            "value": None if self.value is None else round(self.value, 4),
            "ci95": ends,
            "groups": None if self.groups is None else list(self.groups),
        }


@dataclass(frozen=True, slots=True)
class Gate:
    """The release gate.

    Attributes:
        max_ratio: Largest max/min ratio that is let through.
        reasons: Why it is not passed; empty where it is.
    """

    max_ratio: float
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every gated rate could be judged and stays within."""
        return not self.reasons

    def to_dict(self) -> dict[str, Any]:
        """The gate as plain data."""
        return {"max_ratio": self.max_ratio, "passed": self.passed, "reasons": list(self.reasons)}


def rates_and_ratios(
    counts: Mapping[str, GroupCounts],
    group: NDArray[np.integer],
    names: Sequence[str],
    *,
    seed: int = 0,
    replicates: int = REPLICATES,
    min_people: int = MIN_PEOPLE,
) -> tuple[dict[str, dict[str, GroupRate]], dict[str, Ratio], dict[str, Ratio]]:
    """Rates by metric and group with intervals, and the ratios between groups.

    Args:
        counts: Errors and trials by metric.
        group: ``(P,)``, the group of each person, an index into ``names``.
        names: The groups.
        seed: Seed of the bootstrap; all groups and metrics see the same replicates.
        replicates: Number of replicates.
        min_people: Fewest people of a group that a ratio rests on.

    Returns:
        Rates, max/min ratios and max/geometric-mean ratios, each by metric.
    """
    members = [group == number for number in range(len(names))]
    weights = np.stack(list(people_weights(len(group), replicates=replicates, seed=seed)))
    rates: dict[str, dict[str, GroupRate]] = {}
    max_min: dict[str, Ratio] = {}
    max_geomean: dict[str, Ratio] = {}
    for metric, count in counts.items():
        resampled = np.stack([count.resampled(weights, member) for member in members], axis=1)
        overall = Rate(*count.totals(np.ones(len(group), dtype=bool)))
        rates[metric] = {
            name: _group_rate(count, member, resampled[:, number], overall, min_people)
            for number, (name, member) in enumerate(zip(names, members, strict=True))
        }
        if any(rate.insufficient for rate in rates[metric].values()):
            max_min[metric] = max_geomean[metric] = Ratio(None)
            continue
        measured = np.array([rate.rate for rate in rates[metric].values()], dtype=np.float64)
        extremes = (names[int(np.argmax(measured))], names[int(np.argmin(measured))])
        for out, over in ((max_min, np.min), (max_geomean, _geomean)):
            smallest = over(resampled, axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.max(resampled, axis=1) / smallest
            out[metric] = Ratio(
                float(measured.max() / over(measured[None], axis=1)[0]), _open_interval(values), extremes
            )
    return rates, max_min, max_geomean


def judge(rates: Mapping[str, Mapping[str, GroupRate]], max_min: Mapping[str, Ratio], max_ratio: float) -> Gate:
    """The release gate: FPIR and FNIR of all groups can be compared, and no max/min ratio exceeds ``max_ratio``."""
    reasons = []
    for metric in GATED:
        reasons += [
            f"{metric.upper()} of group {name} cannot be judged: {rate.insufficient}"
            for name, rate in rates[metric].items()
            if rate.insufficient
        ]
        ratio = max_min[metric]
        if ratio.value is not None and ratio.value > max_ratio and ratio.groups is not None:
            most, least = ratio.groups
            reasons.append(
                f"{metric.upper()} of {most} is {ratio.value:.2f} times that of {least}; {max_ratio:g} is allowed"
            )
    return Gate(max_ratio, tuple(reasons))


def _group_rate(
    count: GroupCounts, member: NDArray[np.bool_], resampled: NDArray[np.float64], overall: Rate, min_people: int
) -> GroupRate:
    errors, trials = count.totals(member)
    people = count.people(member)
    if trials == 0:
        return GroupRate(None, 0, 0, people, None, "no trials", min_people)
    interval = Rate(errors, trials).interval() if count.independent else None
    if interval is None and errors == 0:
        interval = Rate(0, people).interval()
    if interval is None:
        interval = percentile_interval(resampled, LEVEL)
    needed = min_people if not 0 < overall.value < 1 else max(min_people, trials_needed(overall.value))
    why = None
    if people < min_people:
        why = f"{people} people, {min_people} are needed"
    elif errors == 0:
        why = "no errors among " + (f"{people} people" + (f", about {needed} are needed" if overall.errors else ""))
    return GroupRate(errors / trials, errors, trials, people, interval, why, needed if why and overall.errors else None)


def _geomean(rates: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(np.mean(np.log(rates), axis=axis)))


def _open_interval(values: NDArray[np.float64]) -> Interval:
    """Percentiles that keep infinite values: a smallest rate of zero makes the ratio unbounded above."""
    known = np.sort(values[~np.isnan(values)])
    low, high = (known[min(int(share * len(known)), len(known) - 1)] for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(low), float(high), LEVEL)
