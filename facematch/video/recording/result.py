"""Result of processing a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facematch.types import Alert

__all__ = ["VideoResult"]


@dataclass(frozen=True, slots=True, eq=False)
class VideoResult:
    """The outcome of :meth:`facematch.video.VideoPipeline.process`.

    Attributes:
        source: Name of the camera or recording.
        frames: Frames processed.
        seconds: Duration of the part of the recording that was processed, in seconds.
        fps_processed: Frames a second of wall time, both passes together.
        passages: Passages searched, with or without a candidate.
        alerts: One a passage with a candidate, in the order in which the passages ended.
        broken_frames: Damaged packets and frames met; they were skipped or concealed.
        interrupted: Whether processing was stopped before the end of the recording.
        refused_alerts: Passages with a candidate on which the policy refused an alert.
        annotated_video: The annotated video, where one was asked for.
        alerts_file: ``alerts.jsonl``, likewise.
        report: ``report.html``, likewise.
        notes: What a reader must know, such as a gallery larger than the threshold was tested with; usually empty.
    """

    source: str
    frames: int
    seconds: float
    fps_processed: float
    passages: int
    alerts: tuple[Alert, ...]
    broken_frames: int
    interrupted: bool
    refused_alerts: int = 0
    annotated_video: Path | None = None
    alerts_file: Path | None = None
    report: Path | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain data, ready for JSON."""
        paths = {"annotated_video": self.annotated_video, "alerts_file": self.alerts_file, "report": self.report}
        return {
            "source": self.source,
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "fps_processed": round(self.fps_processed, 2),
            "passages": self.passages,
            "alerts": [alert.to_dict() for alert in self.alerts],
            "broken_frames": self.broken_frames,
            "interrupted": self.interrupted,
            "refused_alerts": self.refused_alerts,
            "notes": list(self.notes),
            "paths": {name: None if path is None else str(path) for name, path in paths.items()},
        }
