from __future__ import annotations

from facematch.governance.reports import Tally, tallies


def test_tallies_are_ordered_and_gaps_come_last() -> None:
    assert tallies({"b": 1, None: 9, "a": 1, "c": 2}) == (Tally("c", 2), Tally("a", 1), Tally("b", 1), Tally(None, 9))
