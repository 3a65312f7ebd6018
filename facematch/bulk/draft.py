"""Draft of a long export, in a file of its own beside the target, so that it can be taken up again.

One SQLite file, private to its owner; each group of pictures is one transaction, so that a process that is killed, or a
disk that is full, costs the group at hand and no more. It is gone once the target is written.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from facematch.bulk.faces import FileFaces
from facematch.errors import InvalidArgument
from facematch.types import FloatArray

__all__ = ["Draft", "DraftRow", "FileState"]

_FORMAT: Final = "facematch-embeddings-draft-1"
_SCHEMA: Final = """
CREATE TABLE draft (format TEXT NOT NULL, analysis TEXT NOT NULL);
CREATE TABLE picture (
    name BLOB PRIMARY KEY, bytes INTEGER NOT NULL, modified INTEGER NOT NULL, height INTEGER NOT NULL,
    width INTEGER NOT NULL, faces INTEGER NOT NULL, numbers BLOB NOT NULL, code TEXT, message TEXT
) WITHOUT ROWID;
"""
_FACE: Final = 4 + 10 + 1  # box, landmarks, score


@dataclass(frozen=True, slots=True)
class FileState:
    """By what a file is taken for unchanged.

    Attributes:
        bytes: Its size.
        modified: When it was last written, in nanoseconds.
    """

    bytes: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """The state of a file; zeros for one that is gone."""
        try:
            found = path.stat()
        except OSError:
            return cls(0, 0)
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True, eq=False)
class DraftRow:
    """One picture as the draft keeps it.

    Attributes:
        name: The file's name relative to the folder; what no text can say is written in escapes.
        height: Height in pixels; 0 where it cannot be decoded.
        width: Width in pixels.
        numbers: ``(N, 15 + D)`` ``float32``: box, landmarks, detection score, embedding of each face.
        code: Code of the error where it cannot be decoded.
    """

    name: str
    height: int
    width: int
    numbers: FloatArray
    code: str | None


class Draft:
    """The unfinished export in a file; a context manager that closes it.

    Args:
        path: The file; made if it is not there.
        analysis: What the faces depend on. A draft of another analysis is refused.
        dimension: Length of the embeddings.

    Raises:
        InvalidArgument: The file is of another analysis, in use, damaged, or cannot be written.
    """

    def __init__(self, path: Path, analysis: str, dimension: int) -> None:
        self.path = path
        self._width = _FACE + dimension
        with self._as_ours():
            _make_private(path)
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            with self._as_ours():
                self._begin(analysis)
        except BaseException:
            self._db.close()
            raise

    def _begin(self, analysis: str) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("BEGIN EXCLUSIVE")
        if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute("INSERT INTO draft VALUES (?, ?)", (_FORMAT, analysis))
        found = self._db.execute("SELECT format, analysis FROM draft").fetchone()
        self._db.execute("COMMIT")
        if found != (_FORMAT, analysis):
            raise InvalidArgument(
                f"{self.path} was begun with other models, or with another setting of them",
                hint="finish it as it was begun, or delete it to begin anew",
            )

    def done(self) -> dict[bytes, FileState]:
        """The pictures that are done, by the bytes of their names."""
        with self._as_ours():
            rows = self._db.execute("SELECT name, bytes, modified FROM picture").fetchall()
        return {name: FileState(size, modified) for name, size, modified in rows}

    def keep(self, results: Iterable[tuple[bytes, FileState, FileFaces]]) -> None:
        """Keep pictures, all of them or none.

        Raises:
            InvalidArgument: They cannot be written; what was kept before stays.
        """
        rows = [
            (
                name,
                state.bytes,
                state.modified,
                found.height,
                found.width,
                len(found.faces),
                _numbers(found).tobytes(),
                None if found.error is None else found.error.code,
                None if found.error is None else found.error.message,
            )
            for name, state, found in results
        ]
        with self._as_ours():
            try:
                self._db.execute("BEGIN")
                self._db.executemany("INSERT OR REPLACE INTO picture VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def drop(self, names: Iterable[bytes]) -> None:
        """Forget pictures that are no longer wanted."""
        with self._as_ours():
            self._db.executemany("DELETE FROM picture WHERE name = ?", [(name,) for name in names])

    def without_face(self) -> int:
        """Number of pictures that were read and show no face."""
        with self._as_ours():
            query = "SELECT count(*) FROM picture WHERE faces = 0 AND code IS NULL"
            return int(self._db.execute(query).fetchone()[0])

    def errors(self) -> list[tuple[str, str, str]]:
        """File, code and message of every picture that cannot be read, by name."""
        with self._as_ours():
            query = "SELECT name, code, message FROM picture WHERE code IS NOT NULL ORDER BY name"
            return [(_shown(name), code, message) for name, code, message in self._db.execute(query)]

    def counts(self) -> tuple[int, int]:
        """Numbers of pictures and of faces that it holds."""
        with self._as_ours():
            pictures, faces = self._db.execute("SELECT count(*), coalesce(sum(faces), 0) FROM picture").fetchone()
        return int(pictures), int(faces)

    def rows(self) -> Iterator[DraftRow]:
        """All pictures, by name."""
        with self._as_ours():
            for name, height, width, numbers, code in self._db.execute(
                "SELECT name, height, width, numbers, code FROM picture ORDER BY name"
            ):
                if len(numbers) % (4 * self._width):
                    raise self._damaged("a picture has half a face")
                faces = np.frombuffer(numbers, dtype="<f4").astype(np.float32, copy=False).reshape(-1, self._width)
                yield DraftRow(_shown(name), height, width, faces, code)

    def close(self) -> None:
        """Close the file and keep it."""
        self._db.close()

    def remove(self) -> None:
        """Close the file and delete it."""
        self._db.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _damaged(self, why: str) -> InvalidArgument:
        return InvalidArgument(f"{self.path} is damaged or no unfinished export: {why}", hint="delete it to begin anew")

    @contextmanager
    def _as_ours(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise InvalidArgument(
                    f"{self.path} is being written by another process", hint="wait for it, or name another file"
                ) from error
            raise InvalidArgument(f"{self.path} cannot be written: {error}", hint="see to space and rights") from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error
        except OSError as error:
            raise InvalidArgument(
                f"{self.path} cannot be written: {error.strerror or error}", hint="name a file in another folder"
            ) from error


def _make_private(path: Path) -> None:
    """Make the file, or see to it that the one that is there belongs to this user and is readable by this user only."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
            raise InvalidArgument(f"{path} is not a file of your own", hint="name another file, in a folder of yours")
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _numbers(found: FileFaces) -> FloatArray:
    rows = [
        np.concatenate([face.box.as_tuple(), face.landmarks.ravel(), [face.detection_score], face.embedding])
        for face in found.faces
        if face.embedding is not None
    ]
    return np.array(rows, dtype="<f4")
