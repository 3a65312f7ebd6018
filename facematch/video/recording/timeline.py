"""Timeline of a recording: sightings by frame and place, kept while it is processed, for drawing in a second pass.

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
from facematch.video.passages.observer import Sighting

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
        decision: The candidate shown here; ``None`` for a person who must not be recognizable.
        certain: Whether a face was clearly detected here in this frame (or just before and just after it), rather than
            faintly, or supposed to be here because it was seen a moment ago.
    """

    box: Box
    decision: Decision | None
    certain: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    frame: int
    box: Box
    clear: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    first: int
    boxes: FloatArray
    decision: Decision | None
    sure: NDArray[np.bool_]
    """Whether the face was clearly detected in the frame, or just before and just after it."""

    @property
    def last(self) -> int:
        return self.first + len(self.boxes) - 1

    def region(self, frame: int) -> Region:
        at = frame - self.first
        return Region(Box(*map(float, self.boxes[at])), self.decision, bool(self.sure[at]))


@dataclass(slots=True)
class Timeline:
    """The record of one pass over a recording; an observer of its analysis.

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
    _tracks: dict[int, list[_Seen]] = field(default_factory=dict)
    _loose: dict[int, list[_Seen]] = field(default_factory=dict)

    def add_tracked(self, track: int, frame: int, box: Box, *, clear: bool = True) -> None:
        """A detection of a confirmed track; not ``clear`` if it is a faint one."""
        self._tracks.setdefault(track, []).append(_Seen(frame, box, clear))

    def add_loose(self, frame: int, box: Box, *, clear: bool = True) -> None:
        """A detection that belongs to no confirmed track, yet or at all."""
        self._loose.setdefault(frame, []).append(_Seen(frame, box, clear))

    def on_cut(self, frame: int) -> None:
        """A new scene begins with the frame of that index."""
        self.cuts.append(frame)

    def on_frame(self, time_s: float) -> None:
        """The next frame, in seconds from the first."""
        self.times.append(time_s)

    def on_faces(self, frame: int, time_s: float, sightings: Sequence[Sighting]) -> None:
        """All detections of a frame in which faces were looked for."""
        for sighting in sightings:
            if sighting.track is None:
                self.add_loose(frame, sighting.box, clear=sighting.clear)
            else:
                self.add_tracked(sighting.track, frame, sighting.box, clear=sighting.clear)
        self.counts.append((time_s, sum(sighting.clear for sighting in sightings)))

    def on_adopted(self, track: int, frame: int, box: Box) -> None:
        """A detection handed in as loose turned out to begin a track."""
        loose = self._loose[frame]
        self._tracks.setdefault(track, []).extend(s for s in loose if s.box is box)
        self._loose[frame] = [s for s in loose if s.box is not box]

    def regions(self) -> Iterator[list[Region]]:
        """Regions to redact and to draw, frame by frame in order.

        Boxes are interpolated between the detections of a track. Regions without a decision also reach
        :data:`MARGIN_S` beyond both ends, but never across a cut. Where a candidate's face was detected, a region that
        lies in it is left out: it is the same face found twice, or the margin of a person who is not there.
        """
        waiting = sorted(self._spans(), key=lambda span: span.first, reverse=True)
        active: list[_Span] = []
        for frame in range(len(self.times)):
            while waiting and waiting[-1].first <= frame:
                active.append(waiting.pop())
            active = [span for span in active if span.last >= frame]
            here = [span.region(frame) for span in active]
            own = [region.box for region in here if region.decision is not None and region.certain]
            yield [r for r in here if r.decision is not None or not any(_is_own(r.box, face) for face in own)]

    def _spans(self) -> Iterator[_Span]:
        for track, seen in self._tracks.items():
            for decision, part in self._parts(track, sorted(seen, key=lambda sighting: sighting.frame)):
                span = _Span(part[0].frame, _interpolate(part), decision, self._sure(part))
                yield span if decision is not None else self._with_margin(span)
        for loose in itertools.chain.from_iterable(self._loose.values()):
            row = np.array([loose.box.as_tuple()], dtype=np.float32)
            yield self._with_margin(_Span(loose.frame, row, None, np.array([loose.clear])))

    def _sure(self, part: Sequence[_Seen]) -> NDArray[np.bool_]:
        start = part[0].frame
        sure = np.zeros(part[-1].frame - start + 1, dtype=np.bool_)
        clear = [sighting.frame for sighting in part if sighting.clear]
        sure[np.array(clear, dtype=np.int64) - start] = True
        for before, after in itertools.pairwise(clear):
            if after - before <= _SURE_GAP * self.every:
                sure[before - start : after - start] = True
        return sure

    def _parts(self, track: int, seen: list[_Seen]) -> Iterator[tuple[Decision | None, list[_Seen]]]:
        """The track's detections, divided where a decision begins or ends."""
        mine = [d for d in self.decisions if d.track == track]
        part: list[_Seen] = []
        owner: Decision | None = None
        for sighting in seen:
            now = next((d for d in mine if d.first <= sighting.frame <= d.last), None)
            if part and now is not owner:
                yield owner, part
                part = []
            owner = now
            part.append(sighting)
        if part:
            yield owner, part

    def _with_margin(self, span: _Span) -> _Span:
        first, last, boxes = span.first, span.last, span.boxes
        at = bisect.bisect_right(self.cuts, first)
        scene_start = self.cuts[at - 1] if at else 0
        later = bisect.bisect_right(self.cuts, last)
        scene_end = (self.cuts[later] if later < len(self.cuts) else len(self.times)) - 1
        start = max(scene_start, bisect.bisect_left(self.times, self.times[first] - MARGIN_S))
        end = min(scene_end, bisect.bisect_right(self.times, self.times[last] + MARGIN_S) - 1)
        before = [_grown(boxes[0], first - frame) for frame in range(start, first)]
        after = [_grown(boxes[-1], frame - last) for frame in range(last + 1, end + 1)]
        rows = np.array([*before, *boxes, *after], dtype=np.float32)
        return _Span(first - len(before), rows, None, np.pad(span.sure, (len(before), len(after))))


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


def _interpolate(seen: Sequence[_Seen]) -> FloatArray:
    frames = np.array([sighting.frame for sighting in seen])
    rows = np.array([sighting.box.as_tuple() for sighting in seen], dtype=np.float64)
    every = np.arange(frames[0], frames[-1] + 1)
    boxes = np.stack([np.interp(every, frames, rows[:, column]) for column in range(4)], axis=1)
    return boxes.astype(np.float32)
