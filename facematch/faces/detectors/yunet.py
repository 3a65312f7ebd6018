"""YuNet on ONNX Runtime: any picture size, batched over pictures of one size.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023. The network is
anchor-free: each cell of strides 8, 16 and 32 gives a class score, an objectness, a box and five landmarks.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from facematch.errors import InferenceError, InvalidArgument
from facematch.faces.detectors.fitting import fit
from facematch.faces.detectors.grid import Defaults, GridDetector, faces_of
from facematch.protocols import Session
from facematch.types import Face, FloatArray, Image

__all__ = ["YuNetDetector"]

_STRIDES: Final = (8, 16, 32)


class YuNetDetector(GridDetector):
    """YuNet face detector.

    Size policy: a picture whose longer side exceeds ``max_side`` is scaled down to it, averaged by halves; only for a
    ``smallest_face`` under 20 pixels is one scaled up; then it is padded with black at the right and bottom to a
    multiple of 32. Boxes and landmarks come back in pixels of the original. Of WIDER FACE's faces YuNet finds four in
    ten that have 10 pixels of height in what it sees, and three quarters of those that have 20.

    The score is ``sqrt(class * objectness)``; a ``max_side`` of 0 sets no limit. Other options:
    :class:`~facematch.faces.detectors.grid.GridDetector`.
    """

    defaults = Defaults(score_threshold=0.6, nms_threshold=0.3, max_side=1280)

    def _check(self) -> None:
        if self.max_side < 0:
            raise InvalidArgument(f"max_side must be 0 (no limit) or positive, got {self.max_side}")
        expected = {f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in _STRIDES}
        if missing := expected - set(self.session.output_names):
            raise InferenceError(
                f"{self.session.name} lacks YuNet's outputs: {', '.join(sorted(missing))}",
                hint="the pack's manifest names a detector of another kind",
            )

    def seen(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which a picture of a height and width is looked at, in pixels."""
        scale = self._wanted_scale() if self.smallest_face is not None else 1.0
        if self.max_side:
            scale = min(scale, self.max_side / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _detect_equal(
        self, session: Session, images: list[Image], seen: tuple[int, int], score_threshold: float
    ) -> list[list[Face]]:
        fitted = fit(images, seen)
        outputs = session.run(fitted.tensor)
        columns = fitted.tensor.shape[3]
        return [
            faces_of(*_decode(outputs, index, columns, score_threshold), self.nms_threshold, fitted)
            for index in range(len(images))
        ]


def _decode(
    outputs: dict[str, FloatArray], index: int, width: int, score_threshold: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    all_boxes, all_points, all_scores = [], [], []
    for stride in _STRIDES:
        class_score, objectness = (np.clip(outputs[f"{k}_{stride}"][index, :, 0], 0, 1) for k in ("cls", "obj"))
        scores = np.sqrt(class_score * objectness)
        (cells,) = np.nonzero(scores >= score_threshold)
        columns = width // stride
        origin = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
        box = outputs[f"bbox_{stride}"][index, cells]
        center = (origin + box[:, :2]) * stride
        half = np.exp(box[:, 2:]) * (stride / 2)
        all_boxes.append(np.concatenate([center - half, center + half], axis=1))
        all_points.append((outputs[f"kps_{stride}"][index, cells].reshape(-1, 5, 2) + origin[:, None]) * stride)
        all_scores.append(scores[cells])
    return np.concatenate(all_boxes), np.concatenate(all_points), np.concatenate(all_scores)
