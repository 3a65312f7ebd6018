"""Opening a watchlist database, its transactions, and what makes erased bytes really go.

SQLite runs in WAL mode with ``secure_delete`` and full synchronization. Write transactions begin with
``BEGIN IMMEDIATE``, so what they read cannot change before they commit. A new file is created readable by its owner
only.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, create_mock_engine, event, insert, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool, StaticPool

from facematch.errors import DatabaseCorrupt, DatabaseTooNew, DatabaseUnavailable, DatabaseUnsupported, WatchlistClosed
from facematch.governance import AuditAction, to_microseconds, utc_now
from facematch.storage.append_only import triggers
from facematch.storage.change_log import watch_changes
from facematch.storage.errors import database_errors
from facematch.storage.files import create_private, kind_of
from facematch.storage.forks import transaction, watch
from facematch.storage.schema import APPLICATION_ID, HEAD, REVISIONS, alembic_version, meta, metadata

__all__ = ["BUSY_TIMEOUT_S", "Authorization", "Database"]

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 15.0
"""How long a transaction waits for another process before it is given up."""

_SHORT_WAIT_S = 0.2
_SMALLEST = 512
"""Bytes of the smallest page, and so of the smallest file, that SQLite writes."""
_RESTORE = "restore it from a backup, or name another file to begin a new watchlist"


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a write transaction is opened with: the actor and the action that a role, or maintenance, permits.

    Attributes:
        actor: The actor.
        action: What is done.
    """

    actor: str
    action: AuditAction


_SCHEMA = Authorization("facematch", AuditAction.CREATE_WATCHLIST)


class Database:
    """A watchlist database: one file or one in-memory database, shared by the threads of a process.

    Args:
        url: ``sqlite:///relative/path.db``, ``sqlite:////absolute/path.db``, or ``sqlite://`` for one in memory.
        busy_timeout_s: How long to wait for a lock, in seconds.

    Raises:
        DatabaseUnsupported: The URL is of another kind.
        DatabaseUnavailable: It cannot be opened or created, or stays locked.
        DatabaseCorrupt: The file is no facematch database, or is damaged.
        DatabaseTooNew: A later version of facematch wrote it.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._path = _path_of(url)
        self._busy_timeout_s = busy_timeout_s
        self.name = "the watchlist in memory" if self._path is None else f"the watchlist {str(self._path)!r}"
        self._lock = threading.RLock()
        self._closed = False
        self._inherited = False
        self._engine: Engine | None = None
        with database_errors(self.name):
            if self._path is not None:
                with transaction():
                    _prepare_file(self._path, self.name)
                    _probe(self._path, self.name, busy_timeout_s)
            watch(self)
            try:
                self._migrate()
                self.scrub(required=False)
            except BaseException:
                self.close()
                raise

    @property
    def path(self) -> Path | None:
        """The file, or ``None`` for a database in memory."""
        return self._path

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._closed

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: everything read in it belongs to one moment, and SQLite refuses to write in it."""
        self._require_open()
        guard = self._lock if self._path is None else nullcontext()
        with transaction(), database_errors(self.name), guard, self._pool().connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, authorization: Authorization) -> Iterator[Connection]:
        """A write transaction: no other writes from its first statement to its commit; any error undoes it all.

        Args:
            authorization: Under whose call it is opened.
        """
        assert isinstance(authorization, Authorization)
        self._require_open()
        with transaction(), database_errors(self.name), self._lock, self._pool().connect() as connection:
            writing = connection.execution_options(facematch_write=True)
            with writing.begin():
                yield writing

    def scrub(self, *, required: bool) -> None:
        """Finish an erasure: rebuild the file and empty the write-ahead log, so that no old page keeps erased bytes.

        Does nothing when no erasure is unfinished.

        Args:
            required: Raise when another process keeps the log from being emptied; otherwise leave it for next time.

        Raises:
            DatabaseUnavailable: It could not be done in time. The rows are gone; their bytes may linger in the files
                until a later ``open`` or ``erase`` finishes the work.
        """
        with transaction(), database_errors(self.name), self._lock, closing(self._pool().raw_connection()) as pooled:
            connection = pooled.cursor()  # no transaction: VACUUM and checkpoints refuse to run in one
            wait = self._busy_timeout_s if required else _SHORT_WAIT_S
            try:
                connection.execute("PRAGMA query_only = 0")
                connection.execute(f"PRAGMA busy_timeout = {round(wait * 1000)}")
                row = connection.execute("SELECT scrub_pending FROM meta").fetchone()
                if row is None:
                    raise DatabaseCorrupt(f"{self.name} has lost its table of contents", hint=_RESTORE)
                if row[0] == 0:
                    return
                with database_errors(self.name):
                    _truncate_log(connection, wait)
                    connection.execute("VACUUM")
                    # the value is the erasure's generation: a later erasure elsewhere is not taken for this one
                    connection.execute("UPDATE meta SET scrub_pending = 0 WHERE scrub_pending = ?", (row[0],))
                    _truncate_log(connection, wait)
            except DatabaseUnavailable as error:
                if not required:
                    return
                raise DatabaseUnavailable(
                    f"the rows are erased, but {self.name} could not be rebuilt: {error.message}",
                    hint="their bytes may linger in the files; the next open or erase finishes the work",
                ) from error
            finally:
                connection.execute(f"PRAGMA busy_timeout = {round(self._busy_timeout_s * 1000)}")
                connection.close()

    def copy_to(self, path: Path) -> None:
        """Write a copy of the database as one moment has it, to a file readable by its owner only.

        Raises:
            DatabaseUnavailable: It cannot be written.
        """
        with (
            transaction(),
            database_errors(self.name),
            closing(self._pool().raw_connection()) as pooled,
            closing(sqlite3.connect(path)) as target,
        ):
            source: Any = pooled.driver_connection
            source.backup(target)

    def close(self) -> None:
        """Close all connections; may be called again."""
        with self._lock:
            self._closed = True
            engine, self._engine = self._engine, None
            if engine is not None:
                engine.dispose()

    def before_fork(self) -> None:
        """Close all connections to a file; parent and child open their own when they next need one."""
        if self._path is not None and self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def after_fork_in_child(self, *, threads: bool) -> None:  # noqa: ARG002 - transactions are never half done
        """Replace the lock; a database in memory stays the parent's."""
        self._lock = threading.RLock()
        self._inherited = self._path is None

    def _pool(self) -> Engine:
        """The connections of this process.

        Raises:
            DatabaseUnavailable: The database is in the memory of the process that this one was forked from.
        """
        if self._inherited:
            raise DatabaseUnavailable(
                "a watchlist in memory belongs to the process that opened it",
                hint="open it from a file, or open another one in each process",
            )
        with self._lock:
            self._require_open()
            if self._engine is None:
                self._engine = self._create_engine()
            return self._engine

    def _require_open(self) -> None:
        if self._closed:
            raise WatchlistClosed("the watchlist is closed", hint="open it again with Watchlist.open()")

    def _create_engine(self) -> Engine:
        if self._path is None:
            engine = create_engine(
                "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}, hide_parameters=True
            )
        else:
            engine = create_engine(
                "sqlite+pysqlite://",
                creator=lambda: _connect(str(self._path), self._busy_timeout_s),
                poolclass=QueuePool,
                pool_size=4,
                max_overflow=-1,
                hide_parameters=True,
            )
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
        return engine

    def _migrate(self) -> None:
        with self.read() as connection:
            if _version(connection, self.name) == HEAD:
                return
        with self.write(_SCHEMA) as connection:
            version = _version(connection, self.name)  # another process may have been quicker
            if version is None:
                _create_tables(connection)
            elif version != HEAD:
                from facematch.storage import migrations  # Alembic takes a while to import

                migrations.upgrade(connection)
            logger.info("tables created or upgraded", extra={"database": self.name, "before": version})


@cache
def _creation() -> tuple[str, ...]:
    """The statements that create all tables, indexes and triggers; compiled once a process."""
    statements: list[str] = []
    engine: Any = create_mock_engine("sqlite://", lambda sql, *_, **__: statements.append(str(sql.compile(engine))))
    metadata.create_all(engine, checkfirst=False)
    return (*statements, *triggers())


def _create_tables(connection: Connection) -> None:
    for statement in _creation():
        connection.exec_driver_sql(statement)
    connection.execute(insert(alembic_version).values(version_num=HEAD))
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    first = {"id": 1, "generation": 0, "rotation": 1, "next_template": 1, "scrub_pending": 0}
    connection.execute(insert(meta).values(**first, created_at=to_microseconds(utc_now())))


def _path_of(url: str) -> Path | None:
    hint = "use sqlite:///path/to/file.db, or sqlite:// for a watchlist in memory"
    try:
        parsed = make_url(url)
        shown = parsed.render_as_string(hide_password=True)
    except (ArgumentError, ValueError, AttributeError, TypeError) as error:  # also of a path that is no UTF-8
        raise DatabaseUnsupported(f"not a database URL: {url!r}", hint=hint) from error
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise DatabaseUnsupported(f"databases of the kind {parsed.drivername!r} are not supported: {shown}", hint=hint)
    name = parsed.database
    if parsed.query or parsed.host or parsed.username or (name or "").startswith("file:"):
        raise DatabaseUnsupported(f"the URL has parts that are not supported: {shown}", hint=hint)
    if not name or name == ":memory:":
        return None
    try:
        return Path(os.path.abspath(name))  # noqa: PTH100 - a later chdir must not move it; links stay as given
    except (ValueError, OSError) as error:
        raise DatabaseUnavailable(f"not a usable path: {shown}", hint=hint) from error


def _prepare_file(path: Path, name: str) -> None:
    """Create the file if there is none, and refuse what SQLite should not even open."""
    try:
        create_private(path)
        kind = kind_of(path)
        if kind is not None:
            raise DatabaseUnavailable(f"{name} is {kind}", hint="name a file")
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if 0 < path.stat().st_size < _SMALLEST:
            raise DatabaseCorrupt(f"{name} is not a facematch database: it is no SQLite file", hint=_RESTORE)
    except FileNotFoundError as error:
        raise DatabaseUnavailable(
            f"the folder of {name} does not exist", hint=f"create it first: mkdir -p {path.parent}"
        ) from error
    except (OSError, ValueError) as error:
        raise DatabaseUnavailable(
            f"{name} cannot be opened: {getattr(error, 'strerror', None) or error}",
            hint="check the path and the permissions of the file and its folder",
        ) from error


def _connect(path: str, busy_timeout_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)


def _probe(path: Path, name: str, busy_timeout_s: float) -> None:
    """Refuse foreign and damaged files before anything in them is changed, then switch to the write-ahead log."""
    with closing(_connect(str(path), busy_timeout_s)) as connection:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application != APPLICATION_ID and (application != 0 or tables != 0):
            # a new database may have been finished between the two statements
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            if application != APPLICATION_ID:
                raise DatabaseCorrupt(
                    f"{name} is not a facematch database: it belongs to another application", hint=_RESTORE
                )
        if tables:
            finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if finding != "ok":
                raise DatabaseCorrupt(f"{name} is damaged: {finding}", hint=_RESTORE)
        _use_write_ahead_log(connection, busy_timeout_s)


def _use_write_ahead_log(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    """Switch the journal; SQLite does not wait for locks here by itself."""
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal":
                return
            raise DatabaseUnavailable(
                "the file system does not support SQLite's write-ahead log", hint="use a local disk"
            )
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _truncate_log(cursor: Any, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] != 0:
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(
                "another process is reading the write-ahead log", hint="close readers that stay open for long"
            )
        time.sleep(0.02)


def _set_up(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where _begin says so
    for pragma in ("foreign_keys = ON", "recursive_triggers = ON", "secure_delete = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("facematch_write", False)
    raw: Any = connection.connection.dbapi_connection
    raw.execute(f"PRAGMA query_only = {int(not write)}")
    if write:
        watch_changes(raw)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _version(connection: Connection, name: str) -> str | None:
    """Revision of the schema; ``None`` for a new database."""
    tables = set(connection.execute(text("SELECT name FROM sqlite_schema WHERE type = 'table'")).scalars())
    if not tables:
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if len(found) != 1:
        raise DatabaseCorrupt(f"{name} names no schema version", hint=_RESTORE)
    version = str(found[0])
    if version not in REVISIONS:
        raise DatabaseTooNew(
            f"{name} has the schema version {version!r}; this facematch knows up to {HEAD}",
            hint="use the version of facematch that wrote it, or a later one",
        )
    return version
