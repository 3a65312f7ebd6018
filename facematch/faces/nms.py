"""Greedy non-maximum suppression, vectorised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.types import FloatArray

__all__ = ["non_maximum_suppression"]


def non_maximum_suppression(boxes: FloatArray, scores: FloatArray, iou_threshold: float) -> NDArray[np.intp]:
    """Indices of the boxes that stay, highest score first.

    A box goes when its intersection over union with a better box that stays is above the threshold. Equal scores keep
    their order.

    Args:
        boxes: ``(N, 4)`` ``xyxy``.
        scores: ``(N,)``.
        iou_threshold: In ``[0, 1]``.

    Returns:
        ``(M,)`` indices into ``boxes``.
    """
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = boxes[order].T
    area = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)
    alive = np.ones(len(order), dtype=bool)
    kept: list[int] = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(i)
        width = np.minimum(x2[i], x2[i + 1 :]) - np.maximum(x1[i], x1[i + 1 :])
        height = np.minimum(y2[i], y2[i + 1 :]) - np.maximum(y1[i], y1[i + 1 :])
        overlap = np.maximum(width, 0) * np.maximum(height, 0)
        alive[i + 1 :] &= overlap <= iou_threshold * (area[i] + area[i + 1 :] - overlap)
    return order[kept]
