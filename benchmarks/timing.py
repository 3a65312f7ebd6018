"""Side-by-side timing: all sides in one process, turn by turn, compared by medians of ratios within a turn.

What else the machine does and how fast its clock runs at the moment then weighs on all sides alike. An absolute time is
good for the machine that it was taken on; a ratio can be compared.

Libraries with threads of their own disturb each other: OpenBLAS's and OpenMP's go on looking for work, and keep the
cores busy, for up to some 30 ms after a call has returned. On few cores that multiplies the time of whoever is next,
which nobody sees who uses one library. So every other turn goes backwards, and with ``settle`` each side starts when
the threads of the one before have gone to sleep. The processor has rested by then as well: its clock is low, its caches
hold something else. What is done in a few milliseconds takes twice as long at first, so it is called for a while before
its time is taken; the time of the first call is kept, too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from facematch.errors import InvalidArgument

__all__ = ["Timings", "interleaved", "median_ratio", "timed"]

_MOST: Final = 50
"""Turns of quick sides are at most this many times the turns asked for."""
_WARM: Final = 20
"""Quick sides are called at most so often in a turn before their time is taken."""
_TIMED: Final = 5
"""Times in a turn of a quick side, whose median counts."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Times of several sides.

    Attributes:
        seconds: By side, one number a turn.
        rested: The same of the first call in each turn.
    """

    seconds: Mapping[str, tuple[float, ...]]
    rested: Mapping[str, tuple[float, ...]]

    @property
    def turns(self) -> int:
        """Number of turns."""
        return len(next(iter(self.seconds.values())))

    def median_ms(self, side: str) -> float:
        """Median time of a side in milliseconds."""
        return 1000 * statistics.median(self.seconds[side])

    def median_ms_rested(self, side: str) -> float:
        """Median time of the first call of a side in a turn, in milliseconds."""
        return 1000 * statistics.median(self.rested[side])

    def ratio(self, numerator: str, denominator: str) -> float:
        """How many times longer ``numerator`` takes than ``denominator``: the median over the turns."""
        pairs = zip(self.seconds[numerator], self.seconds[denominator], strict=True)
        return statistics.median(first / second for first, second in pairs)


def interleaved(
    sides: Mapping[str, Callable[[int], object]],
    rounds: int,
    *,
    least_seconds: float = 0.0,
    settle: float = 0.0,
    on_turn: Callable[[], None] | None = None,
) -> Timings:
    """Time several sides turn by turn, after one turn to warm up that does not count.

    Args:
        sides: What to time by name; each is called with the number of the turn, -1 first.
        rounds: Turns wanted, at least 1.
        least_seconds: Go on until so much time is spent, for at most fifty times the turns wanted.
        settle: Seconds to wait before each side. Calls that take less are made for as long again, at most so many
            times, and timed then: the median of a few counts.
        on_turn: Called after each turn.

    Raises:
        InvalidArgument: There is no side, or ``rounds`` is below 1.
    """
    if not sides or rounds < 1:
        raise InvalidArgument(f"{len(sides)} sides and {rounds} rounds", hint="time one side or more, once or more")
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    rested: dict[str, list[float]] = {name: [] for name in sides}
    quick: set[str] = set()
    order = list(sides.items())
    turn, began = -1, time.perf_counter()
    while turn < rounds or (turn < _MOST * rounds and time.perf_counter() - began < least_seconds):
        for name, call in order:
            if settle:
                time.sleep(settle)
            first = taken = timed(partial(call, turn))
            if name in quick:
                taken = _warm(call, turn, settle - first)
            if turn >= 0:
                rested[name].append(first)
                seconds[name].append(taken)
            elif taken < settle:
                quick.add(name)
        turn += 1
        order.reverse()
        if on_turn is not None:
            on_turn()
    return Timings(*({name: tuple(times) for name, times in all_.items()} for all_ in (seconds, rested)))


def _warm(call: Callable[[int], object], turn: int, seconds: float) -> float:
    """Time of a call when the machine has come up to speed."""
    calls, until = 1, time.perf_counter() + seconds
    while calls < _WARM and time.perf_counter() < until:
        call(turn + calls)
        calls += 1
    return statistics.median(timed(partial(call, turn + calls + number)) for number in range(_TIMED))


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def median_ratio(theirs: Callable[[], object], ours: Callable[[], object], rounds: int = 15) -> float:
    """How many times longer ``theirs`` takes than ``ours``: the median over interleaved turns, after one warm-up."""
    timings = interleaved({"theirs": lambda _: theirs(), "ours": lambda _: ours()}, rounds)
    return timings.ratio("theirs", "ours")
