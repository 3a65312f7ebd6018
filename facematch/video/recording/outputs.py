"""The folder that results are written into: all files appear together, or none does."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from facematch.errors import VideoWriteError

__all__ = ["Outputs", "writable_folder"]


def writable_folder(path: Path) -> Path:
    """A folder, made where it is not there yet, that can be written into.

    Raises:
        VideoWriteError: It cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".{secrets.token_hex(4)}.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise VideoWriteError(
            f"cannot write into {str(path)!r}: {error.strerror}", hint="give a folder that can be written to"
        ) from error
    return path


class Outputs:
    """Temporary names in a folder that become the final ones together, or go."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        token = secrets.token_hex(4)
        self._pairs = [(folder / f".{name}.{token}.part", folder / name) for name in names]

    def __enter__(self) -> tuple[Path, ...]:
        try:
            for temporary, _ in self._pairs:
                temporary.touch(mode=0o600, exist_ok=False)  # they show and name people: for their owner only
        except OSError as error:
            self._drop()
            raise VideoWriteError(f"cannot write: {error.strerror}", hint="check the folder") from error
        return tuple(temporary for temporary, _ in self._pairs)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if exc_type is None:
                for temporary, final in self._pairs:
                    temporary.replace(final)
        except OSError as error:
            raise VideoWriteError(
                f"the files cannot be put in place: {error.strerror}", hint="check the folder"
            ) from error
        finally:
            self._drop()

    def _drop(self) -> None:
        for temporary, _ in self._pairs:
            temporary.unlink(missing_ok=True)
