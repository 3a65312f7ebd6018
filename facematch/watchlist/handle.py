"""A handle on one open watchlist: what its parts share, and that nothing is done after it is closed."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from facematch.errors import WatchlistClosed
from facematch.protocols import Clock
from facematch.watchlist.session import Core

__all__ = ["Handle"]


class Handle:
    """Holds the parts of an open watchlist; a context manager that closes them.

    Args:
        core: The parts.
    """

    def __init__(self, core: Core) -> None:
        self._core_parts = core
        self._closed = False

    @property
    def actor(self) -> str:
        """Who is using the watchlist."""
        return self._core_parts.actor

    @property
    def clock(self) -> Clock:
        """Gives the present moment."""
        return self._core_parts.clock

    def close(self) -> None:
        """Close the database and forget the gallery; may be called again."""
        self._closed = True
        self._core_parts.close()

    def __enter__(self) -> Self:
        _ = self._core
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @property
    def _core(self) -> Core:
        if self._closed:
            raise WatchlistClosed("the watchlist is closed", hint="open it again with Watchlist.open()")
        return self._core_parts
