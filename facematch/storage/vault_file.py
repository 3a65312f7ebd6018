"""The vault's file: an SQLite database of its own, with a connection in each process that uses it."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from facematch.errors import DatabaseUnavailable, KeyUnavailable, VaultCorrupt, WatchlistError
from facematch.storage.errors import as_facematch_error
from facematch.storage.files import create_private
from facematch.storage.forks import require_own, transaction, watch

__all__ = ["FORMAT", "RESTORE", "VaultFile", "require_unused", "vault_path"]

FORMAT = 1
RESTORE = "put the vault file of this watchlist back; without it nothing can be read"

_APPLICATION_ID = 0x464D5631  # FMV1
_BUSY_S = 15.0

_SCHEMA = """
CREATE TABLE vault (
    id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, watchlist_id TEXT NOT NULL,
    provider_key TEXT NOT NULL, wrapped BLOB NOT NULL, high_water INTEGER NOT NULL
);
CREATE TABLE keys (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL, generation INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tombstones (
    kind TEXT NOT NULL, ref TEXT NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (kind, ref)
) WITHOUT ROWID;
"""


def vault_path(database: Path | None) -> Path | None:
    """Where the vault of a database lies: beside it, with ``.vault`` at its name's end; ``None`` for memory."""
    return None if database is None else database.with_name(f"{database.name}.vault")


class VaultFile:
    """Transactions on the file of a vault, or on one in memory; threads take turns.

    Args:
        path: The file; ``None`` for memory.

    Raises:
        VaultCorrupt: The file is damaged.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.name = _name_of(path)
        self._lock = threading.RLock()
        self._closed = False
        with transaction():
            self._connection: sqlite3.Connection | None = _connect(path)
        watch(self)

    @classmethod
    def create(cls, path: Path | None, watchlist_id: str, provider_key: str, wrapped: bytes) -> VaultFile:
        """A new file; one that holds no subject's key yet, left by a set-up that was cut off, is replaced.

        Args:
            path: The file; ``None`` for memory.
            watchlist_id: The watchlist that the vault belongs to.
            provider_key: Name of the provider's key.
            wrapped: The vault key, wrapped by the provider.

        Raises:
            VaultCorrupt: There is one already, and it holds keys.
        """
        require_unused(path)
        if path is not None:
            path.unlink(missing_ok=True)
            create_private(path)
        file = cls(path)
        try:
            with file.errors(), file._own() as connection:
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
                connection.execute(
                    "INSERT INTO vault VALUES (1, ?, ?, ?, ?, 0)", (FORMAT, watchlist_id, provider_key, wrapped)
                )
                connection.execute("COMMIT")
        except BaseException:
            file.close()
            raise
        return file

    @classmethod
    def open(cls, path: Path) -> VaultFile:
        """The file of a vault that is there.

        Raises:
            KeyUnavailable: It is missing or cannot be read.
            VaultCorrupt: It is damaged, or no vault.
        """
        name = _name_of(path)
        try:
            if path.stat().st_size == 0:
                raise VaultCorrupt(f"{name} is empty, damaged or no vault", hint=RESTORE)
            if not os.access(path, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except FileNotFoundError as error:
            raise KeyUnavailable(f"{name} is missing", hint=RESTORE) from error
        except OSError as error:
            raise KeyUnavailable(f"{name} cannot be read: {error.strerror}", hint="check its permissions") from error
        file = cls(path)
        try:
            with file.errors(), file._own() as connection:
                finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                application = connection.execute("PRAGMA application_id").fetchone()[0]
            if finding != "ok" or application != _APPLICATION_ID:
                raise VaultCorrupt(f"{name} is damaged or no vault: {finding}", hint=RESTORE)
        except BaseException:
            file.close()
            raise
        return file

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One moment of the file: a key and what it is locked under belong together, also while others rotate."""
        with self.errors(), self._own() as connection:
            nested = connection.in_transaction
            if not nested:
                connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if not nested and connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: it happens as a whole or not at all."""
        with self.errors(), self._own() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def backup_to(self, path: Path) -> None:
        """Write a copy as one moment has it, replacing the file at ``path``.

        Raises:
            KeyUnavailable: It cannot be written.
        """
        temporary = path.with_name(f".{path.name}.part")
        try:
            temporary.unlink(missing_ok=True)
            create_private(temporary)
            with self.errors(), self._own() as connection, closing(sqlite3.connect(temporary)) as target:
                connection.backup(target)
            temporary.replace(path)
        except OSError as error:
            raise KeyUnavailable(
                f"the copy of the vault cannot be written: {error.strerror or error}", hint="check the path"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """SQLite's errors as facematch's own."""
        with _as_ours(self.name):
            yield

    def close(self) -> None:
        """Close the file; may be called again."""
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def before_fork(self) -> None:
        """Close the connection to a file; parent and child open their own when they next need one."""
        if self.path is not None and self._connection is not None:
            self._connection.close()
            self._connection = None

    def after_fork_in_child(self, *, threads: bool) -> None:  # noqa: ARG002 - transactions are never half done
        """Replace the lock."""
        self._lock = threading.RLock()

    @contextmanager
    def _own(self) -> Iterator[sqlite3.Connection]:
        """This process's connection, for one thread at a time."""
        require_own()
        with transaction(), self._lock:
            if self._connection is None:
                if self._closed:
                    raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
                self._connection = _connect(self.path)
            yield self._connection


def require_unused(path: Path | None) -> None:
    """Refuse to begin a new watchlist beside a vault that is in use.

    Raises:
        VaultCorrupt: There is a vault already, and it holds keys.
    """
    if path is not None and path.exists() and _holds_subjects(path):
        raise VaultCorrupt(
            f"the vault {str(path)!r} holds keys, but the database beside it is new",
            hint="put the database back from a backup, or move the vault away to begin a new watchlist",
        )


def _name_of(path: Path | None) -> str:
    return "the vault in memory" if path is None else f"the vault {str(path)!r}"


def _connect(path: Path | None) -> sqlite3.Connection:
    target = ":memory:" if path is None else str(path)
    connection = sqlite3.connect(target, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        with _as_ours(_name_of(path)):
            for pragma in ("secure_delete = ON", "synchronous = EXTRA", "journal_mode = DELETE"):
                connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _holds_subjects(path: Path) -> bool:
    """Whether there is anything to lose in a vault whose database is new."""
    if path.stat().st_size == 0:
        return False
    with _as_ours(_name_of(path)), closing(sqlite3.connect(path, timeout=_BUSY_S)) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'keys'").fetchone()[0]
        if not tables:
            return False
        found = connection.execute("SELECT count(*) FROM keys WHERE name LIKE 'subject:%'").fetchone()[0]
        ended = connection.execute("SELECT count(*) FROM tombstones").fetchone()[0]
    return bool(found + ended)


@contextmanager
def _as_ours(name: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise VaultCorrupt(f"{name} is damaged: a text in it is no UTF-8", hint=RESTORE) from error
    except sqlite3.Error as error:
        ours: WatchlistError = as_facematch_error(error, name)
        if isinstance(ours, DatabaseUnavailable):
            raise ours from error
        raise VaultCorrupt(f"{name} is damaged: {error}", hint=RESTORE) from error
