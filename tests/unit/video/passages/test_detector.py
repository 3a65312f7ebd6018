from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

import facematch.video.passages as package
from facematch.types import Box, Image
from facematch.video.passages.detector import Analysis, Passage
from facematch.video.passages.observer import AnalysisObserver, Sighting
from facematch.video.passages.settings import PassageSettings
from facematch.video.recording.timeline import Timeline
from tests.unit.video.support import Camera, ColorAnalyzer, ground, put


class Recorder:
    """Writes down everything that it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.cuts: list[int] = []
        self.times: list[float] = []
        self.adopted: list[tuple[int, int, Box]] = []
        self.faces: list[tuple[int, float, tuple[Sighting, ...]]] = []

    def on_cut(self, frame: int) -> None:
        self.told.append(f"cut {frame}")
        self.cuts.append(frame)

    def on_frame(self, time_s: float) -> None:
        self.told.append(f"frame {len(self.times)}")
        self.times.append(time_s)

    def on_adopted(self, track: int, frame: int, box: Box) -> None:
        self.adopted.append((track, frame, box))

    def on_faces(self, frame: int, time_s: float, sightings: Sequence[Sighting]) -> None:
        self.told.append(f"faces {frame}")
        self.faces.append((frame, time_s, tuple(sightings)))


def scene(count: int, *, cut: int | None = None) -> list[Image]:
    """Ana stands still; from frame ``cut`` on the ground is another one."""
    images = []
    for i in range(count):
        image = ground(seed=1 if cut is None or i < cut else 2)
        put(image, "ana", 60, 40)
        images.append(image)
    return images


def analyze(
    images: list[Image], observer: AnalysisObserver | None = None, settings: PassageSettings | None = None
) -> list[Passage]:
    analysis = Analysis(ColorAnalyzer(), rate=25.0, settings=settings or PassageSettings(), observer=observer)
    frames = list(Camera(images))
    groups = [*analysis.step(frames[:7]), *analysis.step(frames[7:]), *analysis.end()]
    return [passage for group in groups for passage in group]


def test_a_passage_says_what_an_alert_needs() -> None:
    (passage,) = analyze(scene(12))
    assert (passage.frames, passage.start_s, passage.end_s) == (12, 0.0, 11 / 25)
    assert passage.best_frame_s in {i / 25 for i in range(12)}
    assert passage.best_box == passage.best.face.box


def test_an_observer_is_told_frames_cuts_and_faces_in_order() -> None:
    recorder = Recorder()
    analyze(scene(12, cut=6), recorder)
    assert recorder.cuts == [6]
    assert recorder.times == [i / 25 for i in range(12)]
    assert [(frame, time_s) for frame, time_s, _ in recorder.faces] == [(i, i / 25) for i in range(12)]
    at = recorder.told.index("cut 6")
    assert recorder.told[at - 1 : at + 3] == ["faces 5", "cut 6", "frame 6", "faces 6"]


def test_a_detection_told_without_a_track_is_adopted_by_it_later() -> None:
    recorder = Recorder()
    analyze(scene(4), recorder)
    _, _, first = recorder.faces[0]
    assert [(sighting.track, sighting.clear) for sighting in first] == [(None, True)]
    ((track, frame, box),) = recorder.adopted
    assert (frame, box) == (0, first[0].box)
    assert [sighting.track for sighting in recorder.faces[-1][2]] == [track]


def test_faces_are_told_only_of_frames_that_were_looked_at() -> None:
    recorder = Recorder()
    analyze(scene(12), recorder, PassageSettings(every=5))
    assert [frame for frame, _, _ in recorder.faces] == [0, 5, 10]
    assert len(recorder.times) == 12


@pytest.mark.parametrize(("seconds", "passages"), [(0.44, 1), (0.45, 0)])
def test_seconds_that_a_passage_needs(seconds: float, passages: int) -> None:
    assert len(analyze(scene(12), settings=PassageSettings(min_seconds=seconds))) == passages


@pytest.mark.parametrize(("frames", "passages"), [(12, 1), (13, 0)])
def test_frames_that_a_passage_needs(frames: int, passages: int) -> None:
    assert len(analyze(scene(12), settings=PassageSettings(min_frames=frames))) == passages


def test_passages_are_the_same_with_and_without_an_observer() -> None:
    timeline = Timeline()
    observed, alone = analyze(scene(20, cut=9), timeline), analyze(scene(20, cut=9))
    assert [passage.seen for passage in observed] == [passage.seen for passage in alone]
    assert len(observed) == 2
    assert (timeline.cuts, len(timeline.times)) == ([9], 20)
    assert [count for _, count in timeline.counts] == [1] * 20


def test_passages_know_nothing_of_recordings() -> None:
    imported = {
        node.module
        for path in Path(package.__path__[0]).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module is not None
    }
    assert "facematch.video.passages.fusion" in imported
    assert not [name for name in imported if name.startswith(("facematch.video.recording", "facematch.video.sources"))]
