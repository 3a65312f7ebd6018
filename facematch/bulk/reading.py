"""Picture files, decoded in the background a little ahead of the caller that takes them."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facematch.errors import ImageDecodeError
from facematch.imaging import ReducedImage, decode_reduced, picture_size
from facematch.parallel import usable_cpus

__all__ = ["ReadPicture", "read_ahead"]

_AHEAD: Final = 32
_PIXELS: Final = 48_000_000
"""Pixels that lie decoded, or are being decoded, at a time: 144 MB. A larger picture is decoded alone."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadPicture:
    """A file's picture, or why there is none.

    Attributes:
        path: The file.
        image: The pixels; ``None`` where it cannot be decoded.
        error: Why not.
    """

    path: Path
    image: ReducedImage | None
    error: ImageDecodeError | None = None


def read_ahead(paths: Sequence[Path], *, longest: Callable[[int, int], int] | None = None) -> Iterator[ReadPicture]:
    """The pictures of files in order; those that come next are decoded meanwhile, as far as memory is set aside.

    Args:
        paths: The files.
        longest: Tells from height and width how many pixels of the longer side are wanted; default all there are.
    """
    waiting: deque[tuple[int, Future[ReadPicture]]] = deque()
    sized = ((path, _size(path)) for path in paths)
    upcoming = next(sized, None)
    decoded = 0
    with ThreadPoolExecutor(usable_cpus(), thread_name_prefix="facematch-read") as pool:
        try:
            while upcoming is not None or waiting:
                while upcoming is not None and len(waiting) < _AHEAD:
                    path, (height, width) = upcoming
                    pixels = height * width
                    if waiting and decoded + pixels > _PIXELS:
                        break
                    waiting.append((pixels, pool.submit(_read, path, 0 if longest is None else longest(height, width))))
                    decoded += pixels
                    upcoming = next(sized, None)
                pixels, future = waiting.popleft()
                picture = future.result()
                decoded -= pixels
                yield picture
        finally:
            for _, future in waiting:
                future.cancel()


def _size(path: Path) -> tuple[int, int]:
    """Height and width; nothing of a file that cannot be decoded, which is found out later."""
    with contextlib.suppress(ImageDecodeError):
        width, height = picture_size(path)
        return height, width
    return 0, 0


def _read(path: Path, longest: int) -> ReadPicture:
    try:
        return ReadPicture(path, decode_reduced(path, longest))
    except ImageDecodeError as error:
        return ReadPicture(path, None, error)
