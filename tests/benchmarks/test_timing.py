from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from timing import interleaved, median_ratio

from facematch.errors import InvalidArgument


def test_turns_alternate_their_order_and_the_first_does_not_count() -> None:
    calls: list[tuple[str, int]] = []
    timings = interleaved({"a": lambda turn: calls.append(("a", turn)), "b": lambda turn: calls.append(("b", turn))}, 2)
    assert calls == [("a", -1), ("b", -1), ("b", 0), ("a", 0), ("a", 1), ("b", 1)]
    assert timings.turns == 2
    assert len(timings.seconds["a"]) == 2


def test_quick_sides_have_more_turns_but_not_without_end() -> None:
    assert interleaved({"a": lambda _: None}, 3, least_seconds=30).turns == 150


def test_a_quick_side_that_settles_is_called_for_a_while_before_it_is_timed() -> None:
    calls: list[tuple[str, int]] = []

    def slow(turn: int) -> None:
        calls.append(("slow", turn))
        time.sleep(0.02)

    def quick(turn: int) -> None:
        calls.append(("quick", turn))
        time.sleep(0.005 if len(calls) == 4 else 0.0)

    timings = interleaved({"quick": quick, "slow": slow}, 1, settle=0.01)
    assert calls[:4] == [("quick", -1), ("slow", -1), ("slow", 0), ("quick", 0)]
    warm = calls[4:]
    assert {name for name, _ in warm} == {"quick"}
    assert 5 <= len(warm) <= 24  # until the processor is awake, at most 19 times, and then the five that count
    assert [turn for _, turn in warm] == list(range(1, len(warm) + 1))
    assert timings.rested["quick"][0] >= 0.005 > timings.seconds["quick"][0]
    assert timings.seconds["slow"] == timings.rested["slow"]


def test_ratios_say_which_side_is_slower() -> None:
    assert median_ratio(lambda: time.sleep(0.02), lambda: time.sleep(0.002), rounds=3) > 2


@pytest.mark.parametrize(("sides", "rounds"), [({}, 1), ({"a": lambda _: None}, 0)])
def test_nothing_to_time_is_refused(sides: dict[str, Callable[[int], object]], rounds: int) -> None:
    with pytest.raises(InvalidArgument):
        interleaved(sides, rounds)
