"""The audit log that ships today: an append-only table in the watchlist's own database."""

from __future__ import annotations

import json

import rfc8785
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import DBAPIError

from facematch.errors import AuditError, DatabaseCorrupt, FacematchError, InvalidArgument
from facematch.governance import AuditEntry, AuditRecord, from_microseconds, to_microseconds
from facematch.watchlist.database import Database
from facematch.watchlist.schema import audit

__all__ = ["TableAuditLog", "TableAuditWriter"]


class TableAuditWriter:
    """Appends entries inside one transaction; see :class:`facematch.governance.AuditWriter`.

    Args:
        connection: A connection in a write transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def append(self, record: AuditRecord) -> int:
        """Append one entry and return its ``seq``.

        Raises:
            AuditError: It could not be written.
        """
        try:
            details = rfc8785.dumps(dict(record.details)).decode()
            result = self._connection.execute(
                insert(audit).values(
                    time=to_microseconds(record.time),
                    actor=record.actor,
                    action=record.action.value,
                    outcome=record.outcome.value,
                    subject_ref=record.subject_ref,
                    details=details,
                )
            )
        except (DBAPIError, rfc8785.CanonicalizationError) as error:
            raise AuditError(
                f"the audit entry of {record.action.value!r} could not be written, so nothing was done: "
                f"{error.orig if isinstance(error, DBAPIError) else error}",
                hint="check the disk and the database file; the operation may be repeated",
            ) from error
        key = result.inserted_primary_key
        assert key is not None
        return int(key[0])


class TableAuditLog:
    """Reads the audit table. It cannot be verified: whoever can write the file can rewrite it.

    Args:
        database: The watchlist's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def __len__(self) -> int:
        """Number of entries."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(audit)).scalar_one())

    def entries(self, *, limit: int | None = None) -> list[AuditEntry]:
        """The entries in order; with ``limit``, the latest ``limit`` of them, still in order.

        Args:
            limit: How many at most, not negative.

        Raises:
            InvalidArgument: The limit is negative .
        """
        if limit is not None and limit < 0:
            raise InvalidArgument(f"limit must be at least 0, got {limit!r}", hint="leave it out")
        query = select(audit).order_by(audit.c.seq.desc())
        with self._database.read() as connection:
            rows = connection.execute(query if limit is None else query.limit(limit)).all()
        try:
            return [
                AuditEntry(
                    seq=row.seq,
                    time=from_microseconds(row.time),
                    actor=row.actor,
                    action=row.action,
                    outcome=row.outcome,
                    subject_ref=row.subject_ref,
                    details=json.loads(row.details),
                )
                for row in reversed(rows)
            ]
        except (ValueError, TypeError, FacematchError) as error:
            raise DatabaseCorrupt("an audit entry in the database is damaged", hint="restore a backup") from error
