"""Durations as people write them: ``36h``, ``365d``, ``52w``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from facematch.errors import InvalidArgument

__all__ = ["parse_duration"]

_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """``36h``, ``365d`` or ``52w`` as a duration.

    Raises:
        InvalidArgument: It is none of these.
    """
    match = re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip())
    if match is None:
        raise InvalidArgument(f"a duration is a number with h, d or w, got {text!r}", hint="for example 365d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
