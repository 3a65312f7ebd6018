"""Alerts as lines of JSON in a file."""

from __future__ import annotations

import json
import os
import threading
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from facematch.errors import InvalidArgument, SinkError
from facematch.types import Alert

__all__ = ["JsonLinesSink"]


class JsonLinesSink:
    """Appends one JSON object a line, on disk when :meth:`emit` returns.

    The file is opened for appending: alerts wait for people, and a restarted program must not lose the ones that are
    still waiting. A last line that was cut short by a crash is closed first, so that every later line stands alone. A
    new file can be read by its owner only, for it names subjects.

    Args:
        path: The file; its folder must exist.

    Raises:
        SinkError: The file cannot be opened for writing.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            self._descriptor = descriptor
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                self._write(b"\n")
        except OSError as error:
            self.close()
            raise self._failure("cannot be opened for writing", error) from error

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def emit(self, alert: Alert) -> None:
        """Write one alert; it is on disk when this returns.

        Raises:
            InvalidArgument: The sink was closed.
            SinkError: The alert could not be written.
        """
        line = json.dumps(alert.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        with self._lock:
            if self._descriptor is None:
                raise InvalidArgument(f"the sink {self._path.name} is closed", hint="emit inside the `with` block")
            try:
                self._write(line.encode(errors="backslashreplace"))  # a lone surrogate becomes JSON's own escape
                os.fsync(self._descriptor)
            except OSError as error:
                raise self._failure("cannot be written", error) from error

    def _write(self, data: bytes) -> None:
        assert self._descriptor is not None
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _failure(self, what: str, error: OSError) -> SinkError:
        return SinkError(
            f"{str(self._path)!r} {what}: {error.strerror}",
            hint="check that the folder exists, is writable and has room",
        )

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
