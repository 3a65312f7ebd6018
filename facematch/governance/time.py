"""Moments, timezone-aware in UTC and stored as whole microseconds, and durations such as ``365d``.

A moment without a timezone is refused rather than guessed: an expiry that is off by a few hours is a search over
a person whose consent has ended.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from facematch.errors import InvalidArgument

__all__ = ["from_microseconds", "parse_duration", "to_microseconds", "to_utc", "utc_now"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}


def utc_now() -> datetime:
    """Present moment in UTC; the default clock."""
    return datetime.now(UTC)


def to_utc(moment: object, what: str) -> datetime:
    """Moment in UTC.

    Args:
        moment: A timezone-aware moment, in any timezone.
        what: Name of the value, for the message.

    Raises:
        InvalidArgument: It is no ``datetime``, or it has no timezone.
    """
    if not isinstance(moment, datetime):
        raise InvalidArgument(
            f"{what} must be a datetime, got {type(moment).__name__}", hint="pass datetime.now(timezone.utc)"
        )
    if moment.utcoffset() is None:
        raise InvalidArgument(
            f"{what} has no timezone: {moment.isoformat()}",
            hint="pass a timezone-aware datetime, for example datetime.now(timezone.utc)",
        )
    return moment.astimezone(UTC)


def to_microseconds(moment: datetime) -> int:
    """Whole microseconds from 1970-01-01T00:00:00Z to a timezone-aware moment."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The moment ``value`` microseconds after 1970-01-01T00:00:00Z, in UTC.

    Raises:
        InvalidArgument: The value lies outside the years 1 to 9999.
    """
    try:
        return _EPOCH + timedelta(microseconds=value)
    except OverflowError:
        raise InvalidArgument(
            f"{value} microseconds since 1970 is no date between the years 1 and 9999",
            hint="pass microseconds, not nanoseconds",
        ) from None


def parse_duration(text: str) -> timedelta:
    """Duration written as ``36h``, ``365d`` or ``52w``.

    Raises:
        InvalidArgument: It is none of these.
    """
    match = re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip())
    if match is None:
        raise InvalidArgument(f"a duration is a number with h, d or w, got {text!r}", hint="for example 365d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
