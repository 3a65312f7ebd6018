"""Error rates with their uncertainty: exact binomial intervals, and a bootstrap that resamples people.

Sources: C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 26(4), 1934, for independent trials. Several pictures of one person are not independent; where a
rate counts them, people are resampled instead (R. M. Bolle, N. K. Ratha, S. Pankanti, "Error analysis of pattern
recognition systems: the subsets bootstrap", CVIU 93, 2004; ISO/IEC 19795-1, annex on uncertainty).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument

__all__ = [
    "Interval",
    "Rate",
    "bootstrap_people",
    "clopper_pearson",
    "lower_bound",
    "people_weights",
    "percentile_interval",
    "trials_needed",
    "upper_bound",
]

LEVEL: Final = 0.95
REPLICATES: Final = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval.

    Attributes:
        low: Lower end, in the unit of what is estimated.
        high: Upper end.
        level: Confidence level in ``(0, 1)``.
    """

    low: float
    high: float
    level: float = LEVEL

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def to_list(self) -> list[float]:
        """``[low, high]``, rounded to six digits."""
        return [round(self.low, 6), round(self.high, 6)]


def clopper_pearson(errors: int, trials: int, level: float = LEVEL) -> Interval:
    """The exact two-sided interval of a binomial proportion.

    Ends are ``Beta^-1((1-level)/2; k, n-k+1)`` and ``Beta^-1((1+level)/2; k+1, n-k)`` (Clopper & Pearson 1934).

    Args:
        errors: Number of errors ``k``, 0 to ``trials``.
        trials: Number of independent trials ``n``, at least 1.
        level: Confidence level in ``(0, 1)``.

    Raises:
        InvalidArgument: A number is out of range.
    """
    tail = (1 - _checked(errors, trials, level)) / 2
    return Interval(lower_bound(errors, trials, 1 - tail), upper_bound(errors, trials, 1 - tail), level)


def upper_bound(errors: int, trials: int, level: float = LEVEL) -> float:
    """The exact one-sided upper bound ``Beta^-1(level; k+1, n-k)`` of a proportion; 1 where every trial erred.

    Args:
        errors: Number of errors ``k``, 0 to ``trials``.
        trials: Number of independent trials ``n``, at least 1.
        level: Confidence level in ``(0, 1)``.

    Raises:
        InvalidArgument: A number is out of range.
    """
    from scipy.special import betaincinv

    _checked(errors, trials, level)
    return 1.0 if errors == trials else float(betaincinv(errors + 1, trials - errors, level))


def lower_bound(errors: int, trials: int, level: float = LEVEL) -> float:
    """The exact one-sided lower bound ``Beta^-1(1-level; k, n-k+1)`` of a proportion; 0 where no trial erred.

    Args:
        errors: Number of errors ``k``, 0 to ``trials``.
        trials: Number of independent trials ``n``, at least 1.
        level: Confidence level in ``(0, 1)``.

    Raises:
        InvalidArgument: A number is out of range.
    """
    from scipy.special import betaincinv

    _checked(errors, trials, level)
    return 0.0 if errors == 0 else float(betaincinv(errors, trials - errors + 1, 1 - level))


def trials_needed(target: float, level: float = LEVEL) -> int:
    """The fewest independent trials without one error that show a rate of at most ``target``.

    ``n = ln(1-level) / ln(1-target)``, about ``2.996 / target`` at 95 % (the "rule of three" of ISO/IEC 19795-1).

    Args:
        target: The rate to be shown, in ``(0, 1)``.
        level: Confidence level in ``(0, 1)``.

    Raises:
        InvalidArgument: A number is out of range.
    """
    if not (0 < target < 1 and 0 < level < 1):
        raise InvalidArgument(f"a rate and a confidence level lie in (0, 1), got {target} and {level}")
    return int(np.ceil(np.log1p(-level) / np.log1p(-target) - 1e-9))


@dataclass(frozen=True, slots=True)
class Rate:
    """A count of errors among trials.

    Attributes:
        errors: Number of errors.
        trials: Number of trials; 0 where nothing could be tried.

    Raises:
        InvalidArgument: More errors than trials, or a negative number.
    """

    errors: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.errors <= self.trials:
            raise InvalidArgument(f"errors lie between 0 and the trials, got {self.errors} of {self.trials}")

    @property
    def value(self) -> float:
        """Errors by trials; not a number where there were no trials."""
        return self.errors / self.trials if self.trials else float("nan")

    def interval(self, level: float = LEVEL) -> Interval:
        """The Clopper-Pearson interval; it holds where trials are independent, one a person.

        Args:
            level: Confidence level in ``(0, 1)``.

        Raises:
            InvalidArgument: There were no trials.
        """
        return clopper_pearson(self.errors, self.trials, level)

    def to_dict(self) -> dict[str, Any]:
        """``rate``, ``errors``, ``trials`` and ``ci95`` as plain data; ``None`` where there were no trials."""
        known = self.trials > 0
        return {
            "rate": round(self.value, 6) if known else None,
            "errors": self.errors,
            "trials": self.trials,
            "ci95": self.interval().to_list() if known else None,
        }


def people_weights(n_people: int, *, replicates: int = REPLICATES, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Bootstrap replicates: how often each of ``n_people`` was drawn, with replacement.

    Args:
        n_people: Number of people, at least 1.
        replicates: Number of replicates.
        seed: Seed of the random numbers; the same seed gives the same replicates.

    Yields:
        ``(n_people,)`` counts that add up to ``n_people``.

    Raises:
        InvalidArgument: There are no people.
    """
    if n_people < 1:
        raise InvalidArgument("a bootstrap over people needs at least one person")
    random = np.random.default_rng(seed)
    for _ in range(replicates):
        yield np.bincount(random.integers(0, n_people, n_people), minlength=n_people)


def bootstrap_people(
    statistic: Callable[[NDArray[np.int64]], float | NDArray[np.float64]],
    n_people: int,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Values of a statistic under resampling of people.

    Args:
        statistic: Called with ``(n_people,)`` counts, how often each person was drawn; a person's pictures, searches
            and comparisons all count that often (a comparison of two people: the product of both counts). Returns
            a number or a vector.
        n_people: Number of people.
        replicates: Number of replicates.
        seed: Seed of the random numbers.

    Returns:
        ``(replicates,)`` or ``(replicates, K)``; feed to :func:`percentile_interval`.

    Raises:
        InvalidArgument: There are no people.
    """
    values = [statistic(weights) for weights in people_weights(n_people, replicates=replicates, seed=seed)]
    return np.asarray(values, dtype=np.float64)


def percentile_interval(values: NDArray[np.floating], level: float = LEVEL) -> Interval:
    """The percentile interval of bootstrap values ``(R,)``; values that are not finite are left out.

    Raises:
        InvalidArgument: No value is finite.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise InvalidArgument("no bootstrap replicate gave a number", hint="there are too few people or errors")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)


def _checked(errors: int, trials: int, level: float) -> float:
    if not 0 < level < 1:
        raise InvalidArgument(f"a confidence level lies in (0, 1), got {level}")
    if trials < 1 or not 0 <= errors <= trials:
        raise InvalidArgument(f"errors lie between 0 and one or more trials, got {errors} of {trials}")
    return level
