"""The protocol of what is told where faces were seen: the recorder of the annotated video; live video has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from facematch.types import Box

__all__ = ["AnalysisObserver", "Sighting"]


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A detection in one frame.

    Attributes:
        box: ``xyxy`` in pixels.
        track: Number of its track; ``None`` where it belongs to no confirmed track, yet or at all.
        clear: Whether its score reaches the detector's threshold; faint ones are redacted and never searched.
    """

    box: Box
    track: int | None
    clear: bool


class AnalysisObserver(Protocol):
    """Follows an analysis: boxes and counts only, no crops and no embeddings."""

    def on_cut(self, frame: int) -> None:
        """A new scene begins with the frame of that index; told before the frame itself."""
        ...

    def on_frame(self, time_s: float) -> None:
        """The next frame; ``time_s`` in seconds from the first."""
        ...

    def on_adopted(self, track: int, frame: int, box: Box) -> None:
        """A detection that was told without a track, in an earlier frame, turned out to begin one."""
        ...

    def on_faces(self, frame: int, time_s: float, sightings: Sequence[Sighting]) -> None:
        """All detections of a frame in which faces were looked for."""
        ...
