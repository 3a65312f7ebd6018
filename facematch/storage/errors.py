"""The one place where errors of SQLite and SQLAlchemy become errors of facematch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound, SQLAlchemyError

from facematch.errors import DatabaseCorrupt, DatabaseUnavailable, WatchlistError

__all__ = ["as_facematch_error", "database_errors"]

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_UNREACHABLE = frozenset(
    {
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
_RESTORE = "restore it from a backup; facematch never repairs a database by guessing"


def as_facematch_error(error: sqlite3.Error, database: str) -> WatchlistError:
    """The error that a user should see for an error of SQLite.

    Args:
        error: What SQLite said.
        database: The database, in words, for the message.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if code in _LOCKED:
        return DatabaseUnavailable(
            f"{database} stayed locked by another process for too long ({name})",
            hint="try again; if it stays so, look for a process that holds it open",
        )
    if code == sqlite3.SQLITE_FULL:
        return DatabaseUnavailable(
            f"{database} cannot grow: disk full ({name})", hint="free some space and try again; nothing was changed"
        )
    if code in _UNREACHABLE:
        return DatabaseUnavailable(
            f"{database} cannot be read or written: {error} ({name})",
            hint="check the path, the permissions of the file and its folder, and the disk",
        )
    return DatabaseCorrupt(f"{database} is damaged or has been tampered with: {error} ({name})", hint=_RESTORE)


@contextmanager
def database_errors(database: str) -> Iterator[None]:
    """Turn errors of SQLite and SQLAlchemy that leave the block into ours.

    Raises:
        DatabaseUnavailable: Locked for too long, disk full, not readable or not writable.
        DatabaseCorrupt: Damaged, or its content breaks its own rules.
        WatchlistError: Anything else below.
    """
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise as_facematch_error(error.orig, database) from error
        raise WatchlistError(f"{database}: {error}", hint=_RESTORE) from error
    except sqlite3.Error as error:
        raise as_facematch_error(error, database) from error
    except UnicodeDecodeError as error:  # a damaged page can put anything into a text, also into SQLite's own messages
        raise DatabaseCorrupt(f"{database} is damaged: a text in it is no UTF-8", hint=_RESTORE) from error
    except (NoResultFound, MultipleResultsFound) as error:
        raise DatabaseCorrupt(f"{database} is damaged: a row is missing or doubled", hint=_RESTORE) from error
    except SQLAlchemyError as error:
        raise WatchlistError(f"{database}: {error}", hint="close the watchlist and open it again") from error
