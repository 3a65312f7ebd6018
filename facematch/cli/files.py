"""Files that commands write: new ones only, readable by their owner only."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from facematch.errors import InvalidArgument
from facematch.files import writing

__all__ = ["private_folder", "read_bytes", "rescued", "reserved", "write_private"]


@contextlib.contextmanager
def reserved(path: Path) -> Iterator[Callable[[str], None]]:
    """Make a new private file now, to be filled later; whatever cannot be written shows before anything is done.

    The file goes again where nothing was written into it.

    Yields:
        Writes the text and makes it durable.

    Raises:
        InvalidArgument: The file is there already, or cannot be written.
    """
    with writing(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    written = False

    def write(text: str) -> None:
        nonlocal written
        with writing(path), os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        written = True

    try:
        yield write
    finally:
        os.close(descriptor)
        if not written:
            path.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a new file.

    Raises:
        InvalidArgument: It is there already, or cannot be written.
    """
    with reserved(path) as write:
        write(text)


def rescued(write: Callable[[str], None], text: str) -> None:
    """Write what exists nowhere else; where that fails, it goes to standard error before the error is raised.

    Raises:
        InvalidArgument: It cannot be written.
    """
    try:
        write(text)
    except InvalidArgument:
        sys.stderr.write(text)
        raise


def private_folder(path: Path) -> Path:
    """A folder, made where it is not there yet, into which this process can write.

    Raises:
        InvalidArgument: It cannot be made or written into.
    """
    with writing(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise InvalidArgument(f"nothing can be written into {str(path)!r}", hint="name another folder")
    return path


def read_bytes(path: Path) -> bytes:
    """The content of a file that was named on the command line.

    Raises:
        InvalidArgument: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgument(
            f"{str(path)!r} cannot be read: {error.strerror or error}", hint="check the path and its permissions"
        ) from error
