from __future__ import annotations

import io
import os
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facematch import registry
from facematch.errors import InvalidArgument, SourceUnknown, VideoUnreadable
from facematch.protocols import FrameSource
from facematch.video import FileSource, RecordedSource, VideoPipeline, open_source
from tests.unit.video.support import NOON, Camera, Gallery, ground, put, write_video

SECRET = "s3cret"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    image = ground()
    put(image, "ana", 60, 40)
    return write_video(tmp_path / "lobby.mp4", [image] * 8)


class Net(Camera):
    """A plug-in for addresses of the scheme ``net``."""

    opened: list[str] = []  # noqa: RUF012

    def __init__(self, address: str) -> None:
        self.opened.append(address)
        image = ground()
        put(image, "ana", 60, 40)
        super().__init__([image] * 8, name=address)


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> type[Net]:
    """``net`` and ``odd`` are registered beside what facematch registers."""
    real = registry._entries
    parts = {"net": Net, "odd": len, "file": FileSource}

    def entries(group: registry.Group) -> dict[str, EntryPoint]:
        return {**real(group), **{name: EntryPoint(name, "made.up:part", group) for name in ("net", "odd")}}

    monkeypatch.setattr(registry, "_entries", entries)
    monkeypatch.setattr(EntryPoint, "load", lambda entry: parts[entry.name])
    monkeypatch.setattr(Net, "opened", [])
    return Net


def test_files_are_registered_like_a_plug_in() -> None:
    assert "file" in registry.available("facematch.sources")
    assert registry.load("facematch.sources", "file") is FileSource


def test_a_file_is_opened_by_path_and_by_url(clip: Path) -> None:
    for video in (clip, str(clip), clip.as_uri(), clip.as_uri().replace("file:///", "file://localhost/")):
        source = open_source(video)
        assert isinstance(source, FileSource)
        assert isinstance(source, RecordedSource)
        assert (source.path, source.name) == (clip, "lobby.mp4")


def test_a_file_url_may_be_escaped(clip: Path) -> None:
    spaced = clip.rename(clip.with_name("the lobby.mp4"))
    assert "%20" in spaced.as_uri()
    assert len(list(open_source(spaced.as_uri()))) == 8


def test_a_file_url_of_another_machine_is_refused() -> None:
    with pytest.raises(SourceUnknown, match="another machine") as caught:
        open_source(f"file://ana:{SECRET}@server/lobby.mp4")
    assert SECRET not in str(caught.value)


def test_a_path_that_looks_like_a_url_is_a_path_where_it_is_there(
    clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "net:").mkdir()
    clip.rename(tmp_path / "net:" / "lobby.mp4")
    monkeypatch.chdir(tmp_path)
    assert open_source("net:/lobby.mp4").name == "lobby.mp4"


def test_an_opened_source_is_used_as_it_is(clip: Path) -> None:
    for source in (FileSource(clip), Camera([ground()])):
        assert isinstance(source, FrameSource)
        assert open_source(source) is source
    assert not isinstance(Camera([ground()]), RecordedSource)


def test_a_plug_in_reads_its_scheme(plug_in: type[Net]) -> None:
    address = f"NET://ana:{SECRET}@10.0.0.7/door"
    with VideoPipeline(Gallery("ana"), purpose="site-access", clock=lambda: NOON) as pipeline:
        (alert,) = pipeline.run(address)
    assert plug_in.opened == [address]
    assert (alert.subject_id, alert.source) == ("ana", "NET://10.0.0.7/door")


@pytest.mark.usefixtures("plug_in")
def test_what_is_registered_must_be_a_source() -> None:
    with pytest.raises(InvalidArgument, match=r"'odd' in facematch\.sources returned an int, no source"):
        open_source("odd://x")


@pytest.mark.parametrize("video", [0, None, io.BytesIO(b"x"), b"lobby.mp4", 1.5, [], np.zeros((4, 4, 3), np.uint8)])
def test_what_no_source_reads_is_a_typed_error(video: Any) -> None:
    with (
        VideoPipeline(Gallery(), purpose="site-access") as pipeline,
        pytest.raises(SourceUnknown, match=type(video).__name__) as caught,
    ):
        list(pipeline.run(video))
    assert caught.value.code == "source_unknown"
    assert caught.value.hint is not None
    assert "file" in caught.value.hint


@pytest.mark.parametrize(
    "video",
    [
        f"rtsp://ana:{SECRET}@10.0.0.7/door",
        f"rtsp://10.0.0.7/door?password={SECRET}",
        f"x-{'y' * 300}://ana:{SECRET}@h",
        Path(f"rtsp://ana:{SECRET}@10.0.0.7/door"),
    ],
    ids=["credentials", "query", "long", "path object"],
)
def test_an_unknown_scheme_is_named_and_its_password_is_not(video: str | Path) -> None:
    with VideoPipeline(Gallery(), purpose="site-access") as pipeline, pytest.raises(SourceUnknown) as caught:
        pipeline.process(video)
    scheme = os.fspath(video).partition(":")[0]
    assert f"{scheme}://" in caught.value.message
    assert SECRET not in f"{caught.value!r} {caught.value} {caught.value.to_dict()}"


def test_a_password_given_as_a_file_name_is_not_shown() -> None:
    with pytest.raises(VideoUnreadable) as caught:
        FileSource(f"rtsp://ana:{SECRET}@10.0.0.7/door")
    assert SECRET not in str(caught.value)
    assert "10.0.0.7/door" in str(caught.value)
