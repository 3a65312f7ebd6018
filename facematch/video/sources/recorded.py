"""The protocol of recordings: sources of frames that can be read again, and know when and where they were made."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Protocol, runtime_checkable

from facematch.protocols import FrameSource

__all__ = ["RecordedSource"]


@runtime_checkable
class RecordedSource(FrameSource, Protocol):
    """A source that gives the same frames each time it is iterated, so that they can be drawn in a second pass."""

    @property
    def path(self) -> Path:
        """The file; no output may replace it."""
        ...

    @property
    def recorded_at(self) -> datetime | None:
        """Time of the first frame, UTC, or ``None`` where the recording does not say."""
        ...

    @property
    def estimated_frames(self) -> int | None:
        """Number of frames announced, or ``None`` where the recording does not say."""
        ...

    @property
    def broken_frames(self) -> int:
        """Damaged packets and frames met by the latest iteration."""
        ...

    @property
    def rate(self) -> Fraction:
        """Average frames a second, as the container's fraction."""
        ...

    @property
    def stored_size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels as stored, before the picture is turned upright."""
        ...

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """Width to height of one stored pixel, or ``None`` where the stream does not say."""
        ...
