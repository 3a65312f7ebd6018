"""Training: codes of a gallery, whose codebook is learnt from a sample of its vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from facematch.errors import VectorIndexError
from facematch.index.codebook import ProductCodes, can_code
from facematch.index.rows import Rows
from facematch.parallel import helpers
from facematch.types import FloatArray

__all__ = ["encoded", "trained"]

_SAMPLE = 65536
"""Vectors that a codebook is learnt from at most; FAISS itself takes no more than 4,096 of them."""
_A_PART = 65536
"""Codes that are worth a thread of their own."""
_SEED = 20
_CODED = 16384
"""Vectors that are coded at once; in between it can be stopped."""


def _go_on() -> None:
    """Nothing stops it."""


def trained(sample: FloatArray, expected: int, *, fine: bool = False) -> ProductCodes:
    """Codes with nothing in them yet, their codebook learnt from vectors.

    Args:
        sample: ``(S, D)`` ``float32``.
        expected: How many vectors will come.
        fine: Whether codes take two bits a number instead of one.

    Raises:
        VectorIndexError: Vectors of that length cannot be coded.
    """
    dimension = int(sample.shape[1])
    if not can_code(dimension, len(sample)):
        raise VectorIndexError(
            f"{len(sample)} vectors of {dimension} numbers cannot be coded",
            hint="use the index kind exact; it needs no codes",
        )
    return ProductCodes.trained(sample, expected, max(min(helpers() + 1, expected // _A_PART), 1), fine=fine)


def encoded(moment: Rows, *, fine: bool = False, between: Callable[[], None] = _go_on) -> ProductCodes:
    """Codes of all rows in their order, learnt from a random sample of them; see :func:`trained`.

    Args:
        moment: The rows.
        fine: Whether codes take two bits a number instead of one.
        between: Called every now and then; what it raises stops the work.

    Raises:
        VectorIndexError: Vectors of that length cannot be coded.
    """
    ids = moment.ids()
    chosen = np.random.default_rng(_SEED).choice(ids.size, min(ids.size, _SAMPLE), replace=False)
    codes = trained(moment.take(moment.find(ids[np.sort(chosen)])), ids.size, fine=fine)
    for segment in moment.segments:
        live = slice(None) if segment.live is None else segment.live
        vectors = segment.vectors[live]
        for start in range(0, len(vectors), _CODED):
            between()
            codes.add(vectors[start : start + _CODED])
    return codes
