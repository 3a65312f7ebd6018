"""How many samples a run takes best."""

from __future__ import annotations

from typing import Final

__all__ = ["best_batch"]

_BEST: Final = 8
"""More faces of 112 pixels at once no longer fit into a processor's cache: 32 take a quarter longer each than 8."""


def best_batch(input_shape: tuple[int | str, ...]) -> int:
    """Samples to run at once: the batch of a model whose batch is fixed, or else eight."""
    fixed = input_shape[0] if input_shape else 1
    return fixed if isinstance(fixed, int) and fixed > 0 else _BEST
