"""How many samples a session is given at once."""

from __future__ import annotations

from typing import Final

from facematch.protocols import Session

__all__ = ["samples_at_once"]

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
    fixed = session.input_shape[0] if session.input_shape else 1
    return fixed if isinstance(fixed, int) and fixed > 0 else _BEST
