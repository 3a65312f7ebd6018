from __future__ import annotations

import resource
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from facematch.errors import VideoWriteError
from facematch.video.recording.encoder import Encoder
from tests.unit.video.support import ground, put, read_video


def test_times_colors_and_format_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.5, 0.51, 2.0]
    image = ground()
    put(image, "ana", 40, 40, 60, 60)
    with Encoder(tmp_path / "v.mp4", (192, 128), Fraction(25)) as encoder:
        for time_s in times:
            encoder.write(image, time_s)
    images, written = read_video(tmp_path / "v.mp4")
    assert written == pytest.approx(times, abs=1e-4)
    assert np.abs(images[0].astype(int) - image).mean() < 4
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert not container.streams.audio


def test_colors_of_high_definition_are_kept(tmp_path: Path) -> None:
    image = ground(1280, 720)
    put(image, "ben", 400, 200, 300, 300)
    with Encoder(tmp_path / "v.mp4", (1280, 720), Fraction(25)) as encoder:
        encoder.write(image, 0.0)
    assert np.abs(read_video(tmp_path / "v.mp4")[0][0].astype(int) - image).mean() < 3


def test_odd_sides_are_padded(tmp_path: Path) -> None:
    with Encoder(tmp_path / "v.mp4", (101, 75), Fraction(25)) as encoder:
        encoder.write(ground(101, 75), 0.0)
    assert read_video(tmp_path / "v.mp4")[0][0].shape == (76, 102, 3)


def test_pixel_aspect_is_kept(tmp_path: Path) -> None:
    with Encoder(tmp_path / "v.mp4", (96, 64), Fraction(25), sample_aspect_ratio=Fraction(12, 11)) as encoder:
        encoder.write(ground(96, 64), 0.0)
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(12, 11)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    def write() -> None:
        with Encoder(tmp_path / "no" / "v.mp4", (96, 64), Fraction(25)) as encoder:
            encoder.write(ground(96, 64), 0.0)

    with pytest.raises(VideoWriteError) as caught:
        write()
    assert caught.value.hint


@pytest.fixture
def little_room() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("little_room")
def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)

    def fill() -> None:
        with Encoder(tmp_path / "v.mp4", (192, 128), Fraction(25)) as encoder:
            for i in range(120):
                encoder.write(noise.integers(0, 256, (128, 192, 3), dtype=np.uint8), i / 25)

    with pytest.raises(VideoWriteError) as caught:
        fill()
    assert caught.value.code == "video_write_failed"


def test_mpeg4_serves_where_libx264_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "_codec", lambda _: "mpeg4")
    times = [0.0, 0.04, 0.5]
    with Encoder(tmp_path / "v.mp4", (96, 64), Fraction(25)) as encoder:
        for time_s in times:
            encoder.write(ground(96, 64), time_s)
    assert read_video(tmp_path / "v.mp4")[1] == pytest.approx(times, abs=1e-3)
