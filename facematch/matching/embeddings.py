"""Checks of embeddings before they are stored or searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from facematch.errors import ContractMismatch, InvalidArgument
from facematch.types import EmbeddingContract, Face, FloatArray

__all__ = ["queries_of", "unit_vectors"]

_UNIT = 1e-3
"""Tolerance of the length of a vector against 1."""


def unit_vectors(vectors: Any, count: int, contract: EmbeddingContract) -> FloatArray:
    """Embeddings ``(count, dimension)`` as contiguous ``float32``, checked.

    Args:
        vectors: What an embedder returned.
        count: How many there should be.
        contract: What they should be of.

    Raises:
        ContractMismatch: Their length is not the contract's dimension.
        InvalidArgument: Their number is wrong, or one is not finite or not of unit length.
    """
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    if array.ndim != 2 or array.shape[0] != count:
        raise InvalidArgument(
            f"expected {count} embeddings as a two-dimensional array, got shape {array.shape}",
            hint="an embedder returns one row a face",
        )
    if array.shape[1] != contract.dimension:
        raise ContractMismatch(
            f"embeddings of {contract.embedder} have {contract.dimension} numbers, got {array.shape[1]}",
            hint="use faces of the analyzer that the watchlist was opened with",
        )
    lengths = np.linalg.norm(array.astype(np.float64), axis=1)
    if not bool((np.abs(lengths - 1.0) <= _UNIT).all()):  # also false for what is not finite
        raise InvalidArgument(
            "an embedding is not finite or not of unit length", hint="divide embeddings by their length"
        )
    return array


def queries_of(faces: Sequence[object], contract: EmbeddingContract) -> FloatArray:
    """The embeddings of faces as queries ``(N, dimension)``, checked.

    Raises:
        ContractMismatch: An embedding has another dimension.
        InvalidArgument: A face has no embedding, or one that is not finite or not of unit length.
    """
    rows: list[FloatArray] = []
    for face in faces:
        if not isinstance(face, Face) or face.embedding is None:
            raise InvalidArgument(
                "every face needs an embedding to be searched", hint="use Analyzer.analyze(), or embed the faces first"
            )
        if face.embedding.shape != (contract.dimension,):
            raise ContractMismatch(
                f"embeddings of {contract.embedder} have {contract.dimension} numbers, got {face.embedding.size}",
                hint="use faces of the analyzer that the watchlist was opened with",
            )
        rows.append(face.embedding)
    if not rows:
        return np.empty((0, contract.dimension), dtype=np.float32)
    return unit_vectors(np.stack(rows), len(rows), contract)
