"""Addresses of videos, paths and URLs, as they may be shown: without what a URL keeps secret."""

from __future__ import annotations

import re
from pathlib import PurePath

__all__ = ["display_name", "public_address", "scheme_of"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
"""One letter alone is a drive; one slash is what a path object leaves of two."""

_SECRET_END = re.compile(r"[?#;]")


def scheme_of(address: str) -> str | None:
    """Scheme of a URL in lower case; ``None`` for a path."""
    found = _SCHEME.match(address)
    return None if found is None else found[1].lower()


def public_address(address: str) -> str:
    """An address for messages, logs, titles and reports: a path as it is, a URL without credentials and query.

    Everything up to the last ``@`` is taken for credentials, also where a password was not escaped.

    Args:
        address: A path, a URL, or any other name of a source.
    """
    if scheme_of(address) is None:
        return address
    scheme, _, rest = address.partition(":")
    place = _SECRET_END.split(rest.lstrip("/").rpartition("@")[2], maxsplit=1)[0]
    return f"{scheme}://{place}"


def display_name(address: str) -> str:
    """Short name of a video for titles: a file's name without its folder, a URL without credentials and query."""
    return PurePath(address).name if scheme_of(address) is None else public_address(address)
