"""An analyzer for many threads gives each what it gives one, and runs their pictures together."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from facematch.errors import AnalyzerBusy, InvalidArgument
from facematch.faces import FaceAnalyzer
from facematch.faces.provenance import describe_analysis
from facematch.protocols import Analyzer, FaintDetector, QualityAssessor
from facematch.types import Face, Image

pytestmark = pytest.mark.alone


def same(found: list[Face], expected: list[Face]) -> bool:
    return len(found) == len(expected) and all(
        ours.box.iou(theirs.box) > 0.99
        and ours.embedding is not None
        and theirs.embedding is not None
        and float(ours.embedding @ theirs.embedding) > 0.9999
        for ours, theirs in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("turns", [6, pytest.param(10, marks=pytest.mark.slow)])
def test_cameras_get_what_each_would_get_alone(
    analyzer: FaceAnalyzer, group: Image, astronaut: Image, turns: int
) -> None:
    pictures = [group, astronaut, group[:, ::-1], astronaut[:300], np.zeros((90, 70, 3), dtype=np.uint8)]
    expected = [analyzer.analyze([picture])[0] for picture in pictures]
    shared = analyzer.for_many_threads(together=4, waiting=6)

    def camera(number: int) -> list[bool]:
        shown = [(number + turn) % len(pictures) for turn in range(turns)]
        return [same(shared.analyze([pictures[which]])[0], expected[which]) for which in shown]

    with ThreadPoolExecutor(8) as pool:
        assert [right for answers in pool.map(camera, range(8)) for right in answers] == [True] * (8 * turns)


def test_it_is_an_analyzer_like_the_one_it_is_made_of(analyzer: FaceAnalyzer, group: Image) -> None:
    shared = analyzer.for_many_threads()
    assert isinstance(shared, Analyzer)
    assert isinstance(shared, FaintDetector)
    assert isinstance(shared, QualityAssessor)
    assert shared.contract == analyzer.contract
    assert shared.operating_point == analyzer.operating_point
    assert shared.describe() == analyzer.describe()
    assert shared.describe_runtime() == analyzer.describe_runtime()
    assert describe_analysis(shared) == describe_analysis(analyzer)
    ((clear, faint),) = shared.detect_faint([group], 0.05)
    ((expected, fainter),) = analyzer.detect_faint([group], 0.05)
    assert (len(clear), len(faint)) == (len(expected), len(fainter)) == (6, len(fainter))
    assert shared.analyze([]) == []
    assert shared.embed(np.empty((0, 112, 112, 3), dtype=np.uint8)).shape == (0, 128)


def test_pictures_that_wait_are_run_together(
    analyzer: FaceAnalyzer, group: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = analyzer.for_many_threads(together=8, waiting=8)
    runs: list[int] = []
    entered, free = threading.Semaphore(0), threading.Event()
    detect = analyzer.detector.detect

    def watched(images: list[Image]) -> Any:
        runs.append(len(images))
        entered.release()
        assert free.wait(30)
        return detect(images)

    monkeypatch.setattr(analyzer.detector, "detect", watched)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(shared.detect, [group])
        assert entered.acquire(timeout=30)
        others = [pool.submit(shared.detect, [group]) for _ in range(5)]
        until = time.monotonic() + 30
        while shared.detector._together._queued < 5:  # type: ignore[attr-defined]
            assert time.monotonic() < until
            time.sleep(0.001)
        free.set()
        assert [len(future.result()[0]) for future in [first, *others]] == [6] * 6
    assert runs == [1, 5]


def test_an_impatient_camera_is_told_that_it_is_too_fast(
    analyzer: FaceAnalyzer, group: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = analyzer.for_many_threads(together=1, waiting=1, patience=0.02)
    entered, free = threading.Semaphore(0), threading.Event()

    def held_up(images: list[Image]) -> list[list[Face]]:
        entered.release()
        assert free.wait(30)
        return [[] for _ in images]

    monkeypatch.setattr(analyzer.detector, "detect", held_up)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(shared.detect, [group])
        assert entered.acquire(timeout=30)
        waiting = pool.submit(shared.detect, [group])
        until = time.monotonic() + 30
        while shared.detector._together._queued < 1:  # type: ignore[attr-defined]
            assert time.monotonic() < until
            time.sleep(0.001)
        with pytest.raises(AnalyzerBusy) as caught:
            shared.detect([group])
        assert caught.value.hint
        free.set()
        assert running.result() == waiting.result() == [[]]


@pytest.mark.parametrize("options", [{"together": 0}, {"waiting": 0}, {"pause": -1.0}, {"patience": -0.1}])
def test_limits_that_make_no_sense_are_refused(analyzer: FaceAnalyzer, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        analyzer.for_many_threads(**options)
