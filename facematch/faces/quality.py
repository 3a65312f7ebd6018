"""Quality components of a face, from the picture and five landmarks alone.

Pose is found by fitting a rigid five-point head under scaled orthographic projection: with centered model points ``M``
and image points ``P``, the least-squares ``A = P M^+`` holds the first two rows of the scaled rotation (DeMenthon &
Davis, "Model-based object pose in 25 lines of code", IJCV 15, 1995, the first step of POSIT).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.faces.quality_net import QualityNet
from facematch.imaging import ARCFACE_112, aligned_crops
from facematch.types import Face, FaceQuality, Image

__all__ = ["assess", "head_pose", "unified_score"]

_SIDE: Final = 112
_DEPTH: Final = np.array([-6.0, -6.0, 14.0, -1.0, -1.0])
"""Depths by which eyes, nose tip and mouth corners stand out of a frontal face, in units of the 112-pixel template."""

_HEAD: Final = np.column_stack([ARCFACE_112.astype(np.float64), -_DEPTH])
_CENTERED: Final = _HEAD - _HEAD.mean(axis=0)
_FIT: Final = np.linalg.pinv(_CENTERED.T)


def head_pose(landmarks: NDArray[np.floating]) -> tuple[float, float, float]:
    """Yaw, pitch and roll of a head.

    Args:
        landmarks: ``(5, 2)`` in pixels.

    Returns:
        Degrees; see :class:`~facematch.types.FaceQuality`. Zeros are the pose of the alignment template. Good to some
        ten degrees: five points and one model of a head for all people.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    scaled = (points - points.mean(axis=0)).T @ _FIT  # (2, 3): the first two rows of the scaled rotation
    lengths = np.linalg.norm(scaled, axis=1)
    if not np.isfinite(lengths).all() or lengths.min() < 1e-9:
        return 0.0, 0.0, 0.0
    first, second = scaled / lengths[:, None]
    third = np.cross(first, second)
    turn, _, back = np.linalg.svd(np.stack([first, second, third / max(np.linalg.norm(third), 1e-9)]))
    rotation = turn @ back
    roll = math.atan2(rotation[1, 0], rotation[0, 0])
    cosine, sine = math.cos(roll), math.sin(roll)
    unrolled = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]]) @ rotation
    yaw = math.atan2(-unrolled[0, 2], unrolled[0, 0])
    pitch = math.atan2(-unrolled[1, 2], unrolled[1, 1])
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def assess(image: Image, faces: Sequence[Face], net: QualityNet | None = None) -> list[FaceQuality]:
    """Quality of faces in one picture.

    Args:
        image: BGR ``uint8`` ``(H, W, 3)``.
        faces: Faces found in it.
        net: A network for the unified score; without one it is made of the components.
    """
    if not faces:
        return []
    landmarks = np.stack([face.landmarks for face in faces])
    crops = aligned_crops(image, landmarks, ARCFACE_112, _SIDE)
    found = [_assess(crop, face) for crop, face in zip(crops, faces, strict=True)]
    if net is None:
        return found
    return [replace(quality, unified=float(score)) for quality, score in zip(found, net.scores(crops), strict=True)]


def _assess(crop: Image, face: Face) -> FaceQuality:
    gray = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)[24:104, 20:92].astype(np.float32)
    low, high = (float(v) for v in np.percentile(gray, (5, 95)))
    laplacian = cv2.Laplacian(gray, cv2.CV_32F)
    yaw, pitch, roll = head_pose(face.landmarks)
    values = {
        "inter_eye_px": float(np.linalg.norm(face.landmarks[0] - face.landmarks[1])),
        "sharpness": float(laplacian.var() / max(float(gray.var()), 1.0)),
        "brightness": float(gray.mean()),
        "dynamic_range": high - low,
        "clipped": float(np.mean((gray < 8) | (gray > 247))),
        "yaw": yaw,
        "pitch": pitch,
        "roll": roll,
        "visibility": face.detection_score,
    }
    return FaceQuality(**values, unified=unified_score(values))


def unified_score(components: dict[str, float]) -> float:
    """All components as one score.

    The product of each component's share of what is good enough for it, times 100: a face is as good as its parts
    together, and one part can spoil it. Ramps run from useless to good enough: eyes 8 to 40 px apart, sharpness 0.005
    to 0.08, brightness 15 to 60 and 250 to 220, dynamic range 15 to 80, clipping 60 to 20 %, yaw and pitch 70 to 15
    degrees, visibility 0.5 to 0.9.

    Args:
        components: As :class:`~facematch.types.FaceQuality` names them.

    Returns:
        0 to 100.
    """
    share = (
        _ramp(components["inter_eye_px"], 8, 40)
        * _ramp(math.log(max(components["sharpness"], 1e-6)), math.log(0.005), math.log(0.08))
        * _ramp(components["brightness"], 15, 60)
        * _ramp(components["brightness"], 250, 220)
        * _ramp(components["dynamic_range"], 15, 80)
        * _ramp(components["clipped"], 0.6, 0.2)
        * _ramp(abs(components["yaw"]), 70, 15)
        * _ramp(abs(components["pitch"]), 70, 15)
        * _ramp(components["visibility"], 0.5, 0.9)
    )
    return 100 * share


def _ramp(value: float, useless: float, good: float) -> float:
    return min(max((value - useless) / (good - useless), 0.0), 1.0)
