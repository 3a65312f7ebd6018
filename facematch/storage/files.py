"""Files of a watchlist, handled without ever opening one that SQLite may hold.

A process that closes any descriptor of a file loses all its POSIX locks on that file, SQLite's among them; another
process may then delete the write-ahead log under it. So a database file is created under another name and linked into
its place, looked at by ``stat`` or through SQLite, and read byte by byte only in a child process.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from facematch.errors import DatabaseUnavailable
from facematch.storage.errors import database_errors

__all__ = ["copy_database", "create_private", "files_holding", "kind_of"]

_SCAN = """
import json, mmap, sys
asked = json.load(sys.stdin)
needles = [bytes.fromhex(value) for value in asked["needles"]]
answer = {}
for name in asked["paths"]:
    try:
        with open(name, "rb") as stream:
            if stream.seek(0, 2) == 0:
                answer[name] = False
                continue
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                answer[name] = any(content.find(needle) >= 0 for needle in needles)
    except OSError as error:
        answer[name] = error.strerror or str(error)
json.dump(answer, sys.stdout)
"""
_COPY = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"


def create_private(path: Path) -> None:
    """Create an empty file that only its owner may read, if there is none.

    Raises:
        OSError: It cannot be created.
    """
    if path.exists():
        return
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        path.hardlink_to(new)  # never replaces what is there
    except FileExistsError:
        pass  # another thread or process was quicker
    except OSError:  # a file system without hard links
        if not path.exists():
            new.rename(path)
    finally:
        new.unlink(missing_ok=True)


def kind_of(path: Path) -> str | None:
    """``None`` for a regular file, else what it is, in words.

    Raises:
        OSError: It cannot be looked at.
    """
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return None
    return "a folder" if stat.S_ISDIR(mode) else "not a regular file"


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database as one moment has it, whatever else holds it open.

    Args:
        source: The database.
        target: An empty file.

    Raises:
        DatabaseCorrupt: It is no database, or damaged.
        DatabaseUnavailable: It cannot be read.
        OSError: It cannot be copied.
    """
    with database_errors(f"the file {str(source)!r}"):
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
    except sqlite3.OperationalError as error:  # a folder that cannot be written to: SQLite has no place for its log
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            raise
        if source.with_name(source.name + "-wal").exists():
            raise
        _child(_COPY, [str(source), str(target)], "")


def files_holding(paths: Sequence[Path], needles: Iterable[bytes]) -> list[Path]:
    """The files in which one of the byte strings is found, read in a child process.

    Raises:
        DatabaseUnavailable: A file cannot be read, or no child process can be started.
    """
    names = [str(path.absolute()) for path in paths]
    asked = {"paths": names, "needles": [needle.hex() for needle in needles]}
    try:
        answer = json.loads(_child(_SCAN, [], json.dumps(asked)))
    except (OSError, ValueError) as error:
        raise DatabaseUnavailable(f"the files cannot be scanned: {error}", hint="check the machine's memory") from error
    for path, name in zip(paths, names, strict=True):
        if isinstance(answer[name], str):
            raise DatabaseUnavailable(f"{path.name!r} cannot be scanned: {answer[name]}", hint="check the path")
    return [path for path, name in zip(paths, names, strict=True) if answer[name]]


def _child(script: str, arguments: Sequence[str], given: str) -> str:
    """What a Python process of its own prints; its opening and closing of files releases no lock of this one."""
    command = [sys.executable, "-I", "-S", "-c", script, *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.strip().rsplit("\n", maxsplit=1)[-1] or f"exit status {done.returncode}")
    return done.stdout
