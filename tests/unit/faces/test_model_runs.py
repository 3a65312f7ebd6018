"""What a picture costs, in runs of the models and not in seconds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pipeline.clocked import ClockedSessions
from pipeline.scenes import crowd, group, singles

from facematch.faces import FaceAnalyzer
from facematch.faces.detectors import grid
from facematch.models import open_pack
from facematch.protocols import Detector
from facematch.types import Face, Image


@pytest.mark.parametrize("threads", [1, 3])
def test_pictures_take_no_more_runs_than_they_need(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "helpers", lambda: 1)
    sessions = ClockedSessions(threads=threads)
    analyzer = FaceAnalyzer.from_pack("opencv", sessions=sessions)
    (faces,) = analyzer.detect([group()])
    alone = singles(group(), faces, 64)
    for pictures, runs in (([group()], 1 + 1), (alone[:1], 1 + 1), (alone, 11 + 2), ([crowd(group())], 1 + 1)):
        sessions.reset()
        analyzer.analyze(pictures)
        assert sessions.runs() == runs


@pytest.mark.parametrize("helping", [1, 15])
def test_pictures_are_shared_out_however_many_threads_there_are(helping: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "helpers", lambda: helping)
    sessions = ClockedSessions(threads=16)
    analyzer = FaceAnalyzer.from_pack("opencv", sessions=sessions)
    (faces,) = analyzer.detect([group()])
    sessions.reset()
    analyzer.detect(singles(group(), faces, 64))
    together, alone = (clocked.runs for clocked in sessions.opened[open_pack("opencv").manifest.detector.file])
    assert together == 0
    assert alone >= helping + 1


def test_no_picture_is_copied_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    analyzer, picture = FaceAnalyzer.from_pack("opencv"), group()
    given: list[Image] = []
    detect = type(analyzer.detector).detect

    def listening(detector: Detector, images: Sequence[Image]) -> list[list[Face]]:
        given.extend(images)
        return detect(detector, images)

    monkeypatch.setattr(type(analyzer.detector), "detect", listening)
    analyzer.detect([picture])
    assert len(given) == 1
    assert given[0] is picture
