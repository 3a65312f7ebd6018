"""A new file, and what the operating system says of it in facematch's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from facematch.errors import InvalidArgument

__all__ = ["writing"]


@contextmanager
def writing(path: str | PathLike[str], hint: str = "name another file") -> Iterator[None]:
    """Inside it a new file is made and written.

    Args:
        path: The file, for the message.
        hint: What to do where it cannot be written.

    Raises:
        InvalidArgument: It is there already, or cannot be written.
    """
    try:
        yield
    except FileExistsError as error:
        raise InvalidArgument(f"{str(path)!r} is there already", hint="name a file that is not there yet") from error
    except OSError as error:
        raise InvalidArgument(f"{str(path)!r} cannot be written: {error.strerror or error}", hint=hint) from error
