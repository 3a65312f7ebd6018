from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facematch.errors import ContractMismatch, InvalidArgument, ThresholdRequired, ThresholdTooLow
from facematch.matching import effective_threshold
from facematch.types import OperatingPoint

CONTRACT = "a" * 64
TESTED = OperatingPoint(0.4, CONTRACT, 0.001, "FMR", "pairs", 3000, "2026-01-01")


def test_the_tested_threshold_is_the_default() -> None:
    assert effective_threshold(TESTED, CONTRACT) == 0.4


@pytest.mark.parametrize("value", [0.4, 0.41, 1.0, np.float32(0.5), 1])
def test_a_caller_may_raise_it(value: float) -> None:
    assert effective_threshold(TESTED, CONTRACT, value) == float(value)


@pytest.mark.parametrize("value", [0.3999999, 0.0, -1.0, 0])
def test_a_caller_may_not_lower_it(value: float) -> None:
    with pytest.raises(ThresholdTooLow) as caught:
        effective_threshold(TESTED, CONTRACT, value)
    assert caught.value.hint


def test_the_watchlists_own_threshold_raises_the_floor() -> None:
    assert effective_threshold(TESTED, CONTRACT, default=0.5) == 0.5
    assert effective_threshold(TESTED, CONTRACT, 0.6, default=0.5) == 0.6
    with pytest.raises(ThresholdTooLow):
        effective_threshold(TESTED, CONTRACT, 0.45, default=0.5)
    with pytest.raises(ThresholdTooLow):
        effective_threshold(TESTED, CONTRACT, 0.6, default=0.3)


def test_zero_is_a_threshold() -> None:
    assert effective_threshold(None, CONTRACT, 0.0) == 0.0
    assert effective_threshold(None, CONTRACT, default=0.0) == 0.0


def test_without_a_tested_threshold_the_caller_must_give_one() -> None:
    with pytest.raises(ThresholdRequired) as caught:
        effective_threshold(None, CONTRACT)
    assert caught.value.hint


def test_a_threshold_of_another_contract_is_refused_even_when_raised() -> None:
    with pytest.raises(ContractMismatch):
        effective_threshold(TESTED, "b" * 64, 0.9)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.01, -1.01, 40, "0.5", True, [0.5]])
def test_what_is_no_cosine_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument):
        effective_threshold(TESTED, CONTRACT, value)
    with pytest.raises(InvalidArgument):
        effective_threshold(None, CONTRACT, default=value)
