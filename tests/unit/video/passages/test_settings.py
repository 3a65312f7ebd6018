from __future__ import annotations

from typing import Any

import pytest

from facematch.errors import InvalidArgument
from facematch.video.passages.settings import PassageSettings, check_count


@pytest.mark.parametrize("name", ["min_frames", "every", "shots"])
@pytest.mark.parametrize("bad", [0, -1, 1.0, True, "3", None])
def test_counts_are_whole_numbers_from_one(name: str, bad: Any) -> None:
    with pytest.raises(InvalidArgument, match=name) as caught:
        PassageSettings(**{name: bad})
    assert caught.value.hint == "leave it out for the default"


@pytest.mark.parametrize("bad", [-1e-9, float("nan"), float("inf"), True, "1", None])
def test_seconds_are_a_finite_number_from_zero(bad: Any) -> None:
    with pytest.raises(InvalidArgument, match="min_seconds"):
        PassageSettings(min_seconds=bad)


def test_what_is_in_range_is_taken() -> None:
    settings = PassageSettings(min_frames=1, min_seconds=2, every=5, shots=1)
    assert (settings.min_frames, settings.min_seconds, settings.every, settings.shots) == (1, 2, 5, 1)
    check_count("batch", 1)
