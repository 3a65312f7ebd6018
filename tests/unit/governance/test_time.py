from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from facematch.errors import InvalidArgument
from facematch.governance import from_microseconds, to_microseconds, to_utc, utc_now
from facematch.governance.time import parse_duration


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


@pytest.mark.parametrize("text", ["\u0663d", "d", "1.5d", "-1d", "1y", ""])
def test_a_duration_is_plain_digits_and_a_unit(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "duration"), [("36h", timedelta(hours=36)), (" 365d ", timedelta(days=365)), ("52w", timedelta(weeks=52))]
)
def test_a_duration_is_a_number_of_hours_days_or_weeks(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration
