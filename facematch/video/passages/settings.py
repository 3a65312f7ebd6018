"""Settings of passages: what a track needs to be searched, and how closely it is looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass

from facematch.errors import InvalidArgument
from facematch.video.passages.fusion import SHOTS

__all__ = ["PassageSettings", "check_count"]

_HINT = "leave it out for the default"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageSettings:
    """Settings of passages, checked.

    Attributes:
        min_frames: A track detected in fewer frames is no passage; nothing of it is embedded. At least 1.
        min_seconds: Likewise a track whose first and last detection lie closer together, in seconds. At least 0.
        every: Faces are looked for in every n-th frame, at least 1.
        shots: Most shots fused into a template, at least 1.

    Raises:
        InvalidArgument: A number is out of range.
    """

    min_frames: int = 3
    min_seconds: float = 0.0
    every: int = 1
    shots: int = SHOTS

    def __post_init__(self) -> None:
        for name in ("min_frames", "every", "shots"):
            check_count(name, getattr(self, name))
        seconds: object = self.min_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
            raise InvalidArgument(f"min_seconds must be a number of at least 0, got {seconds!r}", hint=_HINT)


def check_count(name: str, value: object) -> None:
    """Refuse what is no whole number of at least 1.

    Raises:
        InvalidArgument: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgument(f"{name} must be a whole number of at least 1, got {value!r}", hint=_HINT)
