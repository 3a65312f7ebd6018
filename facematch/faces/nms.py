"""Greedy non-maximum suppression, as OpenCV does it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.types import FloatArray

__all__ = ["non_maximum_suppression"]


def non_maximum_suppression(boxes: FloatArray, scores: FloatArray, iou_threshold: float) -> NDArray[np.intp]:
    """Indices of the boxes that stay, highest score first.

    A box goes when its intersection over union with a better box that stays is above the threshold. Equal scores keep
    their order. A box of score 0 goes.

    Args:
        boxes: ``(N, 4)`` ``xyxy``.
        scores: ``(N,)``, none negative.
        iou_threshold: In ``[0, 1]``.

    Returns:
        ``(M,)`` indices into ``boxes``.
    """
    corners = np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:] - boxes[:, :2], 0)], axis=1, dtype=np.float64)
    kept = cv2.dnn.NMSBoxes(corners.tolist(), scores.tolist(), 0.0, iou_threshold)  # lists: it reads arrays more slowly
    return np.asarray(kept, dtype=np.intp).reshape(-1)
