"""The video pipeline on recorded clips, with the default pack and a real watchlist."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from facematch import Consent, FaceAnalyzer, VideoPipeline, VideoResult, Watchlist
from facematch.video import FileSource
from facematch.video.passages.scene_cuts import CutDetector

pytestmark = pytest.mark.shared_data

PURPOSE = "research-demo"
PEOPLE = ("obama", "biden", "alex-lacamoire", "lin-manuel-miranda")
HAMILTON = "ageitgey_short_hamilton_clip.mp4"


@pytest.fixture(scope="module")
def watchlist(shared: Path, analyzer: FaceAnalyzer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watchlist]:
    """Four people, one picture each, at the pack's own threshold."""
    folder = tmp_path_factory.mktemp("watchlist")
    (folder / "form.txt").write_text("signed")
    with Watchlist.open(f"sqlite:///{folder / 'four.db'}", actor="ana", analyzer=analyzer) as opened:
        for person in PEOPLE:
            consent = Consent.given(
                subject_id=person,
                purposes=[PURPOSE],
                notice=b"notice",
                language="en",
                evidence=folder / "form.txt",
                adult_attested=True,
                valid_for=timedelta(days=30),
            )
            picture = sorted((shared / "data" / "stills" / person).iterdir())[0]
            opened.enroll(person, [picture], consent=consent)
        yield opened


@pytest.fixture(scope="module", params=[4, pytest.param(1, marks=pytest.mark.slow)])
def every(request: pytest.FixtureRequest) -> int:
    """One frame of how many is looked at."""
    return int(request.param)


@pytest.fixture(scope="module")
def hamilton(shared: Path, watchlist: Watchlist, every: int, tmp_path_factory: pytest.TempPathFactory) -> VideoResult:
    """The clip with known people, processed once with all files."""
    with VideoPipeline(watchlist, purpose=PURPOSE, every=every) as pipeline:
        return pipeline.process(shared / "data" / "videos" / HAMILTON, tmp_path_factory.mktemp("hamilton"))


def test_the_right_people_in_the_right_seconds(hamilton: VideoResult, every: int) -> None:
    spans = {(a.subject_id, round(a.start_s, 1), round(a.end_s, 1)) for a in hamilton.alerts}
    obama = [a for a in hamilton.alerts if a.subject_id == "obama"]
    miranda = [a for a in hamilton.alerts if a.subject_id == "lin-manuel-miranda"]
    assert {a.subject_id for a in hamilton.alerts} <= {"obama", "lin-manuel-miranda", "alex-lacamoire"}, spans
    assert [(a.start_s >= 7.0, a.end_s <= 9.2, a.frames > 40 // every) for a in obama] == [(True, True, True)], spans
    assert any(a.start_s >= 2.7 and a.end_s <= 7.1 and a.frames > 100 // every for a in miranda), spans
    assert not [a for a in miranda if a.end_s > 7.1], spans
    assert hamilton.frames == 275
    assert hamilton.seconds == pytest.approx(275 / 29.97, abs=0.05)


def test_scores_are_over_the_packs_own_threshold(hamilton: VideoResult, analyzer: FaceAnalyzer) -> None:
    point = analyzer.operating_point
    assert point is not None
    assert {a.threshold for a in hamilton.alerts} == {point.threshold}
    assert min(a.score for a in hamilton.alerts) >= point.threshold


def test_files_of_the_clip(hamilton: VideoResult, shared: Path) -> None:
    assert hamilton.annotated_video is not None
    assert hamilton.alerts_file is not None
    assert hamilton.report is not None
    drawn = FileSource(hamilton.annotated_video)
    times = [f.time_s for f in FileSource(shared / "data" / "videos" / HAMILTON)]
    assert [f.time_s for f in drawn] == pytest.approx(times, abs=1e-3)
    lines = hamilton.alerts_file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [a.to_dict() for a in hamilton.alerts]
    report = hamilton.report.read_text(encoding="utf-8")
    assert report.count("data:image/jpeg;base64,") == len(hamilton.alerts)
    assert "obama" in report
    assert "biden" not in report


def test_the_annotated_video_still_shows_candidates_and_only_them(
    hamilton: VideoResult, analyzer: FaceAnalyzer, shared: Path
) -> None:
    assert hamilton.annotated_video is not None
    audience = [f.pixels for f in FileSource(hamilton.annotated_video) if f.index in {230, 250, 265}]
    before = [f.pixels for f in FileSource(shared / "data" / "videos" / HAMILTON) if f.index in {230, 250, 265}]
    # everybody else of the audience: found before, and nobody that could be found again is who they were
    faces_before = [face for faces in analyzer.analyze(before) for face in faces]
    faces_after = [face for faces in analyzer.analyze(audience) for face in faces]
    obama = next(a for a in hamilton.alerts if a.subject_id == "obama").best_box
    shown = [
        float(a.embedding @ b.embedding)
        for a in faces_after
        for b in faces_before
        if a.embedding is not None and b.embedding is not None and min(a.box.iou(obama), b.box.iou(obama)) > 0.4
    ]
    assert max(shown) > 0.7  # the candidate's own face came through
    others = [f for f in faces_before if f.box.iou(obama) < 0.2]
    remaining = [f for f in faces_after if f.box.iou(obama) < 0.2]
    assert len(others) >= 9
    alike = [
        float(a.embedding @ b.embedding)
        for a in remaining
        for b in others
        if a.embedding is not None and b.embedding is not None
    ]
    assert max(alike, default=0.0) < 0.36


@pytest.mark.parametrize(
    ("name", "every"),
    [
        ("facenet_pytorch_video.mp4", 3),
        pytest.param("facenet_pytorch_video.mp4", 1, marks=pytest.mark.slow),
        ("openmpf_video_02.mp4", 4),
        pytest.param("openmpf_video_02.mp4", 1, marks=pytest.mark.slow),
        ("openmpf_video_01.mp4", 1),
        ("intel_one-by-one-person-detection.mp4", 8),
        pytest.param("intel_one-by-one-person-detection.mp4", 2, marks=pytest.mark.slow),
        ("openmpf_h264_aac.mp4", 1),
        ("openmpf_h265_aac.mp4", 1),
        ("openmpf_mp4v_aac.mp4", 1),
        ("openmpf_xvid_aac.avi", 1),
        ("openmpf_vp8_opus.webm", 1),
    ],
)
def test_strangers_raise_no_alert(shared: Path, watchlist: Watchlist, name: str, every: int) -> None:
    with VideoPipeline(watchlist, purpose=PURPOSE, every=every) as pipeline:
        result = pipeline.process(shared / "data" / "videos" / name)
    assert [(a.subject_id, a.score) for a in result.alerts] == []
    assert result.frames > 30
    assert result.broken_frames == 0


@pytest.mark.parametrize(
    ("name", "cuts"),
    [(HAMILTON, [20, 82, 211]), ("openmpf_video_02.mp4", []), ("facenet_pytorch_video.mp4", [])],
)
def test_cuts_of_recorded_clips(shared: Path, name: str, cuts: list[int]) -> None:
    detector = CutDetector()
    found = []
    correlations = []
    for frame in FileSource(shared / "data" / "videos" / name):
        if detector.is_cut(frame.pixels):
            found.append(frame.index)
        else:
            correlations.append(detector.correlation)
    assert found == cuts
    assert min(correlations) > 0.65
