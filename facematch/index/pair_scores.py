"""Scores of single pairs of a query and a row: quickly in float32, exactly in float64, and how far the two may differ.

A float32 inner product of length ``D``, summed in any order, is off by at most ``gamma_D * |q| * |v|`` with
``gamma_D = D u / (1 - D u)`` and ``u = 2**-24`` (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
section 3.1). What lies below the best by more than twice that and the rounding of the final score is not among them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.index.checks import exact_scores
from facematch.index.matmul import multiply
from facematch.index.rows import Rows
from facematch.types import FloatArray

__all__ = ["exact_pair_scores", "pair_products", "ranked", "slack_of"]

Ints = NDArray[np.int64]

_PAIRS = 1 << 14
"""Pairs that are computed at once."""


def pair_products(moment: Rows, queries: FloatArray, rows: Ints) -> FloatArray:
    """``(Q, P)`` products of queries ``(Q, D)`` with their own rows ``(Q, P)``, in float32; ``-inf`` for row -1."""
    flat = rows.ravel()
    order = np.argsort(flat)
    products = np.empty(flat.size, dtype=np.float32)
    for start in range(0, flat.size, _PAIRS):
        here = order[start : start + _PAIRS]
        vectors = moment.take_in_runs(flat[here])
        if len(queries) == 1:
            own = np.empty((here.size, 1), dtype=np.float32)
            multiply(vectors, queries.T, own)
            products[here] = own[:, 0]
        else:
            products[here] = np.einsum("ij,ij->i", vectors, queries[here // rows.shape[1]])
    products[flat < 0] = -np.inf
    return products.reshape(rows.shape)


def exact_pair_scores(moment: Rows, queries: FloatArray, query: Ints, rows: Ints) -> tuple[FloatArray, Ints]:
    """Exact scores of pairs of a query ``(N,)`` and a row ``(N,)``, and the rows' ids.

    Returns:
        Scores ``(N,)`` and ids ``(N,)``; for row -1 a score of 0 and the id -1.
    """
    order = np.argsort(rows)
    scores, ids = np.empty(rows.size, dtype=np.float32), np.empty(rows.size, dtype=np.int64)
    for start in range(0, rows.size, _PAIRS):
        here = order[start : start + _PAIRS]
        vectors, ids[here] = moment.take_with_ids(rows[here])
        scores[here] = exact_scores(vectors, queries[query[here]])
    return scores, ids


def slack_of(moment: Rows, queries: FloatArray) -> NDArray[np.float64]:
    """``(Q,)``: how far below the bar a float32 product may lie and still be a result."""
    lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries, dtype=np.float64))
    share = moment.dimension * 2.0**-24
    gamma = share / max(1.0 - share, 0.5)
    return np.asarray((2.0 * gamma + 2.0**-22) * lengths * moment.longest * 1.001 + 1e-30)


def ranked(query: Ints, scores: FloatArray, ids: Ints, k: int) -> tuple[Ints, Ints]:
    """The best ``k`` pairs of each query, of pairs ``(N,)``: which they are, in order, and their places from 0.

    Higher scores come first, and of equal ones lower ids.
    """
    order = np.lexsort((ids, -scores, query))
    place = np.arange(order.size) - np.searchsorted(query[order], query[order])
    best = place < k
    return order[best], place[best]
