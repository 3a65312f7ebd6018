"""A network for the unified quality score, such as LightQNet.

Chen, Yi, Lv: "LightQNet: Lightweight Deep Face Quality Assessment for Risk-Controlled Face Recognition", IEEE Signal
Processing Letters 28, 2021. One number in ``[0, 1]`` a face, trained to tell how well the face will be recognized.
"""

from __future__ import annotations

from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.errors import InferenceError
from facematch.models import QualityModel, SessionOptions
from facematch.protocols import Session
from facematch.types import FloatArray

__all__ = ["QualityNet"]

_DEFAULT: Final = SessionOptions()


class QualityNet:
    """Aligned crops in, scores out.

    Args:
        model: The manifest entry.
        session: The loaded model.
    """

    def __init__(self, model: QualityModel, session: Session) -> None:
        self._model = model
        self.session = session

    @classmethod
    def from_model(cls, model: QualityModel, data: bytes, *, sessions: SessionOptions = _DEFAULT) -> Self:
        """Build from a pack's manifest entry and the model's bytes."""
        return cls(model, sessions.open(data, model.file))

    def scores(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Quality of aligned faces.

        Args:
            crops: BGR ``uint8`` ``(N, S, S, 3)``.

        Returns:
            ``(N,)`` in ``[0, 100]``.

        Raises:
            InferenceError: The runtime failed, or the network gives something other than one number in ``[0, 1]``.
        """
        if not len(crops):
            return np.empty(0, dtype=np.float32)
        side, how = self._model.crop_size, self._model.preprocessing
        scaled = np.stack([cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA) for crop in crops])
        pixels = scaled[..., ::-1] if how.channels == "rgb" else scaled
        tensor = (pixels.astype(np.float32) - np.float32(how.mean)) / np.float32(how.scale)
        if self._model.layout == "nchw":
            tensor = tensor.transpose(0, 3, 1, 2)
        (raw, *_) = self.session.run(np.ascontiguousarray(tensor)).values()
        scores = raw.reshape(-1)
        if len(scores) != len(crops) or not ((scores >= -1e-3) & (scores <= 1.001)).all():
            raise InferenceError(
                f"{self.session.name} gave {raw.shape} values for {len(crops)} faces, one in [0, 1] each was expected",
                hint="correct the [quality] part of the manifest",
            )
        return np.asarray(100 * np.clip(scores, 0, 1), dtype=np.float32)
