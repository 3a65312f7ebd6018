"""What was seen where and when, kept while a recording is processed so that it can be drawn in a second pass.

Only boxes and counts are kept, no crops and no embeddings, and nothing of it is written to a file.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facematch.types import Alert, Box, FloatArray

__all__ = ["Decision", "Region", "Timeline"]

MARGIN_S = 0.4
"""People who are not candidates stay redacted for this long before their first and after their last detection."""

_GROWTH = 0.03
"""Growth of a held box a frame, for the face may be moving; at most ``_MAX_GROWTH``."""

_MAX_GROWTH = 0.35
_INSIDE = 0.7
_ALIKE = 0.5
"""A region with such a share inside a candidate's detected box, or such an IoU with it, is the candidate's own face."""

_SURE_GAP = 3
"""Frames (times ``every``) between two detections of a candidate over which the face is certainly still there."""


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """An alert and the part of a track that it stands for.

    Attributes:
        alert: The alert.
        track: Track number.
        first: Index of the passage's first frame.
        last: Index of its last frame.
        best_frame: Index of the frame of its best shot.
    """

    alert: Alert
    track: int
    first: int
    last: int
    best_frame: int


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A rectangle of one frame.

    Attributes:
        box: ``xyxy`` in pixels.
        decision: The candidate shown here; ``None`` for a person who must not be recognisable.
    """

    box: Box
    decision: Decision | None


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    first: int
    boxes: FloatArray
    decision: Decision | None
    sure: NDArray[np.bool_]
    """Whether the face was detected in the frame, or just before and just after it."""

    @property
    def last(self) -> int:
        return self.first + len(self.boxes) - 1


@dataclass(slots=True)
class Timeline:
    """The record of one pass over a recording.

    Attributes:
        every: Faces were looked for in every n-th frame.
        times: Seconds of each frame, by index.
        counts: ``(seconds, number of faces)`` of each frame in which faces were looked for.
        cuts: Indices of the frames that begin a new scene.
        decisions: The alerts with their places.
    """

    every: int = 1
    times: list[float] = field(default_factory=list)
    counts: list[tuple[float, int]] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    _tracks: dict[int, list[tuple[int, Box]]] = field(default_factory=dict)
    _loose: dict[int, list[Box]] = field(default_factory=dict)

    def add_tracked(self, track: int, frame: int, box: Box) -> None:
        """A detection of a confirmed track."""
        self._tracks.setdefault(track, []).append((frame, box))

    def add_loose(self, frame: int, boxes: Sequence[Box]) -> None:
        """Detections that belong to no confirmed track, yet or at all."""
        if boxes:
            self._loose.setdefault(frame, []).extend(boxes)

    def adopt(self, track: int, frame: int, box: Box) -> None:
        """A detection handed in as loose turned out to begin a track."""
        self._loose[frame] = [b for b in self._loose[frame] if b is not box]
        self.add_tracked(track, frame, box)

    def regions(self) -> Iterator[list[Region]]:
        """What to redact and what to draw, frame by frame in order.

        Boxes are interpolated between the detections of a track. Regions without a decision also reach
        :data:`MARGIN_S` beyond both ends, but never across a cut. Where a candidate's face was detected, a region that
        lies in it is left out: it is the same face found twice, or the margin of somebody who is not there.
        """
        waiting = sorted(self._spans(), key=lambda span: span.first, reverse=True)
        active: list[_Span] = []
        for frame in range(len(self.times)):
            while waiting and waiting[-1].first <= frame:
                active.append(waiting.pop())
            active = [span for span in active if span.last >= frame]
            here = [(span, Box(*map(float, span.boxes[frame - span.first]))) for span in active]
            own = [box for span, box in here if span.decision is not None and span.sure[frame - span.first]]
            yield [
                Region(box, span.decision)
                for span, box in here
                if span.decision is not None or not any(_is_own(box, face) for face in own)
            ]

    def _spans(self) -> Iterator[_Span]:
        for track, seen in self._tracks.items():
            for decision, part in self._parts(track, sorted(seen, key=lambda item: item[0])):
                if decision is None:
                    yield self._with_margin(*_interpolate(part))
                else:
                    first, boxes = _interpolate(part)
                    yield _Span(first, boxes, decision, self._sure([frame for frame, _ in part]))
        for frame, loose in self._loose.items():
            for box in loose:
                yield self._with_margin(frame, np.array([box.as_tuple()], dtype=np.float32))

    def _sure(self, frames: Sequence[int]) -> NDArray[np.bool_]:
        sure = np.zeros(frames[-1] - frames[0] + 1, dtype=np.bool_)
        sure[np.array(frames) - frames[0]] = True
        for before, after in itertools.pairwise(frames):
            if after - before <= _SURE_GAP * self.every:
                sure[before - frames[0] : after - frames[0]] = True
        return sure

    def _parts(
        self, track: int, seen: list[tuple[int, Box]]
    ) -> Iterator[tuple[Decision | None, list[tuple[int, Box]]]]:
        """The track's detections, divided where a decision begins or ends."""
        mine = [d for d in self.decisions if d.track == track]
        part: list[tuple[int, Box]] = []
        owner: Decision | None = None
        for frame, box in seen:
            now = next((d for d in mine if d.first <= frame <= d.last), None)
            if part and now is not owner:
                yield owner, part
                part = []
            owner = now
            part.append((frame, box))
        if part:
            yield owner, part

    def _with_margin(self, first: int, boxes: FloatArray) -> _Span:
        last = first + len(boxes) - 1
        at = bisect.bisect_right(self.cuts, first)
        scene_start = self.cuts[at - 1] if at else 0
        later = bisect.bisect_right(self.cuts, last)
        scene_end = (self.cuts[later] if later < len(self.cuts) else len(self.times)) - 1
        start = max(scene_start, bisect.bisect_left(self.times, self.times[first] - MARGIN_S))
        end = min(scene_end, bisect.bisect_right(self.times, self.times[last] + MARGIN_S) - 1)
        before = [_grown(boxes[0], first - frame) for frame in range(start, first)]
        after = [_grown(boxes[-1], frame - last) for frame in range(last + 1, end + 1)]
        rows = np.array([*before, *boxes, *after], dtype=np.float32)
        return _Span(min(start, first), rows, None, np.zeros(len(rows), dtype=np.bool_))


def _is_own(box: Box, face: Box) -> bool:
    """Whether ``box`` shows nothing but the candidate's ``face``."""
    width = min(box.x2, face.x2) - max(box.x1, face.x1)
    height = min(box.y2, face.y2) - max(box.y1, face.y1)
    if width <= 0 or height <= 0:
        return False
    return width * height >= _INSIDE * box.area or box.iou(face) >= _ALIKE


def _grown(row: FloatArray, frames: int) -> FloatArray:
    box = Box(*map(float, row)).expanded(min(_GROWTH * frames, _MAX_GROWTH))
    return np.array(box.as_tuple(), dtype=np.float32)


def _interpolate(seen: list[tuple[int, Box]]) -> tuple[int, FloatArray]:
    frames = np.array([frame for frame, _ in seen])
    rows = np.array([box.as_tuple() for _, box in seen], dtype=np.float64)
    every = np.arange(frames[0], frames[-1] + 1)
    boxes = np.stack([np.interp(every, frames, rows[:, column]) for column in range(4)], axis=1)
    return int(frames[0]), boxes.astype(np.float32)
