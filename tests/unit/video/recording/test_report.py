from __future__ import annotations

import base64
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from facematch.types import SearchTerms
from facematch.video import VideoPipeline, VideoResult
from facematch.video.passages.settings import PassageSettings
from facematch.video.recording.figure import timeline_figure
from facematch.video.recording.report import ReportFacts, clock_time, write_report
from tests.unit.video.support import CONTRACT, NOON, ColorAnalyzer, Gallery, ground, make_alert, put, write_video

HOSTILE = '<script>alert("x")</script>'


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [v or "" for k, v in attrs if k in {"src", "href", "srcset", "action", "data", "poster"}]


def facts(*subjects: str, interrupted: bool = False) -> ReportFacts:
    alerts = tuple(make_alert(s, 0.7, i, i + 2.0) for i, s in enumerate(subjects))
    return ReportFacts(
        result=VideoResult("door", 100, 90.0, 55.5, 7, alerts, 2, interrupted),
        terms=SearchTerms("site-access", "store-12", None, 0.45, 12, 3, CONTRACT, 1, ()),
        recording=HOSTILE + ".mp4",
        recorded_at=None,
        processed_at=NOON,
        actor="olga",
        analyzer=ColorAnalyzer(),
        blurred=True,
        settings=PassageSettings(),
        counts=tuple((i * 0.9, i % 4) for i in range(100)),
        thumbnails={},
    )


def html(given: ReportFacts, folder: Path) -> str:
    write_report(given, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def test_report_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = html(facts("s-1", "s-2"), tmp_path)
    links = Links()
    links.feed(page)
    assert len(links.targets) >= 3
    assert [t for t in links.targets if not t.startswith("data:")] == ["annotated.mp4"]
    assert not {"script", "link", "iframe", "object"} & set(links.tags)
    assert not re.search(r"https?://", page)
    assert "url(" not in page


def test_hostile_names_are_text(tmp_path: Path) -> None:
    page = html(facts(HOSTILE, '"><img src=x onerror=alert(1)>', "$\\frac{", "Zoë 山田 \U0001f600"), tmp_path)
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;" in page
    figures = [base64.b64decode(m).decode() for m in re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", page)]
    assert len(figures) == 2
    assert all("<script" not in figure for figure in figures)


def test_settings_and_the_plain_statements(tmp_path: Path) -> None:
    page = html(facts("s-1"), tmp_path)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    expected = (
        "A candidate is not an identity",
        "for a person to review",
        "nothing was kept",
        "0.4500",
        "raised by the caller; tested: FMR 0.001 at 0.4000 on made-up people, 3,000 non-mated trials",
        "colors 1",
        "Apache-2.0",
        CONTRACT,
        "site-access",
        "store-12",
        "Subjects the search could reach 12",
        "Damaged frames or packets 2",
        "Processed at 2026-03-01 12:00:00 UTC by olga",
        "00:00.0 \N{EN DASH} 00:02.0",
    )
    assert [phrase for phrase in expected if phrase not in text] == []


def test_stopped_early_is_said(tmp_path: Path) -> None:
    assert "Stopped early" in html(facts(interrupted=True), tmp_path)
    assert "Stopped early" not in html(facts(), tmp_path)


@pytest.mark.parametrize(
    ("seconds", "text", "tenths"),
    [(0, "00:00", "00:00.0"), (59.96, "00:59", "00:59.9"), (61, "01:01", "01:01.0"), (3661.5, "1:01:01", "1:01:01.5")],
)
def test_clock_time(seconds: float, text: str, tenths: str) -> None:
    assert clock_time(seconds) == text
    assert clock_time(seconds, tenths=True) == tenths


def test_figure_of_long_recordings_and_of_nothing() -> None:
    long = timeline_figure([make_alert("s", 0.5, 4000, 4001)], [(i * 0.5, 3) for i in range(14_400)], 7200)
    assert long.startswith(b"<?xml")
    assert len(long) < 200_000
    assert timeline_figure([], [], 0.0, dark=True).startswith(b"<?xml")


def test_thumbnails_show_the_candidate_and_nobody_else(tmp_path: Path) -> None:
    images = []
    for _ in range(12):
        image = ground(320, 200)
        put(image, "ana", 120, 80, 48, 60)
        put(image, "ben", 185, 80, 48, 60)
        images.append(image)
    clip = write_video(tmp_path / "v.mp4", images)
    with VideoPipeline(Gallery("ana", aliases={"ana": HOSTILE}), purpose="p", clock=lambda: NOON) as video:
        video.process(clip, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    pictures = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    assert len(pictures) == 1
    assert "<script" not in page
    raw = np.frombuffer(base64.b64decode(pictures[0]), np.uint8)
    found = ColorAnalyzer._find(np.asarray(cv2.imdecode(raw, cv2.IMREAD_COLOR)))
    plain = ColorAnalyzer._find(images[0])
    assert len(plain) == 2
    sharp = [np.asarray(cv2.imdecode(raw, cv2.IMREAD_COLOR))[:, :, c].astype(float) for c in range(3)]
    assert max(np.abs(np.diff(c, axis=1)).max() for c in sharp) > 20
    assert any(f.box.width > 60 for f in found)


def test_importing_the_package_needs_no_extra() -> None:
    code = (
        "import sys, facematch.video, facematch.alerts\n"
        "loaded = {'av', 'trackers', 'supervision', 'matplotlib', 'jinja2'} & set(sys.modules)\n"
        "raise SystemExit(', '.join(sorted(loaded)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
