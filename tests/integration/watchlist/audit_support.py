"""A log in a real database, with ways to tamper with it."""

from __future__ import annotations

import shutil
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from facematch.governance import AuditAction, AuditOutcome, AuditRecord
from facematch.governance.keys.signing import SigningKey
from facematch.storage.audit_log import AuditLog, TableAuditWriter, prune
from facematch.storage.audit_log.prove import prove_consistency
from facematch.storage.database import Database
from tests.unit.watchlist.support import AUTHORIZATION

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = SigningKey(bytes(range(32)))
STRANGER = SigningKey(bytes(32))


def record(number: int, **fields: Any) -> AuditRecord:
    """A search a minute."""
    values: dict[str, Any] = {"details": {"purpose": "site-access", "probes": number}, **fields}
    action = values.pop("action", AuditAction.IDENTIFY)
    return AuditRecord(START + timedelta(minutes=number), "ana", action, AuditOutcome.DONE, **values)


def copied(template: Path, path: Path) -> Log:
    """A copy of a log's file, so that it need not be filled anew."""
    shutil.copy(template, path)
    return Log(path)


@dataclass(frozen=True)
class PlainTransaction:
    """A write transaction without a session."""

    connection: Connection


@dataclass(frozen=True)
class PlainAccess:
    """Operations on a log without a watchlist around it: everything is permitted."""

    database: Database
    now: Callable[[], datetime]
    actor: str = "rita"

    @contextmanager
    def operation(self, action: AuditAction) -> Iterator[PlainAccess]:
        """Any operation."""
        yield self

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction."""
        with self.database.read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[PlainTransaction]:
        """A write transaction."""
        with self.database.write(AUTHORIZATION) as connection:
            yield PlainTransaction(connection)


class Log:
    """A log in a file."""

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path = path
        self.database = Database(f"sqlite:///{path}")
        weakref.finalize(self, self.database.close)
        self.now = START + timedelta(days=365)
        self.log = AuditLog(PlainAccess(self.database, lambda: self.now), KEY)
        self.fill(size)

    def fill(self, count: int, first: int = 0) -> range:
        """Append searches in one transaction."""
        with self.writer() as writer:
            return writer.append_many(record(first + number) for number in range(count))

    @contextmanager
    def writer(self, key: SigningKey = KEY) -> Iterator[TableAuditWriter]:
        """A writer in a transaction."""
        with self.database.write(AUTHORIZATION) as connection:
            yield TableAuditWriter(connection, key)

    def prune(self, minutes: int) -> int:
        """Prune the entries of the first minutes."""
        with self.database.write(AUTHORIZATION) as connection:
            writer = TableAuditWriter(connection, KEY)
            return prune(connection, writer, START + timedelta(minutes=minutes), now=self.now, actor="rita")

    def root_at(self, size: int) -> bytes:
        """The root over the first entries, proved to be what the signed log begins with."""
        with self.database.read() as connection:
            return prove_consistency(connection, size, public_key=KEY.public_key, origin=self.log.origin)[1]

    def sql(self, *statements: str) -> None:
        """Tamper as somebody can who may write the file: the triggers go first."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            triggers = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
            for (name,) in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)

    def value(self, query: str) -> Any:
        """One value of the database."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query).fetchone()[0]

    def places(self, checkpoint: str | None = None) -> set[str]:
        """Where a verification finds something."""
        return {finding.place for finding in self.log.verify(checkpoint).findings}

    def findings(self, checkpoint: str | None = None) -> set[str]:
        """What a verification finds, in words."""
        return {str(finding) for finding in self.log.verify(checkpoint).findings}
