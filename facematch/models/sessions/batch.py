"""Sizes of batches of a session."""

from __future__ import annotations

from typing import Final

from facematch.protocols import Session

__all__ = ["fixed_batch", "samples_at_once"]

_BEST: Final = 8
"""More faces of 112 pixels at once no longer fit into a processor's cache: 32 take a quarter longer each than 8."""


def samples_at_once(session: Session) -> int:
    """Samples to run at once, where they are independent of one another.

    What the session says itself, if it has an attribute ``at_once``; the batch of a model whose batch is fixed; or else
    eight.
    """
    own = getattr(session, "at_once", None)
    if isinstance(own, int) and own > 0:
        return own
    return fixed_batch(session) or _BEST


def fixed_batch(session: Session) -> int | None:
    """The only batch that a model takes; ``None`` where it takes any."""
    first = session.input_shape[0] if session.input_shape else 1
    return first if isinstance(first, int) and first > 0 else None
