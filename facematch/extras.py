"""The optional libraries, imported when they are first needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from facematch.errors import MissingExtra

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["require"]


def require(module: str, *, extra: str, what: str) -> ModuleType | Any:
    """A module of an extra.

    Args:
        module: Its name.
        extra: The extra that installs it.
        what: What needs it, for the message, such as ``"video needs"``.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{what} the package {module.partition('.')[0]!r}, which cannot be imported: {error}",
            hint=f"pip install 'facematch-watchlist[{extra}]'",
        ) from error
