"""Keys that are given twice in a document: most parsers let them pass and keep one of the two."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["refuse_repeats"]


def refuse_repeats(keys: Iterable[object]) -> None:
    """Refuse a key that was there before.

    Raises:
        ValueError: One is given twice.
    """
    seen: list[object] = []
    for key in keys:
        if key in seen:
            raise ValueError(f"the key {key!r} is given twice")
        seen.append(key)
