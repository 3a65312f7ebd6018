from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from facematch.errors import InvalidArgument
from facematch.governance import from_microseconds, to_microseconds, to_utc, utc_now


def test_now_is_in_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)


def test_another_timezone_becomes_the_same_moment_in_utc() -> None:
    moment = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert to_utc(moment, "x") == datetime(2026, 5, 1, 6, 30, tzinfo=UTC)
    assert to_utc(moment, "x").tzinfo is UTC


@pytest.mark.parametrize("value", [datetime(2026, 5, 1), "2026-05-01", None, 5])  # noqa: DTZ001 - naive on purpose
def test_what_has_no_timezone_or_is_no_moment_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgument, match="start") as caught:
        to_utc(value, "start")
    assert caught.value.hint


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_microseconds_keep_every_moment_exactly(moment: datetime) -> None:
    assert from_microseconds(to_microseconds(moment)) == moment


@pytest.mark.parametrize("value", [10**18, -(10**18), 10**30])
def test_microseconds_out_of_range_are_refused(value: int) -> None:
    with pytest.raises(InvalidArgument):
        from_microseconds(value)
