"""Which subjects each generation changed, so that a gallery in memory reads only those anew.

Temporary triggers of our own connections note the subjects whose rows change; they are not in the file, so nobody who
writes to it from outside can take them away. With each generation the keys are stored in ``changes``, one row a
generation, chained by keyed marks: a row that is missing, changed, or of another history is noticed, and then
everything is read.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from facematch.storage.encryption import SubjectCipher
from facematch.storage.schema import changes

__all__ = ["changed_since", "mark_of", "note_changes", "watch_changes"]

_KEPT = 1 << 16
"""Generations whose rows are kept."""
_MOST = 10_000
"""Subjects that a row names at most; a generation that changed more changed everything."""
_START = "the first generation"

_OWN = ("consents", "enrollments", "templates", "complaints")
_OF_CONSENT = ("consent_purposes", "consent_sites", "consent_zones")
_EVENTS = (("insert", "NEW"), ("update", "NEW"), ("delete", "OLD"))


def watch_changes(connection: Any) -> None:
    """Set up the temporary triggers of a ``sqlite3`` connection, outside a transaction; once is enough.

    Returns without doing anything where the tables are not there yet.
    """
    found = connection.execute("SELECT 1 FROM main.sqlite_schema WHERE name = 'changes'").fetchone()
    there = connection.execute("SELECT 1 FROM temp.sqlite_schema WHERE name = 'changed'").fetchone()
    if found is None or there is not None:
        return
    connection.execute("CREATE TEMP TABLE changed (subject INTEGER PRIMARY KEY)")
    keys = {"subjects": "{row}.id"} | dict.fromkeys(_OWN, "{row}.subject")
    keys |= dict.fromkeys(_OF_CONSENT, "(SELECT subject FROM main.consents WHERE id = {row}.consent)")
    for table, key in keys.items():
        for event, row in _EVENTS:
            subject = key.format(row=row)
            note = f"INSERT OR IGNORE INTO changed SELECT s FROM (SELECT {subject} AS s) WHERE s IS NOT NULL"  # noqa: S608
            connection.execute(
                f"CREATE TEMP TRIGGER changed_{table}_{event} AFTER {event} ON main.{table} BEGIN {note}; END"
            )


def note_changes(connection: Connection, cipher: SubjectCipher, generation: int) -> None:
    """Store which subjects the transaction has changed, as those of a new generation."""
    rows = connection.exec_driver_sql("SELECT subject FROM changed ORDER BY subject LIMIT ?", (_MOST + 1,))
    keys = [int(row[0]) for row in rows]
    connection.exec_driver_sql("DELETE FROM changed")
    named = None if len(keys) > _MOST else json.dumps(keys, separators=(",", ":"))
    before = mark_of(connection, generation - 1)
    nonce = secrets.token_hex(8)
    mark = _mark(cipher, before, generation, named, nonce)
    connection.execute(insert(changes).values(generation=generation, subjects=named, nonce=nonce, mark=mark))
    connection.execute(delete(changes).where(changes.c.generation <= generation - _KEPT))


def mark_of(connection: Connection, generation: int) -> str | None:
    """The mark of a generation, which names its whole history; ``None`` where it was not noted."""
    found = connection.execute(select(changes.c.mark).where(changes.c.generation == generation)).scalar()
    return None if found is None else str(found)


def changed_since(
    connection: Connection, cipher: SubjectCipher, generation: int, mark: str | None, until: int
) -> set[int] | None:
    """Keys of the subjects that generations after one changed; ``None`` where everything must be read.

    Args:
        connection: A transaction.
        cipher: Knows the key of the marks.
        generation: The generation that is known.
        mark: Its mark, when it was read.
        until: The present generation.
    """
    if mark is None or mark_of(connection, generation) != mark:
        return None
    found: set[int] = set()
    wanted = generation
    for row in connection.execute(
        select(changes).where(changes.c.generation > generation).order_by(changes.c.generation)
    ):
        wanted += 1
        right = _mark(cipher, mark, row.generation, row.subjects, row.nonce)
        if row.generation != wanted or row.subjects is None or row.mark != right:
            return None
        found.update(json.loads(row.subjects))
        mark = row.mark
    return found if wanted == until else None


def _mark(cipher: SubjectCipher, before: str | None, generation: int, named: str | None, nonce: str) -> str:
    return cipher.mark("changes", json.dumps([before or _START, generation, named, nonce]))
