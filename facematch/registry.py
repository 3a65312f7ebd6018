"""Plug-ins: entry-point groups, and the one function that loads from them.

The built-in parts are declared in the same groups by facematch's own package metadata and load the same way.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from facematch.errors import InvalidArgument

__all__ = ["Group", "available", "load"]

Group = Literal[
    "facematch.detectors", "facematch.embedders", "facematch.indexes", "facematch.sinks", "facematch.sources"
]


@cache  # reading the metadata of all distributions takes 25 ms
def _entries(group: Group) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


def available(group: Group) -> tuple[str, ...]:
    """Names registered in a group, sorted."""
    return tuple(sorted(_entries(group)))


def load(group: Group, name: str) -> Any:
    """The object registered under ``name``.

    Raises:
        InvalidArgument: Nothing of that name is registered; the message lists what is.
    """
    entries = _entries(group)
    if name not in entries:
        raise InvalidArgument(
            f"nothing named {name!r} is registered in the group {group}",
            hint=f"registered: {', '.join(sorted(entries)) or 'nothing; is facematch installed?'}",
        )
    return entries[name].load()
