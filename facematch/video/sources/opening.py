"""The source of frames for a video that a caller names: by path or URL, through the group ``facematch.sources``.

An entry of the group is named after a URL scheme and is called with the address, a ``str``; it returns a
:class:`~facematch.protocols.FrameSource`. The entry ``file`` is called with the path of a file, and takes everything
that is no URL.
"""

from __future__ import annotations

import os
from os import PathLike
from typing import Final, TypeAlias, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from facematch.errors import InvalidArgument, SourceUnknown
from facematch.protocols import FrameSource
from facematch.registry import available, load
from facematch.video.sources.address import scheme_of

__all__ = ["Video", "open_source"]

_GROUP: Final = "facematch.sources"

Video: TypeAlias = str | PathLike[str] | FrameSource
"""A video: the path of a file, a URL, or an opened source."""


def open_source(video: Video) -> FrameSource:
    """The source of a video; an opened one as it is.

    Args:
        video: The path of a file, a URL with a registered scheme, or an opened source.

    Raises:
        SourceUnknown: No registered source reads it.
        InvalidArgument: What is registered for the scheme is no source.
        VideoUnreadable: The recording cannot be read.
    """
    given = cast("object", video)
    if isinstance(given, FrameSource):
        return given
    if not isinstance(given, str | PathLike):
        raise SourceUnknown(f"no source of frames reads {_article(type(given).__name__)}", hint=_hint())
    address = os.fsdecode(given)
    scheme = scheme_of(address)
    if scheme is None or ("://" not in address and os.path.exists(address)):  # noqa: PTH110 - never raises
        scheme = "file"
    elif scheme == "file":
        address = _local_path(address)
    elif scheme not in available(_GROUP):
        raise SourceUnknown(f"no source of frames reads {scheme}:// addresses", hint=_hint())
    source: object = load(_GROUP, scheme)(address)
    if not isinstance(source, FrameSource):
        raise InvalidArgument(
            f"what is registered as {scheme!r} in {_GROUP} returned {_article(type(source).__name__)}, no source",
            hint="a source has frames, an average rate and a name: facematch.protocols.FrameSource",
        )
    return source


def _local_path(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise SourceUnknown("a file:// address names a file of another machine", hint="give the path of a local file")
    return url2pathname(parts.path)


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _hint() -> str:
    names = ", ".join(available(_GROUP)) or "none; is facematch installed?"
    return f"give the path of a file, or a URL of a registered source: {names}"
