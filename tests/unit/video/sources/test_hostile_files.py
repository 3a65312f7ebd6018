"""Recordings and folders that somebody made to be awkward."""

from __future__ import annotations

import http.server
import os
import threading
import xml.etree.ElementTree as ET
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import InvalidArgument, PurposeRequired, VideoUnreadable, VideoWriteError
from facematch.types import Image
from facematch.video import FileSource, VideoPipeline, VideoResult
from facematch.video.recording.figure import timeline_figure
from tests.unit.video.support import Gallery, ground, make_alert, put, read_video, write_video


def scene() -> list[Image]:
    images = []
    for i in range(40):
        image = ground()
        put(image, "ana", 10 + 2 * i, 40)
        images.append(image)
    return images


def run(video: Path, out: Path) -> VideoResult:
    return VideoPipeline(Gallery("ana"), purpose="site-access").process(video, out)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "lobby.mp4", scene())


def test_the_files_are_for_their_owner_only(clip: Path, tmp_path: Path) -> None:
    """They show and name people, and a folder is often open to others."""
    run(clip, tmp_path / "out")
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == dict.fromkeys(
        ("annotated.mp4", "alerts.jsonl", "report.html"), 0o600
    )


@pytest.mark.parametrize("linked", [False, True])
def test_a_recording_is_never_replaced_by_its_own_annotated_video(clip: Path, tmp_path: Path, linked: bool) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    recording = folder / "annotated.mp4"
    clip.rename(recording)
    before = recording.read_bytes()
    given = recording
    if linked:
        given = tmp_path / "link.mp4"
        given.symlink_to(recording)
    with pytest.raises(VideoWriteError, match="would be replaced"):
        run(given, folder)
    assert recording.read_bytes() == before
    assert list(folder.iterdir()) == [recording]


def test_a_file_name_that_is_no_utf8_reaches_the_alerts_and_the_report(clip: Path, tmp_path: Path) -> None:
    odd = clip.rename(tmp_path / os.fsdecode(b"lobby-\xff.mp4"))
    result = run(odd, tmp_path / "out")
    assert [alert.source for alert in result.alerts] == ["lobby-\ufffd.mp4"]
    assert "lobby-\ufffd.mp4" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_a_time_stamp_far_ahead_does_not_stop_the_run(tmp_path: Path) -> None:
    times = [i / 10 + (30 * 86400 if i >= 20 else 0) for i in range(40)]
    result = run(write_video(tmp_path / "v.mkv", scene(), times), tmp_path / "out")
    assert result.frames == 40
    assert result.seconds == pytest.approx(4.0, abs=0.5)
    assert len(read_video(tmp_path / "out" / "annotated.mp4")[0]) == 40


def test_gaps_of_hours_keep_their_length(tmp_path: Path) -> None:
    """A camera that records on motion only; reordered frames across such gaps are more than MP4 can say."""
    times = [i / 10 + 8 * 3600 * (i // 10) for i in range(40)]
    run(write_video(tmp_path / "v.mkv", scene(), times), tmp_path / "out")
    assert read_video(tmp_path / "out" / "annotated.mp4")[1] == pytest.approx(times, abs=0.01)


@pytest.mark.parametrize(
    "wrong", [{"every": "2"}, {"every": 1.5}, {"batch": True}, {"shots": 0}, {"camera": "a\nb"}, {"camera": "\udcff"}]
)
def test_wrong_parameters_are_typed_errors(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(wrong))):
        VideoPipeline(Gallery("ana"), purpose="site-access", **wrong)


@pytest.mark.parametrize("purpose", [None, 3, " "])
def test_a_purpose_is_text(purpose: Any) -> None:
    with pytest.raises(PurposeRequired):
        VideoPipeline(Gallery("ana"), purpose=purpose)


def test_a_clock_without_timezone_is_refused_before_the_work(clip: Path) -> None:
    gallery = Gallery("ana")
    with pytest.raises(InvalidArgument, match="timezone"):
        VideoPipeline(gallery, purpose="site-access", clock=lambda: datetime(2026, 1, 1)).process(clip)  # noqa: DTZ001
    assert not any(gallery.calls)


@pytest.mark.parametrize("subject", [r"$\frac{$", r"$\undefined$", "$x^2$", "<svg onload=x>&amp;", "a--b-->"])
def test_the_timeline_draws_any_subject_id_as_it_is(subject: str) -> None:
    root = ET.fromstring(timeline_figure([make_alert(subject)], [(0.0, 1)], 3.0))
    assert root.tag.endswith("svg")
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]


def test_a_playlist_fetches_nothing(tmp_path: Path) -> None:
    """A file that is a playlist inside would let whoever made it send requests from here."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / "v.m3u8").write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}/a.ts\n#EXT-X-ENDLIST\n"
        )
        (tmp_path / "v.mpd").write_text(
            '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"><Period>'
            '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
            f"<BaseURL>{address}/b.mp4</BaseURL><SegmentBase/></Representation></AdaptationSet></Period></MPD>"
        )
        for name in ("v.m3u8", "v.mpd"):
            with pytest.raises(VideoUnreadable):
                FileSource(tmp_path / name)
        server.shutdown()
    assert asked == []
