"""Five-point alignment: the similarity transform that brings a face's landmarks onto a template."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.types import FloatArray, Image

__all__ = ["ARCFACE_112", "aligned_crops", "similarity_transforms"]

ARCFACE_112: Final[FloatArray] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype=np.float32,
)
"""Landmark positions in a 112 x 112 crop, as the ArcFace family and SFace were trained with."""
ARCFACE_112.setflags(write=False)


def similarity_transforms(landmarks: NDArray[np.floating], template: NDArray[np.floating]) -> NDArray[np.float64]:
    """Least-squares similarity transforms from landmarks to a template.

    The minimiser of ``sum |s R x_i + t - y_i|^2`` over scale, rotation and translation, after Umeyama, "Least-squares
    estimation of transformation parameters between two point patterns", TPAMI 13(4), 1991. In the plane it has a
    closed form without a decomposition: with centered points as complex numbers, ``s e^{i phi} = sum conj(x) y / sum
    |x|^2``. A rotation is always found; a mirrored solution is excluded, as in Umeyama's.

    Args:
        landmarks: ``(N, P, 2)`` points, ``P >= 2``.
        template: ``(P, 2)`` points they are brought onto.

    Returns:
        ``(N, 2, 3)`` ``float64`` matrices for ``cv2.warpAffine``. Rows whose landmarks coincide or are not finite
        are all NaN.

    Raises:
        InvalidArgument: The shapes do not fit.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    target = np.asarray(template, dtype=np.float64)
    if points.ndim != 3 or points.shape[2] != 2 or target.shape != points.shape[1:] or len(target) < 2:
        raise InvalidArgument(
            f"landmarks (N, P, 2) and a template (P, 2) with P >= 2 are needed, got {points.shape} and {target.shape}"
        )
    source_mean = points.mean(axis=1)
    target_mean = target.mean(axis=0)
    x = (points - source_mean[:, None]) @ np.array([1, 1j])
    y = (target - target_mean) @ np.array([1, 1j])
    spread = (x.real**2 + x.imag**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(spread > 1e-12, (x.conj() * y).sum(axis=1) / spread, complex(np.nan, np.nan))
    matrices = np.empty((len(points), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = factor.real
    matrices[:, 1, 0] = factor.imag
    matrices[:, 0, 1] = -factor.imag
    matrices[:, :, 2] = target_mean - np.einsum("nij,nj->ni", matrices[:, :, :2], source_mean)
    return matrices


def aligned_crops(image: Image, landmarks: NDArray[np.floating], template: FloatArray, size: int) -> Image:
    """Aligned square crops of the faces in one picture.

    Args:
        image: BGR ``uint8`` ``(H, W, 3)``.
        landmarks: ``(N, 5, 2)`` in pixels of ``image``.
        template: ``(5, 2)`` landmark positions in the crop.
        size: Side of the crop in pixels.

    Returns:
        ``(N, size, size, 3)`` ``uint8``; bilinear, black outside the picture. A face whose landmarks coincide gives
        a black crop.
    """
    crops = np.zeros((len(landmarks), size, size, 3), dtype=np.uint8)
    if len(landmarks):
        for crop, matrix in zip(crops, similarity_transforms(landmarks, template), strict=True):
            if np.isfinite(matrix).all():
                cv2.warpAffine(image, matrix, (size, size), dst=crop, flags=cv2.INTER_LINEAR)
    return crops
