"""Statements and helpers that every table module needs: the generation, keys of inserted rows, long lists of keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from facematch.errors import DatabaseCorrupt

__all__ = ["generation_of", "in_parts", "new_key"]

_PART = 500


def generation_of(connection: Connection) -> int:
    """The generation that a transaction sees: how often the database has changed in a way that a search could notice.

    Raises:
        DatabaseCorrupt: It is no number.
    """
    generation = connection.exec_driver_sql("SELECT generation FROM meta").scalar_one()  # asked for at every step
    if not isinstance(generation, int):
        raise DatabaseCorrupt("the generation of the database is damaged", hint="restore the database from a backup")
    return generation


def in_parts(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    """Keys in parts that one statement can name."""
    for start in range(0, len(keys), _PART):
        yield keys[start : start + _PART]


def new_key(primary_key: Sequence[object] | None) -> int:
    """The integer key of a row just inserted."""
    assert primary_key is not None
    key = primary_key[0]
    assert isinstance(key, int)
    return key
