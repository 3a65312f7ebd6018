"""Results as plain data, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from enum import Enum
from typing import Any, cast

__all__ = ["PlainResult", "to_plain"]

_DIGITS = 6
"""Decimals of scores and other fractions."""


class PlainResult:
    """A result that can be given as plain data; base of frozen dataclasses."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, ready for JSON: times in ISO 8601, sets sorted, fractions to six decimals."""
        return {field.name: to_plain(getattr(self, field.name)) for field in fields(cast("Any", self))}


def to_plain(value: Any) -> Any:
    """A value as plain data.

    Raises:
        TypeError: It is of a type that no result holds.
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): to_plain(item) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(to_plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if hasattr(value, "to_dict"):
        return value.to_dict()
    raise TypeError(f"{type(value).__name__} is no plain data")
