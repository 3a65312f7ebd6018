"""Intervals against scipy.stats, published values, and their coverage in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from facematch.errors import InvalidArgument
from facematch.evaluation.intervals import (
    Rate,
    bootstrap_people,
    clopper_pearson,
    lower_bound,
    people_weights,
    percentile_interval,
    trials_needed,
    upper_bound,
)


@pytest.mark.parametrize(
    ("errors", "trials"), [(0, 1), (1, 1), (0, 300), (3, 300), (150, 300), (300, 300), (7, 10_000)]
)
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_two_sided_intervals_equal_scipys(errors: int, trials: int, level: float) -> None:
    expected = stats.binomtest(errors, trials).proportion_ci(level, method="exact")
    interval = clopper_pearson(errors, trials, level)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert errors / trials in interval


@pytest.mark.parametrize(("errors", "trials"), [(0, 50), (2, 50), (50, 50)])
def test_one_sided_bounds_equal_scipys(errors: int, trials: int) -> None:
    less = stats.binomtest(errors, trials, alternative="less").proportion_ci(0.95, method="exact")
    greater = stats.binomtest(errors, trials, alternative="greater").proportion_ci(0.95, method="exact")
    assert upper_bound(errors, trials) == pytest.approx(less.high, abs=1e-12)
    assert lower_bound(errors, trials) == pytest.approx(greater.low, abs=1e-12)


@pytest.mark.parametrize(("target", "people"), [(0.1, 29), (0.01, 299), (0.001, 2995)])
def test_the_rule_of_three(target: float, people: int) -> None:
    assert trials_needed(target) == people
    assert upper_bound(0, people) <= target < upper_bound(0, people - 1)


def test_exact_intervals_cover_at_least_at_their_level() -> None:
    for truth in (0.01, 0.1, 0.5):
        counts = np.arange(201)
        covered = np.array([truth in clopper_pearson(int(k), 200) for k in counts])
        assert stats.binom.pmf(counts, 200, truth)[covered].sum() >= 0.95


def test_a_bootstrap_over_people_covers_where_pictures_of_one_person_agree() -> None:
    """Ten pictures a person that err together: counting pictures would cover far too seldom."""
    random = np.random.default_rng(4)
    by_people, by_pictures = 0, 0
    for _ in range(200):
        erring = random.random(80) < 0.3

        def rate(weights: NDArray[np.int64], erring: NDArray[np.bool_] = erring) -> float:
            return float(weights @ erring / weights.sum())

        rates = bootstrap_people(rate, 80, replicates=200)
        by_people += 0.3 in percentile_interval(rates)
        by_pictures += 0.3 in clopper_pearson(10 * int(erring.sum()), 800)
    assert 0.90 <= by_people / 200 <= 0.99
    assert by_pictures / 200 < 0.6


def test_replicates_draw_as_many_people_and_repeat_with_the_seed() -> None:
    first, again = ([w.tolist() for w in people_weights(7, replicates=5, seed=3)] for _ in range(2))
    assert first == again
    assert [sum(weights) for weights in first] == [7] * 5


def test_a_vector_statistic_is_kept_together() -> None:
    values = bootstrap_people(lambda weights: np.array([1.0, weights.sum()]), 4, replicates=6)
    np.testing.assert_array_equal(values, [[1.0, 4.0]] * 6)


def test_percentiles_leave_out_what_is_no_number() -> None:
    interval = percentile_interval(np.array([np.nan, *np.linspace(0, 1, 101), np.inf]))
    assert (interval.low, interval.high) == pytest.approx((0.025, 0.975))
    with pytest.raises(InvalidArgument, match="too few people"):
        percentile_interval(np.array([np.nan]))
    with pytest.raises(InvalidArgument, match="gave a number"):
        percentile_interval(np.empty(0))


def test_rates_as_plain_data() -> None:
    assert Rate(1, 4).to_dict() == {"rate": 0.25, "errors": 1, "trials": 4, "ci95": [0.006309, 0.805880]}
    assert Rate(0, 0).to_dict() == {"rate": None, "errors": 0, "trials": 0, "ci95": None}
    with pytest.raises(InvalidArgument):
        Rate(5, 4)


def test_numbers_out_of_range_are_refused() -> None:
    for errors, trials, level in ((-1, 4, 0.95), (5, 4, 0.95), (0, 0, 0.95), (1, 4, 1.0)):
        with pytest.raises(InvalidArgument):
            clopper_pearson(errors, trials, level)
    with pytest.raises(InvalidArgument):
        trials_needed(0.0)
    with pytest.raises(InvalidArgument, match="at least one person"):
        next(people_weights(0))
