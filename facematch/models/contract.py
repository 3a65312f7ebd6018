"""The embedding contract: one digest over everything that makes two embeddings comparable."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import rfc8785

from facematch.models.manifest import EmbedderModel
from facematch.types import EmbeddingContract

__all__ = ["embedding_contract", "ensemble_contract"]

_FORMAT: Final = "facematch-embedding-contract-v1"
_ENSEMBLE_FORMAT: Final = "facematch-ensemble-contract-v1"


def embedding_contract(model: EmbedderModel) -> EmbeddingContract:
    """The contract of one embedder.

    The digest is SHA-256 over the RFC 8785 JSON of: the published model's digest, channel order, mean, scale, crop
    size, alignment template, dimension, normalization, and flip averaging where it is used. The published bytes count
    and not the converted ones: a later converter must not orphan enrolled templates.
    """
    terms: dict[str, Any] = {
        "format": _FORMAT,
        "model_sha256": model.sha256,
        "channels": model.preprocessing.channels,
        "mean": model.preprocessing.mean,
        "scale": model.preprocessing.scale,
        "crop_size": model.crop_size,
        "template": [list(point) for point in model.template],
        "dimension": model.dimension,
        "normalisation": "l2",
    }
    if model.flip:
        terms["flip"] = True
    return EmbeddingContract(_digest(terms), dimension=model.dimension, embedder=model.file.removesuffix(".onnx"))


def ensemble_contract(models: Sequence[EmbedderModel]) -> EmbeddingContract:
    """The contract of a pack's embedders: of the only one, or over the contracts and weights of all.

    Args:
        models: At least one embedder, in the pack's order.
    """
    contracts = [embedding_contract(model) for model in models]
    if len(contracts) == 1:
        return contracts[0]
    terms = {
        "format": _ENSEMBLE_FORMAT,
        "members": [
            {"contract": contract.digest, "weight": model.weight}
            for contract, model in zip(contracts, models, strict=True)
        ],
    }
    dimension = sum(contract.dimension for contract in contracts)
    return EmbeddingContract(_digest(terms), dimension, " + ".join(contract.embedder for contract in contracts))


def _digest(terms: dict[str, Any]) -> str:
    return hashlib.sha256(rfc8785.dumps(terms)).hexdigest()
