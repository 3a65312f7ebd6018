"""The quality of a face in a picture, in components that a person can act on, and the gate that enrollment applies."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from facematch.errors import InvalidArgument

__all__ = ["FaceQuality", "QualityGate"]


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """Quality components in the manner of ISO/IEC 29794-5, from the picture and five landmarks; no conformance claimed.

    Attributes:
        inter_eye_px: Distance of the eyes in pixels of the picture.
        sharpness: Energy of the Laplacian over the face relative to its contrast; about 0.02 for a blurred and above
            0.1 for a sharp face.
        brightness: Mean luminance over the face, 0 to 255.
        dynamic_range: Luminance between the 5th and the 95th percentile, 0 to 255.
        clipped: Share of the face that is black (below 8) or white (above 247), in ``[0, 1]``.
        yaw: Turn to the side in degrees; positive towards the subject's left.
        pitch: Nod in degrees against a frontal reference; positive downwards.
        roll: Tilt in the picture plane in degrees; positive clockwise in the picture.
        visibility: The detector's score in ``[0, 1]``, a proxy for occlusion: masks, hands and hair lower it.
        unified: One score, 0 to 100: from the pack's quality network, or else made of the components by
            ``facematch.faces.quality.unified_score``.
    """

    inter_eye_px: float
    sharpness: float
    brightness: float
    dynamic_range: float
    clipped: float
    yaw: float
    pitch: float
    roll: float
    visibility: float
    unified: float

    def to_dict(self) -> dict[str, float]:
        """The components as plain numbers."""
        return {field.name: round(float(getattr(self, field.name)), 4) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class QualityGate:
    """Quality gate: limits that a face must keep to be enrolled.

    Attributes:
        min_face_height_px: Least height of the face's box in pixels.
        min_detection_score: Least detection score in ``[0, 1]``.
        min_inter_eye_px: Least distance of the eyes in pixels.
        min_sharpness: Least sharpness.
        min_brightness: Least mean luminance.
        max_brightness: Greatest mean luminance.
        min_dynamic_range: Least dynamic range.
        max_clipped: Greatest share of black or white pixels.
        max_yaw: Greatest turn to either side in degrees.
        max_pitch: Greatest nod either way in degrees.
        max_roll: Greatest tilt either way in degrees.

    Raises:
        InvalidArgument: A limit is not a number, or out of its range.
    """

    min_face_height_px: float = 40.0
    min_detection_score: float = 0.8
    min_inter_eye_px: float = 20.0
    min_sharpness: float = 0.02
    min_brightness: float = 25.0
    max_brightness: float = 235.0
    min_dynamic_range: float = 40.0
    max_clipped: float = 0.35
    max_yaw: float = 45.0
    max_pitch: float = 40.0
    max_roll: float = 45.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value: Any = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
                raise InvalidArgument(f"{field.name} must be a number, got {value!r}")
        for name, top in (("min_face_height_px", math.inf), ("min_detection_score", 1.0)):
            if not 0.0 <= getattr(self, name) <= top:
                raise InvalidArgument(
                    f"{name} must be a number from 0 to {top:g}, got {getattr(self, name)!r}",
                    hint="leave it out for the default",
                )

    def failures(self, quality: FaceQuality) -> dict[str, str]:
        """The components that fail: name to value and limit in words; empty when the face passes.

        The face's height and detection score are no quality components; enrollment checks them before it measures any.
        """
        lower = {
            "inter_eye_px": self.min_inter_eye_px,
            "sharpness": self.min_sharpness,
            "brightness": self.min_brightness,
            "dynamic_range": self.min_dynamic_range,
        }
        upper = {"brightness": self.max_brightness, "clipped": self.max_clipped}
        turned = {"yaw": self.max_yaw, "pitch": self.max_pitch, "roll": self.max_roll}
        found = {}
        for name, limit in lower.items():
            if getattr(quality, name) < limit:
                found[name] = f"{getattr(quality, name):.3g}, at least {limit:g}"
        for name, limit in upper.items():
            if getattr(quality, name) > limit:
                found[name] = f"{getattr(quality, name):.3g}, at most {limit:g}"
        for name, limit in turned.items():
            if abs(getattr(quality, name)) > limit:
                found[name] = f"{getattr(quality, name):.0f} degrees, at most {limit:g} either way"
        return found
