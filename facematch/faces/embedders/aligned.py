"""Embedders that take an aligned square crop: SFace, the ArcFace family, and others described by a manifest."""

from __future__ import annotations

from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InferenceError, InvalidArgument
from facematch.imaging import aligned_crops
from facematch.models import EmbedderModel, SessionOptions, embedding_contract, samples_at_once
from facematch.protocols import Session
from facematch.types import EmbeddingContract, FloatArray, Image

__all__ = ["AlignedEmbedder"]

_DEFAULT: Final = SessionOptions()


class AlignedEmbedder:
    """Aligned crops in, unit-length embeddings out, in batches.

    Args:
        model: The manifest entry: preprocessing, template, dimension.
        session: The loaded model.
    """

    def __init__(self, model: EmbedderModel, session: Session) -> None:
        self._model = model
        self._session = session
        self._contract = embedding_contract(model)
        self._template = model.template_array()
        self._batch = samples_at_once(session)

    @classmethod
    def from_model(cls, model: EmbedderModel, data: bytes, *, sessions: SessionOptions = _DEFAULT) -> Self:
        """Build from a pack's manifest entry and the model's bytes."""
        return cls(model, sessions.open_sharing(data, model.file))

    @property
    def contract(self) -> EmbeddingContract:
        """Contract of the embeddings."""
        return self._contract

    @property
    def crop_size(self) -> int:
        """Side of the aligned crop in pixels."""
        return self._model.crop_size

    @property
    def session(self) -> Session:
        """The session that runs the model."""
        return self._session

    def align(self, image: Image, landmarks: FloatArray) -> NDArray[np.uint8]:
        """Aligned crops ``(N, S, S, 3)`` of the faces with landmarks ``(N, 5, 2)`` in one picture."""
        return aligned_crops(image, landmarks, self._template, self.crop_size)

    def embed(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Embeddings of aligned crops.

        Args:
            crops: BGR ``uint8`` ``(N, S, S, 3)`` with ``S`` the crop size.

        Returns:
            ``(N, dimension)`` ``float32``, each row of unit length.

        Raises:
            InvalidArgument: The crops have another shape or type.
            InferenceError: The runtime failed, or the model's output has another dimension or is not finite.
        """
        size = self.crop_size
        if crops.dtype != np.uint8 or crops.shape[1:] != (size, size, 3):
            raise InvalidArgument(
                f"crops must be uint8 of shape (N, {size}, {size}, 3), got {crops.dtype} {crops.shape}"
            )
        embeddings = np.empty((len(crops), self._model.dimension), dtype=np.float32)
        for start in range(0, len(crops), self._batch):
            stop = min(start + self._batch, len(crops))
            batch = crops[start:stop]
            embeddings[start:stop] = self._run(batch)
            if self._model.flip:  # the mean of two unit vectors, brought back to unit length
                embeddings[start:stop] += self._run(batch[:, :, ::-1])
                embeddings[start:stop] /= np.linalg.norm(embeddings[start:stop], axis=1, keepdims=True)
        return embeddings

    def tensor(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Crops as the model takes them: ``(N, 3, S, S)`` ``float32``."""
        how = self._model.preprocessing
        pixels = crops[..., ::-1] if how.channels == "rgb" else crops
        tensor = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32)
        if how.mean != 0.0 or how.scale != 1.0:
            tensor = (tensor - np.float32(how.mean)) / np.float32(how.scale)
        return tensor

    def _run(self, crops: NDArray[np.uint8]) -> FloatArray:
        (raw, *_) = self._session.run(self.tensor(crops)).values()
        raw = raw.reshape(len(crops), -1)
        if raw.shape[1] != self._model.dimension:
            raise InferenceError(
                f"{self._session.name} gives {raw.shape[1]} dimensions, its manifest says {self._model.dimension}",
                hint="correct the manifest",
            )
        norms = np.linalg.norm(raw, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not (norms > 0).all():
            raise InferenceError(
                f"{self._session.name} gave an embedding that is zero or not finite",
                hint="the model file may be damaged",
            )
        return np.asarray(raw / norms, dtype=np.float32)
