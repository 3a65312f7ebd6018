"""The optional libraries of the video extra, imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from facematch.errors import MissingExtra

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["require"]


def require(name: str) -> ModuleType | Any:
    """The module ``name`` of the extra ``video``.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtra(
            f"video needs the package {name.partition('.')[0]!r}, which cannot be imported: {error}",
            hint="pip install 'facematch-watchlist[video]'",
        ) from error
