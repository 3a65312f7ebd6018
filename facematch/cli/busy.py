"""A word to whoever measures on a machine that does something else as well."""

from __future__ import annotations

from typing import Final

from facematch.cli.output import console

__all__ = ["say_if_busy"]

_BUSY: Final = 0.5


def say_if_busy(cores: float) -> None:
    """Say on standard error that other programs keep so many cores busy, if that is enough to spoil figures."""
    if cores > _BUSY:
        console(stderr=True).print(
            f"other programs keep {cores:.1f} cores busy; the figures are good when nothing else runs"
        )
