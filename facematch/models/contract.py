"""The embedding contract: one digest over everything that makes two embeddings comparable."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import rfc8785

from facematch.models.manifest import EmbedderModel
from facematch.types import EmbeddingContract

__all__ = ["embedding_contract"]

_FORMAT: Final = "facematch-embedding-contract-v1"


def embedding_contract(model: EmbedderModel) -> EmbeddingContract:
    """The contract of an embedder.

    The digest is SHA-256 over the RFC 8785 JSON of: the published model's digest, channel order, mean, scale, crop
    size, alignment template, dimension and normalisation. The published bytes count and not the converted ones: a
    conversion is exact, and a later converter must not orphan enrolled templates.
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
    digest = hashlib.sha256(rfc8785.dumps(terms)).hexdigest()
    return EmbeddingContract(digest=digest, dimension=model.dimension, embedder=model.file.removesuffix(".onnx"))
