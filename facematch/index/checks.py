"""Checks of every index before it changes or answers, and the one way scores are computed for ranking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
from facematch.types import FloatArray, IdSet, Matches

__all__ = [
    "already_there",
    "check_addition",
    "check_budget",
    "check_dimension",
    "check_ids",
    "check_k",
    "check_scope",
    "check_threshold",
    "check_vectors",
    "check_wanted",
    "exact_scores",
    "in_order",
    "matches",
    "not_there",
]


def check_dimension(dimension: object) -> int:
    """A vector length of at least 1.

    Raises:
        VectorIndexError: It is none.
    """
    if isinstance(dimension, bool) or not isinstance(dimension, int | np.integer) or dimension < 1:
        raise VectorIndexError(
            f"an index needs a dimension of at least 1, got {dimension!r}", hint="pass the contract's dimension"
        )
    return int(dimension)


def check_ids(ids: Any, what: str = "ids") -> NDArray[np.int64]:
    """Ids as an ``(N,)`` ``int64`` array.

    Raises:
        VectorIndexError: Wrong type, shape, a negative id or a repeated one.
    """
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.ndim != 1:
        raise VectorIndexError(f"{what} must be an int64 array (N,), got {_form(ids)}", hint="use dtype=np.int64")
    if ids.size and int(ids.min()) < 0:
        raise VectorIndexError(f"{what} must not be negative, got {int(ids.min())}", hint="-1 marks an empty place")
    if ids.size > 1:
        steps = np.diff(ids)
        if not bool((steps > 0).all()) and np.unique(ids).size != ids.size:
            raise VectorIndexError(f"{what} must not repeat", hint="pass each id once")
    return ids


def check_wanted(ids: Any) -> NDArray[np.int64]:
    """Ids whose vectors are asked for as an ``(N,)`` ``int64`` array; the same may be asked for twice.

    Raises:
        VectorIndexError: Wrong type or shape.
    """
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.ndim != 1:
        raise VectorIndexError(f"ids must be an int64 array (N,), got {_form(ids)}", hint="use dtype=np.int64")
    return ids


def check_vectors(vectors: Any, dimension: int, what: str) -> FloatArray:
    """Vectors as a contiguous ``(N, dimension)`` ``float32`` array of finite numbers.

    Raises:
        VectorIndexError: Wrong type, shape, or a number that is not finite.
    """
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32 or vectors.ndim != 2:
        raise VectorIndexError(
            f"{what} must be a float32 array (N, {dimension}), got {_form(vectors)}", hint="use dtype=np.float32"
        )
    if vectors.shape[1] != dimension:
        raise VectorIndexError(
            f"{what} must have {dimension} columns, got {vectors.shape[1]}",
            hint="vectors of different models never meet",
        )
    if not bool(np.isfinite(vectors).all()):
        raise VectorIndexError(f"{what} contain numbers that are not finite", hint="check the embedder's output")
    return np.ascontiguousarray(vectors)


def check_k(k: object) -> int:
    """Number of results wanted.

    Raises:
        VectorIndexError: It is below 1 or no whole number.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise VectorIndexError(f"k must be a whole number of at least 1, got {k!r}", hint="ask for one result or more")
    return int(k)


def check_addition(ids: Any, vectors: Any, dimension: int) -> tuple[NDArray[np.int64], FloatArray]:
    """New vectors and their ids: ``(N,)`` ``int64`` and ``(N, dimension)`` ``float32``.

    Raises:
        VectorIndexError: A wrong type or shape, a negative or repeated id, a number that is not finite.
    """
    ids, vectors = check_ids(ids), check_vectors(vectors, dimension, "vectors")
    if ids.size != vectors.shape[0]:
        raise VectorIndexError(f"{ids.size} ids for {vectors.shape[0]} vectors", hint="pass one id a vector")
    return ids, vectors


def already_there() -> VectorIndexError:
    """The error of an id that an index holds already."""
    return VectorIndexError("an id is already in the index", hint="remove it first; nothing was added")


def check_budget(needed: int, budget: int | None) -> None:
    """Refuse to grow past a memory budget, in bytes; ``None`` for none.

    Raises:
        VectorIndexError: More is needed.
    """
    if budget is not None and needed > budget:
        raise VectorIndexError(
            f"the vectors need {needed:,} bytes and the memory budget is {budget:,}; nothing was added",
            hint="raise the budget, or keep the gallery in Milvus (docs/how-to/milvus.md)",
        )


def check_threshold(threshold: object) -> np.float64:
    """A lowest score, of a type that NumPy does not round to ``float32`` when it compares scores with it.

    Raises:
        VectorIndexError: It is no finite number.
    """
    if (
        isinstance(threshold, bool)
        or not isinstance(threshold, int | float | np.integer | np.floating)
        or not math.isfinite(threshold)
    ):
        raise VectorIndexError(f"a threshold must be a finite number, got {threshold!r}", hint="a raw cosine")
    return np.float64(threshold)


def check_scope(allowed: Any) -> IdSet | None:
    """The ids that a search may reach as a set; ``None`` for all.

    Raises:
        VectorIndexError: Wrong type, shape, a negative id or a repeated one.
    """
    if allowed is None or isinstance(allowed, IdSet):
        return allowed
    return IdSet(check_ids(allowed, "allowed"))


def not_there() -> VectorIndexError:
    """The error of an id that an index does not hold."""
    return VectorIndexError("an id is not in the index", hint="it may have been removed; ask for ids that are there")


def exact_scores(vectors: FloatArray, queries: FloatArray) -> FloatArray:
    """Inner products ``(N,)`` of rows ``(N, D)`` with one query ``(D,)`` or one each ``(N, D)``, summed in float64.

    A matrix product may round equal rows differently, depending on where in the matrix they stand. This does not, so
    equal vectors get equal scores and ties are real ties.
    """
    products = vectors.astype(np.float64)
    products *= queries  # float32 widens to float64 without loss
    return np.asarray(products.sum(axis=1), dtype=np.float32)


def in_order(scores: FloatArray, ids: NDArray[np.int64]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Scores and ids, highest score first, ties by smaller id."""
    order = np.lexsort((ids, -scores))
    return scores[order], ids[order]


def matches(found: Sequence[tuple[FloatArray, NDArray[np.int64]]]) -> Matches:
    """The scores and ids of several queries as one."""
    offsets = np.zeros(len(found) + 1, dtype=np.int64)
    np.cumsum([ids.size for _, ids in found], out=offsets[1:])
    scores = [np.empty(0, dtype=np.float32), *(scores for scores, _ in found)]
    ids = [np.empty(0, dtype=np.int64), *(ids for _, ids in found)]
    return Matches(offsets, np.concatenate(scores), np.concatenate(ids))


def _form(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__
