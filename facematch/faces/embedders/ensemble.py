"""Several embedders as one: their cosines averaged by weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.faces.embedders.aligned import AlignedEmbedder
from facematch.models import EmbedderModel, ensemble_contract
from facematch.protocols import Session
from facematch.types import EmbeddingContract, FloatArray, Image

__all__ = ["EnsembleEmbedder"]


class EnsembleEmbedder:
    """A weighted concatenation of embeddings.

    With unit embeddings ``e_i`` and weights ``w_i`` that sum to one, the embedding is the concatenation of
    ``sqrt(w_i) e_i``: it has unit length, and the cosine of two of them is ``sum w_i cos_i``.

    Its crops are the members' crops side by side, padded below with black to the tallest.

    Args:
        members: The embedders with their manifest entries, at least two.

    Raises:
        InvalidArgument: There are fewer than two members.
    """

    def __init__(self, members: Sequence[tuple[EmbedderModel, AlignedEmbedder]]) -> None:
        if len(members) < 2:
            raise InvalidArgument(f"an ensemble has at least two members, got {len(members)}")
        self._members = tuple(embedder for _, embedder in members)
        self._contract = ensemble_contract([model for model, _ in members])
        weights = np.array([model.weight for model, _ in members])
        self._factors = np.sqrt(weights / weights.sum()).astype(np.float32)
        sizes = [member.crop_size for member in self._members]
        self._height = max(sizes)
        self._edges = np.concatenate([[0], np.cumsum(sizes)]).tolist()

    @property
    def contract(self) -> EmbeddingContract:
        """The contract over all members and weights."""
        return self._contract

    @property
    def session(self) -> Session:
        """The session of the first member."""
        return self._members[0].session

    def align(self, image: Image, landmarks: FloatArray) -> NDArray[np.uint8]:
        """Crops ``(N, h, w, 3)``: every member's crop of each face, side by side."""
        crops = np.zeros((len(landmarks), self._height, self._edges[-1], 3), dtype=np.uint8)
        for member, left, right in zip(self._members, self._edges, self._edges[1:], strict=False):
            crops[:, : member.crop_size, left:right] = member.align(image, landmarks)
        return crops

    def embed(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Embeddings ``(N, D)`` of crops as :meth:`align` gives them, each row of unit length.

        Raises:
            InvalidArgument: The crops have another shape or type.
            InferenceError: The runtime failed.
        """
        expected = (self._height, self._edges[-1], 3)
        if crops.dtype != np.uint8 or crops.shape[1:] != expected:
            raise InvalidArgument(f"crops must be uint8 of shape (N, {expected}), got {crops.dtype} {crops.shape}")
        parts = [
            factor * member.embed(np.ascontiguousarray(crops[:, : member.crop_size, left:right]))
            for member, factor, left, right in zip(
                self._members, self._factors, self._edges, self._edges[1:], strict=False
            )
        ]
        return np.concatenate(parts, axis=1)
