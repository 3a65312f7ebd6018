"""Detection, tracking and fusion of a video: frames in, passages out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facematch.protocols import Analyzer, FaintDetector
from facematch.types import Box, Face, Frame, Image
from facematch.video.passages.fusion import Shot, Track, divide, fuse, shot_quality
from facematch.video.passages.observer import AnalysisObserver, Sighting
from facematch.video.passages.regions_of_interest import Areas
from facematch.video.passages.scene_cuts import CutDetector
from facematch.video.passages.settings import PassageSettings
from facematch.video.passages.tracking import FaceTracker

__all__ = ["Analysis", "Passage"]

_log = logging.getLogger(__name__)

FAINT_FROM = 0.3
"""Detections from this score on are redacted, and may keep a track alive; they do not count for a passage."""


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """One person's way through the view, ready to be searched.

    Attributes:
        track: Number of its track.
        seen: ``(frame index, seconds)`` of each detection, in order.
        first: Index of the first frame in which it has a box, be it from a faint detection.
        last: Index of the last such frame.
        best: The best shot.
        probe: The face of the best shot with the passage's fused embedding.
        shots: Number of shots fused.
    """

    track: int
    seen: tuple[tuple[int, float], ...]
    first: int
    last: int
    best: Shot
    probe: Face
    shots: int

    @property
    def start_s(self) -> float:
        """First detection, in seconds from the first frame of the source."""
        return self.seen[0][1]

    @property
    def end_s(self) -> float:
        """Last detection, likewise."""
        return self.seen[-1][1]

    @property
    def frames(self) -> int:
        """Number of frames in which the face was detected."""
        return len(self.seen)

    @property
    def best_frame_s(self) -> float:
        """Time of the best shot, in seconds from the first frame."""
        return self.best.time_s

    @property
    def best_box(self) -> Box:
        """Box of the face in that frame."""
        return self.best.face.box


class Analysis:
    """Detects, tracks and fuses, batch by batch.

    Args:
        analyzer: Detector, aligner and embedder.
        rate: Average frames a second of the source.
        settings: What a track needs to be a passage, and how closely it is looked at.
        areas: Where in the view faces are looked for.
        observer: Is told where faces are, or ``None``.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        *,
        rate: float,
        settings: PassageSettings,
        areas: Areas | None = None,
        observer: AnalysisObserver | None = None,
    ) -> None:
        self._analyzer = analyzer
        self._settings = settings
        self._areas = areas or Areas()
        self._observer: AnalysisObserver = _NoObserver() if observer is None else observer
        self._cuts = CutDetector()
        self._tracker = FaceTracker(rate)
        self._open: dict[int, Track] = {}
        self._before: tuple[Frame, Sequence[Face], int] | None = None

    def step(self, frames: Sequence[Frame]) -> Iterator[list[Passage]]:
        """Take the next frames; yields the passages that ended, those of one moment together.

        Args:
            frames: Successive frames of the source; faces are looked for in all of them at once.
        """
        looked_at = [frame for frame in frames if frame.index % self._settings.every == 0]
        images: list[Image] = [frame.pixels for frame in looked_at]
        found = dict(zip((f.index for f in looked_at), self._detect(images), strict=True))
        for frame in frames:
            if self._cuts.is_cut(frame.pixels):
                self._observer.on_cut(frame.index)
                yield from self._finish(self._tracker.cut())
                self._before = None
            self._observer.on_frame(frame.time_s)
            if frame.index in found:
                yield from self._track(frame, *found[frame.index])

    def _detect(self, images: Sequence[Image]) -> list[tuple[list[Face], list[Face]]]:
        return self._areas.detect(self._detect_in, images) if images else []

    def _detect_in(self, images: Sequence[Image]) -> list[tuple[list[Face], list[Face]]]:
        if isinstance(self._analyzer, FaintDetector):
            return self._analyzer.detect_faint(images, FAINT_FROM)
        return [(faces, []) for faces in self._analyzer.detect(images)]

    def end(self) -> Iterator[list[Passage]]:
        """The source is over: yields the passages still open."""
        yield from self._finish(self._tracker.cut())

    def _track(self, frame: Frame, clear: list[Face], faint: list[Face]) -> Iterator[list[Passage]]:
        faces = [*clear, *faint]
        linked = self._tracker.update(faces, frame.time_s)
        yield from self._finish(linked.ended)
        if self._before is not None:
            earlier_frame, earlier_faces, clear_before = self._before
            for place, number in linked.earlier:
                self._see(number, earlier_frame, earlier_faces[place], counts=place < clear_before)
                self._observer.on_adopted(number, earlier_frame.index, earlier_faces[place].box)
        sightings: list[Sighting] = []
        for place, (face, track) in enumerate(zip(faces, linked.tracks, strict=True)):
            sightings.append(Sighting(face.box, track, clear=place < len(clear)))
            if track is not None:
                self._see(track, frame, face, counts=place < len(clear))
        self._observer.on_faces(frame.index, frame.time_s, sightings)
        self._before = (frame, faces, len(clear))

    def _see(self, number: int, frame: Frame, face: Face, *, counts: bool) -> None:
        track = self._open.setdefault(number, Track(number, self._settings.shots))
        track.boxed.append((frame.index, frame.time_s))
        if not counts:
            return
        track.seen.append((frame.index, frame.time_s))
        quality = shot_quality(face)
        if track.wants(frame.time_s, quality):
            crop = self._analyzer.align(frame.pixels, [face])[0]
            track.add(Shot(frame.index, frame.time_s, face, crop, quality))

    def _is_long_enough(self, seen: Sequence[tuple[int, float]]) -> bool:
        return len(seen) >= self._settings.min_frames and seen[-1][1] - seen[0][1] >= self._settings.min_seconds

    def _finish(self, numbers: Sequence[int]) -> Iterator[list[Passage]]:
        tracks = [self._open.pop(number) for number in numbers if number in self._open]
        tracks = [track for track in tracks if self._is_long_enough(track.seen)]
        if not tracks:
            return
        shots_of = [track.shots for track in tracks]
        vectors = self._analyzer.embed(np.stack([shot.crop for shots in shots_of for shot in shots]))
        passages: list[Passage] = []
        start = 0
        for track, all_shots in zip(tracks, shots_of, strict=True):
            mine = vectors[start : start + len(all_shots)]
            start += len(all_shots)
            parts = divide(mine, [shot.quality for shot in all_shots])
            if len(parts) > 1:
                _log.info("a track holds several people and was divided", extra={"parts": len(parts)})
            for part in parts:
                seen = _seen_in(track.seen, all_shots, part)
                if not self._is_long_enough(seen):
                    continue
                shots = all_shots[part]
                fusion = fuse(mine[part], [shot.quality for shot in shots], shots=self._settings.shots)
                best = shots[fusion.best]
                probe = best.face.with_embedding(fusion.embedding)
                boxed = _seen_in(track.boxed, all_shots, part)
                passages.append(Passage(track.number, seen, boxed[0][0], boxed[-1][0], best, probe, len(fusion.used)))
        if passages:
            yield passages


class _NoObserver:
    """Forgets everything."""

    def on_cut(self, frame: int) -> None:
        """Nothing."""

    def on_frame(self, time_s: float) -> None:
        """Nothing."""

    def on_adopted(self, track: int, frame: int, box: Box) -> None:
        """Nothing."""

    def on_faces(self, frame: int, time_s: float, sightings: Sequence[Sighting]) -> None:
        """Nothing."""


def _seen_in(seen: Sequence[tuple[int, float]], shots: Sequence[Shot], part: slice) -> tuple[tuple[int, float], ...]:
    """The detections that belong to some of a track's shots: neighbors are divided half way between."""
    low = -1.0 if part.start == 0 else (shots[part.start - 1].frame + shots[part.start].frame) / 2
    high = float("inf") if part.stop == len(shots) else (shots[part.stop - 1].frame + shots[part.stop].frame) / 2
    return tuple(item for item in seen if low < item[0] <= high)
