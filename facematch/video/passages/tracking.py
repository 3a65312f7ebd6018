"""Tracking: detections that belong to one person, by ByteTrack association, bounded by scene cuts.

Only public behavior of ``trackers`` is used. Its ids start anew after a reset, and a face is unconfirmed in the frame
in which it first appears; both are evened out here: track numbers are unique for a whole recording, and the first
sighting is handed in with the second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facematch.extras import require
from facematch.types import Box, Face

__all__ = ["Association", "FaceTracker"]

LOST_AFTER_S = 1.0
"""A track that is not seen for this long has ended; a face that comes back later is a new passage."""

_NOMINAL_RATE = 30.0
_MIN_IOU = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Association:
    """Outcome of tracking one frame.

    Attributes:
        tracks: A track number for each face, in the faces' order; ``None`` while it belongs to no confirmed track.
        earlier: ``(index of a loose face of the frame before, track number)`` for tracks confirmed by this frame.
        ended: Tracks that ended before this frame and will not be heard of again.
    """

    tracks: tuple[int | None, ...]
    earlier: tuple[tuple[int, int], ...]
    ended: tuple[int, ...]


class FaceTracker:
    """Links the detections of successive frames into tracks.

    Args:
        rate: Frames a second that the tracker will be shown; scales its motion model.
        start_score: A detection below this starts no track; it may continue one.
        lost_after_s: Seconds without a detection after which a track has ended.

    Raises:
        MissingExtra: The extra ``video`` is not installed.
    """

    def __init__(
        self, rate: float = _NOMINAL_RATE, *, start_score: float = 0.6, lost_after_s: float = LOST_AFTER_S
    ) -> None:
        self._supervision: Any = require("supervision", extra="video", what="video needs")
        self._lost_after_s = lost_after_s
        self._tracker: Any = require("trackers", extra="video", what="video needs").ByteTrackTracker(
            # in units of 1/30 s whatever the rate, as time stamps are given
            lost_track_buffer=max(1, round(lost_after_s * _NOMINAL_RATE)),
            frame_rate=rate,
            track_activation_threshold=start_score,
            high_conf_det_threshold=start_score,
            minimum_consecutive_frames=2,
            minimum_iou_threshold=_MIN_IOU,
        )
        self._numbers: dict[int, int] = {}
        self._last_seen: dict[int, float] = {}
        self._next = 0
        self._loose: list[tuple[int, Box]] = []

    def update(self, faces: Sequence[Face], time_s: float) -> Association:
        """Take the faces of one frame.

        Args:
            faces: Detections of the frame.
            time_s: Time of the frame in seconds; larger than at the call before.
        """
        ended = self._end(lambda number: time_s - self._last_seen[number] > self._lost_after_s)
        raw = self._associate(faces, time_s)
        tracks: list[int | None] = []
        earlier: list[tuple[int, int]] = []
        for face, tracker_id in zip(faces, raw, strict=True):
            if tracker_id < 0:
                tracks.append(None)
                continue
            number = self._numbers.get(tracker_id)
            if number is None:
                number, self._next = self._next, self._next + 1
                self._numbers[tracker_id] = number
                before = self._claim(face.box)
                if before is not None:
                    earlier.append((before, number))
            self._last_seen[number] = time_s
            tracks.append(number)
        self._loose = [(i, faces[i].box) for i, number in enumerate(tracks) if number is None]
        return Association(tuple(tracks), tuple(earlier), ended)

    def _associate(self, faces: Sequence[Face], time_s: float) -> list[int]:
        count = len(faces)
        detections = self._supervision.Detections(
            xyxy=np.array([f.box.as_tuple() for f in faces], dtype=np.float32).reshape(count, 4),
            confidence=np.array([f.detection_score for f in faces], dtype=np.float32),
            class_id=np.arange(count),  # the tracker may reorder: this brings each answer back to its face
        )
        answer = self._tracker.update(detections, timestamp=time_s)
        ids = [-1] * count
        if len(answer):
            for place, tracker_id in zip(answer.class_id, answer.tracker_id, strict=True):
                ids[int(place)] = int(tracker_id)
        return ids

    def _claim(self, box: Box) -> int | None:
        """The unconfirmed face of the frame before that began this track."""
        overlaps = [(box.iou(loose), place) for place, (_, loose) in enumerate(self._loose)]
        best = max(overlaps, default=(0.0, -1))
        return self._loose.pop(best[1])[0] if best[0] >= _MIN_IOU else None

    def _end(self, over: Callable[[int], bool]) -> tuple[int, ...]:
        ended = tuple(number for number in self._last_seen if over(number))
        for number in ended:
            del self._last_seen[number]
        self._numbers = {k: v for k, v in self._numbers.items() if v not in ended}
        return ended

    def cut(self) -> tuple[int, ...]:
        """A new scene begins: end every track and forget all motion; returns the tracks that ended."""
        ended = self._end(lambda _: True)
        self._tracker.reset()
        self._numbers.clear()
        self._loose = []
        return ended
