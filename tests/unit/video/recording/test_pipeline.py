from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facematch import extras
from facematch.errors import (
    InvalidArgument,
    MissingExtra,
    PurposeRequired,
    ThresholdTooLow,
    VideoError,
    VideoUnreadable,
    VideoWriteError,
)
from facematch.protocols import Analyzer, FaceSearch
from facematch.types import Alert, Box, Face, Identification, Image, SearchTerms
from facematch.video import FileSource, VideoPipeline
from facematch.video.recording import annotate as render_module
from facematch.video.recording.outputs import Outputs
from tests.unit.video.support import (
    NOON,
    THRESHOLD,
    VECTORS,
    Camera,
    ColorAnalyzer,
    Gallery,
    ground,
    put,
    read_video,
    write_video,
)

FILES = {"annotated.mp4", "alerts.jsonl", "report.html"}


def scene(count: int = 40, *, start: int = 4, ana: bool = True) -> list[Image]:
    """Ben stands at the right all the time; Ana walks in at the left from frame ``start`` on."""
    images = []
    for i in range(count):
        image = ground()
        put(image, "ben", 140, 50)
        if ana and i >= start:
            put(image, "ana", 10 + 2 * (i - start), 40)
        images.append(image)
    return images


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "lobby.mp4", scene())


def pipeline(gallery: Gallery, **options: object) -> VideoPipeline:
    return VideoPipeline(gallery, purpose="site-access", clock=lambda: NOON, **options)  # type: ignore[arg-type]


def test_the_fakes_keep_the_protocols() -> None:
    assert isinstance(Gallery(), FaceSearch)
    assert isinstance(Gallery().analyzer, Analyzer)


def test_one_alert_a_passage_with_its_times(clip: Path) -> None:
    gallery = Gallery("ana")
    with pipeline(gallery, site="store-12", camera="door 3") as video:
        alerts = list(video.run(clip))
    assert [a.subject_id for a in alerts] == ["ana"]
    alert = alerts[0]
    assert alert.start_s == pytest.approx(4 / 25, abs=1e-3)
    assert alert.end_s == pytest.approx(39 / 25, abs=1e-3)
    assert alert.started_at == NOON + timedelta(seconds=alert.start_s)
    assert (alert.frames, alert.source, alert.purpose, alert.site) == (36, "door 3", "site-access", "store-12")
    assert (alert.threshold, alert.gallery_size, alert.generation) == (THRESHOLD, 1, 3)
    assert alert.score == pytest.approx(1.0, abs=1e-5)
    assert alert.shots == 5


def test_faces_are_looked_for_in_the_areas_only(clip: Path, tmp_path: Path) -> None:
    gallery = Gallery("ana", "ben")
    with pipeline(gallery, areas=[Box(0.6, 0, 1, 1)]) as video:
        result = video.process(clip, tmp_path / "out")
    assert [alert.subject_id for alert in result.alerts] == ["ben"]
    assert result.passages == 1
    assert result.alerts[0].best_box.x1 == pytest.approx(140, abs=2)
    assert result.annotated_video is not None
    images, _ = read_video(result.annotated_video)
    assert len(images) == 40
    assert max(image[:, :110].mean() for image in images) < 5
    assert min(image[:, 120:].mean() for image in images) > 20


def test_every_passage_is_searched_once_with_a_fused_unit_vector(clip: Path) -> None:
    gallery = Gallery("ana")
    with pipeline(gallery) as video:
        result = video.process(clip)
    searched = [found for call in gallery.calls for found in call]
    assert () not in gallery.calls
    assert len(searched) == result.passages == 2
    vectors = [found.embedding for found in searched]
    assert [v is not None and float(np.linalg.norm(v)) for v in vectors] == pytest.approx([1.0, 1.0])
    assert (result.frames, result.interrupted, result.annotated_video) == (40, False, None)
    assert result.seconds == pytest.approx(1.6, abs=0.05)


def test_what_a_search_notes_reaches_the_result_once(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Gallery("ana")
    search, terms = gallery.identify_faces, gallery.search_terms

    def noted(faces: Sequence[Face], **options: Any) -> Identification:
        return replace(search(faces, **options), notes=("outgrown", "more"))

    def announced(**options: Any) -> SearchTerms:
        return replace(terms(**options), notes=("outgrown",))

    monkeypatch.setattr(gallery, "identify_faces", noted)
    monkeypatch.setattr(gallery, "search_terms", announced)
    with pipeline(gallery) as video:
        result = video.process(clip)
    assert result.notes == ("outgrown", "more")
    assert result.to_dict()["notes"] == ["outgrown", "more"]


def test_recording_time_dates_the_alerts(tmp_path: Path) -> None:
    made = {"creation_time": "2024-05-06T07:08:09.000000Z"}
    with pipeline(Gallery("ana")) as video:
        alerts = list(video.run(write_video(tmp_path / "v.mp4", scene(), metadata=made)))
    assert alerts[0].started_at == datetime(2024, 5, 6, 7, 8, 9, 160000, tzinfo=UTC)


def test_a_cut_ends_every_passage(tmp_path: Path) -> None:
    images = []
    for i in range(30):
        image = ground(seed=1 if i < 15 else 2)
        put(image, "ana" if i < 15 else "cem", 60, 40)
        images.append(image)
    with pipeline(Gallery("ana", "cem")) as video:
        alerts = list(video.run(write_video(tmp_path / "v.mp4", images)))
    assert [(a.subject_id, a.frames) for a in alerts] == [("ana", 15), ("cem", 15)]
    assert alerts[0].end_s < alerts[1].start_s


def test_a_track_that_changes_person_becomes_two_passages(tmp_path: Path) -> None:
    images = []
    for i in range(50):
        image = ground()
        put(image, "ana" if i < 25 else "cem", 60, 40)
        images.append(image)
    with pipeline(Gallery("ana", "cem")) as video:
        result = video.process(write_video(tmp_path / "v.mp4", images))
    assert [a.subject_id for a in result.alerts] == ["ana", "cem"]
    assert sum(a.frames for a in result.alerts) == 50
    assert abs(result.alerts[0].end_s - 1.0) < 0.4


def test_a_passage_of_too_few_frames_is_not_even_embedded(tmp_path: Path) -> None:
    images = scene(12, ana=False)
    put(images[5], "ana", 30, 40)
    put(images[6], "ana", 30, 40)
    gallery = Gallery("ana")
    with pipeline(gallery) as video:
        result = video.process(write_video(tmp_path / "v.mp4", images))
    assert (result.passages, result.alerts) == (1, ())


def test_every_nth_frame(clip: Path) -> None:
    with pipeline(Gallery("ana"), every=3, batch=2) as video:
        alerts = list(video.run(clip))
    assert [a.subject_id for a in alerts] == ["ana"]
    assert alerts[0].frames == 12


def test_files_of_a_run(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    seen: list[tuple[int, int | None]] = []
    handed_on: list[Alert] = []

    class Sink:
        def emit(self, alert: Alert) -> None:
            handed_on.append(alert)

    with pipeline(Gallery("ana")) as video:
        result = video.process(
            clip,
            out,
            progress=lambda done, total: seen.append((done, total)),
            sinks=[Sink()],  # type: ignore[list-item]
        )
    assert {p.name for p in out.iterdir()} == FILES
    lines = [json.loads(line) for line in (out / "alerts.jsonl").read_text().splitlines()]
    assert lines == result.to_dict()["alerts"] == [a.to_dict() for a in handed_on]
    assert {"frames", "seconds", "fps_processed", "passages", "alerts"} <= set(result.to_dict())
    assert {"subject_id", "score", "start_s", "end_s", "frames"} <= set(lines[0])
    assert seen[-1] == (80, 80)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    json.dumps(result.to_dict())


def test_bystanders_are_hidden_and_candidates_are_not(clip: Path, tmp_path: Path) -> None:
    with pipeline(Gallery("ana")) as video:
        video.process(clip, tmp_path / "out")
    images, times = read_video(tmp_path / "out" / "annotated.mp4")
    originals, original_times = read_video(clip)
    assert times == pytest.approx(original_times, abs=1e-4)
    ben = (slice(50, 86), slice(140, 168))
    likeness = []
    for drawn, original in zip(images, originals, strict=True):
        one = drawn[ben][:, :, 1].astype(float)
        two = original[ben][:, :, 1].astype(float)
        likeness.append(abs(np.corrcoef(np.diff(one, axis=1).ravel(), np.diff(two, axis=1).ravel())[0, 1]))
    assert len(likeness) == 40
    assert max(likeness) < 0.4
    i = 20
    x = 10 + 2 * (i - 4)
    ana = (slice(46, 70), slice(x + 5, x + 23))
    assert np.abs(images[i][ana].astype(int) - originals[i][ana]).mean() < 8


def test_without_blur_everybody_is_visible_but_not_in_the_report(clip: Path, tmp_path: Path) -> None:
    with pipeline(Gallery("ana"), blur=False) as video:
        video.process(clip, tmp_path / "out")
    images, _ = read_video(tmp_path / "out" / "annotated.mp4")
    originals, _ = read_video(clip)
    ben = (slice(52, 84), slice(142, 166))
    assert np.abs(images[0][ben].astype(int) - originals[0][ben]).mean() < 8
    assert "NOT redacted" in (tmp_path / "out" / "report.html").read_text()


def test_first_frames_of_a_bystander_are_hidden_before_any_decision(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "v.mp4", scene(20, ana=False))
    with pipeline(Gallery()) as video:
        video.process(clip, tmp_path / "out")
    drawn, original = read_video(tmp_path / "out" / "annotated.mp4")[0], read_video(clip)[0]
    assert np.abs(drawn[0][50:86, 140:168].astype(int) - original[0][50:86, 140:168]).mean() > 8


class FaintAnalyzer(ColorAnalyzer):
    """Is not sure of Ben, ever, and of Ana in her first four frames at the left."""

    def detect_faint(self, images: list[Image], floor: float) -> list[tuple[list[Face], list[Face]]]:
        assert floor == 0.3
        answer = []
        for faces in self.detect(images):
            sure = [f for f in faces if 17 <= f.box.x1 < 120]
            answer.append((sure, [replace(f, detection_score=0.35) for f in faces if f not in sure]))
        return answer


def test_faint_faces_are_hidden_but_never_searched(clip: Path, tmp_path: Path) -> None:
    gallery = Gallery("ana", "ben")
    gallery._analyzer = FaintAnalyzer()
    with pipeline(gallery) as video:
        result = video.process(clip, tmp_path / "out")
    assert [a.subject_id for a in result.alerts] == ["ana"]
    assert result.passages == 1
    assert result.alerts[0].frames == 32
    drawn, original = read_video(tmp_path / "out" / "annotated.mp4")[0], read_video(clip)[0]
    changed = [
        np.abs(a[50:86, 140:168].astype(int) - b[50:86, 140:168]).mean() for a, b in zip(drawn, original, strict=True)
    ]
    assert min(changed) > 8
    assert len(changed) == 40


def test_variable_frame_rate_and_rotation_reach_the_annotated_video(tmp_path: Path) -> None:
    times = [i * 0.04 if i < 10 else 0.4 + (i - 10) * 0.1 for i in range(20)]
    clip = write_video(tmp_path / "v.mp4", scene(20), times, rotation=90)
    with pipeline(Gallery("ana")) as video:
        video.process(clip, tmp_path / "out")
    images, drawn_times = read_video(tmp_path / "out" / "annotated.mp4")
    assert drawn_times == pytest.approx(times, abs=2e-3)
    assert images[0].shape == (192, 128, 3)


def test_nothing_of_a_passage_without_candidate_is_kept(
    clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """R11: no embedding, crop or score of a non-match in a file, the result or a log."""
    caplog.set_level(logging.DEBUG)
    gallery = Gallery("ana")
    with pipeline(gallery) as video:
        result = video.process(clip, tmp_path / "out")
    ben = VECTORS["ben"]
    score = float(ben @ VECTORS["ana"])
    crops = [c for batch in gallery.analyzer.embedded for c in batch]
    bytes_kept = b"".join(p.read_bytes() for p in sorted((tmp_path / "out").iterdir()))
    words = repr(result) + json.dumps(result.to_dict()) + caplog.text + (tmp_path / "out" / "report.html").read_text()
    assert len(crops) > 5
    assert ben.tobytes() not in bytes_kept
    assert all(crop.tobytes() not in bytes_kept for crop in crops)
    assert f"{score:.3f}" not in words
    assert f"{float(ben[0]):.4f}" not in words
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES


def test_an_error_of_the_search_carries_no_biometric_data(clip: Path) -> None:
    class Broken(Gallery):
        def identify_faces(self, faces, **options):  # type: ignore[no-untyped-def]
            raise VideoError("the audit entry could not be written")

    with pipeline(Broken("ana")) as video, pytest.raises(VideoError) as caught:
        video.process(clip)
    assert not re.search(r"-?0\.\d{4,}", repr(caught.value) + str(caught.value.args))


def test_stop_ends_cleanly_with_valid_files(clip: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def watch(done: int, _: int | None) -> None:
        if done >= 20:
            stop.set()

    with pipeline(Gallery("ana")) as video:
        result = video.process(clip, tmp_path / "out", progress=watch, stop=stop)
    images, _ = read_video(tmp_path / "out" / "annotated.mp4")
    assert result.interrupted
    assert 20 <= result.frames < 30
    assert len(images) == result.frames
    assert [a.subject_id for a in result.alerts] == ["ana"]
    report = (tmp_path / "out" / "report.html").read_text()
    assert "Stopped early" in report
    assert "</html>" in report
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES


def test_stop_while_drawing_ends_the_video_there(clip: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def watch(done: int, _: int | None) -> None:
        if done >= 50:
            stop.set()

    with pipeline(Gallery("ana")) as video:
        result = video.process(clip, tmp_path / "out", progress=watch, stop=stop)
    assert result.interrupted
    assert result.frames == 40
    assert len(read_video(tmp_path / "out" / "annotated.mp4")[0]) == 10


@pytest.mark.parametrize("at", [10, 55])
def test_keyboard_interrupt_leaves_no_half_written_file(clip: Path, tmp_path: Path, at: int) -> None:
    def press(done: int, _: int | None) -> None:
        if done >= at:
            raise KeyboardInterrupt

    with pipeline(Gallery("ana")) as video, pytest.raises(KeyboardInterrupt):
        video.process(clip, tmp_path / "out", progress=press)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_recording_that_changed_between_the_passes_is_hidden_whole(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = render_module.render

    def swapped(source, *args, **options):  # type: ignore[no-untyped-def]
        write_video(clip, scene(40), [0.013 + i * 0.05 for i in range(40)])
        return real(source, *args, **options)

    monkeypatch.setattr("facematch.video.recording.pipeline.render", swapped)
    with pipeline(Gallery()) as video:
        video.process(clip, tmp_path / "out")
    drawn = read_video(tmp_path / "out" / "annotated.mp4")[0]
    assert drawn[10].std() < 0.7 * scene(11)[10].std()
    assert "out of step" in caplog.text


def test_empty_ground_gives_a_valid_run(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "v.mp4", [ground()] * 8)
    with pipeline(Gallery("ana")) as video:
        result = video.process(clip, tmp_path / "out")
    assert (result.passages, result.alerts, result.frames) == (0, (), 8)
    assert (tmp_path / "out" / "alerts.jsonl").read_bytes() == b""
    assert "No passage in this recording reached the threshold" in (tmp_path / "out" / "report.html").read_text()


def test_older_files_are_replaced_and_strangers_left_alone(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "alerts.jsonl").write_text("old\n")
    (out / "notes.txt").write_text("mine")
    with pipeline(Gallery("ana")) as video:
        video.process(clip, out)
        video.process(clip, out)
    assert len((out / "alerts.jsonl").read_text().splitlines()) == 1
    assert {p.name for p in out.iterdir()} == FILES | {"notes.txt"}


def test_refusals_come_before_the_work(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(PurposeRequired):
        VideoPipeline(Gallery(), purpose=" ")
    with pytest.raises(InvalidArgument, match="every"):
        pipeline(Gallery(), every=0)
    gallery = Gallery("ana")
    with pipeline(gallery, threshold=0.1) as video, pytest.raises(ThresholdTooLow):
        video.process(clip, tmp_path / "out")
    assert gallery.analyzer.embedded == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), True, "1"])
def test_seconds_of_a_passage_are_checked(bad: object) -> None:
    with pytest.raises(InvalidArgument, match="min_seconds"):
        pipeline(Gallery(), min_seconds=bad)


def test_a_passage_shorter_than_asked_for_is_not_searched(clip: Path) -> None:
    """Ana is seen for 1.40 seconds, Ben for 1.56."""
    gallery = Gallery("ana", "ben")
    with pipeline(gallery, min_seconds=1.5) as video:
        result = video.process(clip)
    assert [alert.subject_id for alert in result.alerts] == ["ben"]
    assert (result.passages, sum(len(call) for call in gallery.calls)) == (1, 1)


def test_the_policy_refuses_an_alert_on_too_few_frames(clip: Path, tmp_path: Path) -> None:
    """Ana is seen in 36 frames, Ben in 40; nothing of Ana is left behind."""
    gallery = Gallery("ana", "ben", corroboration=40)
    with pipeline(gallery) as video:
        result = video.process(clip, tmp_path / "out")
    assert sorted(gallery.asked) == [(36, 1, 4), (40, 1, 4)]
    assert [alert.subject_id for alert in result.alerts] == ["ben"]
    assert (result.refused_alerts, result.to_dict()["refused_alerts"]) == (1, 1)
    (note,) = result.notes
    assert note.endswith("corroboration: 40 frames are needed")
    assert b"ana" not in (tmp_path / "out" / "alerts.jsonl").read_bytes()
    assert not [p for p in (tmp_path / "out").iterdir() if VECTORS["ana"].tobytes() in p.read_bytes()]
    drawn, original = read_video(tmp_path / "out" / "annotated.mp4")[0], read_video(clip)[0]
    ana = (slice(46, 70), slice(10 + 2 * 16 + 5, 10 + 2 * 16 + 23))
    assert np.abs(drawn[20][ana].astype(int) - original[20][ana]).mean() > 8


def test_a_camera_gives_the_alerts_of_the_same_frames(clip: Path) -> None:
    with pipeline(Gallery("ana")) as video:
        recorded = video.process(clip)
        live = video.process(Camera(scene()))
        (alert,) = video.run(Camera(scene()))
    assert (live.source, live.frames, live.broken_frames) == ("door", 40, 0)
    assert [(a.subject_id, a.frames, a.shots) for a in live.alerts] == [
        (a.subject_id, a.frames, a.shots) for a in recorded.alerts
    ]
    assert alert.started_at == NOON + timedelta(seconds=4 / 25)


def test_a_camera_cannot_be_drawn_in_a_second_pass(tmp_path: Path) -> None:
    with pipeline(Gallery("ana")) as video, pytest.raises(VideoError, match="no recording"):
        video.process(Camera(scene()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_credentials_in_the_name_of_a_source_are_never_shown(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, clip: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    address = "rtsp://ana:s3cret@10.0.0.7:554/door?token=s3cret"

    class Named(FileSource):
        name = address

    with pipeline(Gallery("ana")) as video:
        live = video.process(Camera(scene(), address))
        with pytest.raises(VideoError) as caught:
            video.process(Camera(scene(), address), tmp_path / "out")
        recorded = video.process(Named(clip), tmp_path / "out")
    files = [path.read_bytes() for path in (tmp_path / "out").iterdir()]
    said = repr((live, live.to_dict(), recorded, str(caught.value), [vars(record) for record in caplog.records]))
    assert live.source == live.alerts[0].source == "rtsp://10.0.0.7:554/door"
    assert len(files) == 3
    assert not [text for text in (said, *map(repr, files)) if "s3cret" in text or "ana:" in text]


def test_a_raised_threshold_is_applied(clip: Path) -> None:
    with pipeline(Gallery("ana"), threshold=0.9) as video:
        assert [a.threshold for a in video.run(clip)] == [0.9]


def test_a_closed_pipeline_and_an_unreadable_file_are_errors(clip: Path, tmp_path: Path) -> None:
    video = pipeline(Gallery())
    with pytest.raises(VideoUnreadable):
        list(video.run(tmp_path / "nothing.mp4"))
    video.close()
    with pytest.raises(VideoError, match="closed"):
        video.process(clip)


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: (folder / "file").write_text("x") and folder / "file",
        lambda folder: (folder / "file").write_text("x") and folder / "file" / "below",
    ],
)
def test_a_folder_that_cannot_be_written_is_an_error(clip: Path, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with pipeline(Gallery()) as video, pytest.raises(VideoWriteError) as caught:
        video.process(clip, make(tmp_path))
    assert caught.value.hint


def test_a_failed_rename_is_an_error_and_cleans_up(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "full").touch()

    def write() -> None:
        with Outputs(tmp_path, ("a", "b")) as (first, second):
            first.touch()
            second.touch()

    with pytest.raises(VideoWriteError):
        write()
    assert not list(tmp_path.glob(".*"))


def test_without_the_extra_the_error_names_it(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(extras, "import_module", missing)
    with pipeline(Gallery()) as video, pytest.raises(MissingExtra) as caught:
        video.process(clip)
    assert caught.value.hint == "pip install 'facematch-watchlist[video]'"
