"""Time: always timezone-aware, always UTC, stored as whole microseconds.

A moment without a timezone is refused rather than guessed: an expiry that is off by a few hours is a search over
somebody whose consent has ended.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from facematch.errors import InvalidArgument

__all__ = ["from_microseconds", "to_microseconds", "to_utc", "utc_now"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def utc_now() -> datetime:
    """The present moment in UTC; the default clock."""
    return datetime.now(UTC)


def to_utc(moment: object, what: str) -> datetime:
    """The same moment in UTC.

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
