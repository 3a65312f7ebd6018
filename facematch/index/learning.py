"""Codes of a gallery, learnt from a sample of its vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from facematch.errors import VectorIndexError
from facematch.index.coarse import Coarse, CoarseKind, Graph, Lists, can_code
from facematch.index.fastscan import Scanned
from facematch.index.rows import Rows
from facematch.parallel import helpers
from facematch.types import FloatArray

__all__ = ["coded", "learn", "sample_size"]

_LEARN_A_LIST = 64
"""Vectors that each list is learnt from."""
_LEARN_CODES = 65536
"""Vectors that product codes are learnt from at least."""
_A_PART = 65536
"""Codes that are worth a thread of their own."""
_SEED = 20
_CODED = 16384
"""Vectors that are coded at once; in between it can be stopped."""


def _go_on() -> None:
    """Nothing stops it."""


def sample_size(expected: int) -> int:
    """How many vectors to learn the codes of so many from."""
    return min(expected, max(_LEARN_A_LIST * Lists.count(expected, expected), _LEARN_CODES))


def learn(kind: CoarseKind, sample: FloatArray, expected: int, *, fine: bool = False) -> Coarse:
    """Codes with nothing in them yet, learnt from vectors.

    Args:
        kind: Kind of codes.
        sample: ``(S, D)`` ``float32``; see :func:`sample_size`.
        expected: How many vectors will come.
        fine: Whether product codes take two bits a number instead of one.

    Raises:
        VectorIndexError: Vectors of that length cannot be coded.
    """
    dimension = int(sample.shape[1])
    if not can_code(dimension, len(sample)):
        raise VectorIndexError(
            f"{len(sample)} vectors of {dimension} numbers cannot be coded",
            hint="use the index kind exact; it needs no codes",
        )
    if kind == "hnsw":
        return Graph(sample)
    if kind == "ivf":
        return Lists(sample, Lists.count(expected, len(sample)), fine=fine)
    return Scanned.learn(sample, expected, max(min(helpers() + 1, expected // _A_PART), 1), fine=fine)


def coded(moment: Rows, kind: CoarseKind, *, fine: bool = False, between: Callable[[], None] = _go_on) -> Coarse:
    """Codes of all rows in their order, learnt from a random sample of them; see :func:`learn`.

    Args:
        moment: The rows.
        kind: Kind of codes.
        fine: Whether product codes take two bits a number instead of one.
        between: Called every now and then; what it raises stops the work.

    Raises:
        VectorIndexError: Vectors of that length cannot be coded.
    """
    ids = moment.ids()
    rng = np.random.default_rng(_SEED)
    chosen = rng.choice(ids.size, sample_size(ids.size), replace=False)
    codes = learn(kind, moment.take(moment.find(ids[np.sort(chosen)])), ids.size, fine=fine)
    for segment in moment.segments:
        live = slice(None) if segment.live is None else segment.live
        vectors = segment.vectors[live]
        for start in range(0, len(vectors), _CODED):
            between()
            codes.add(vectors[start : start + _CODED])
    return codes
