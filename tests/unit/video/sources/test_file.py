from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from facematch.errors import VideoUnreadable
from facematch.video import FileSource
from facematch.video.sources.file import _FrameClock, upright
from tests.unit.video.support import ground, put, write_video


def moving(count: int, width: int = 192, height: int = 128) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    images = []
    for i in range(count):
        image = ground(width, height)
        put(image, "ana", 10 + 3 * i, 40)
        images.append(image)
    return images


def test_times_of_a_variable_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.3, 0.31, 0.9, 1.5]
    source = FileSource(write_video(tmp_path / "v.mp4", moving(6), times))
    assert [f.time_s for f in source] == pytest.approx(times, abs=1e-3)
    assert [f.index for f in source] == [0, 1, 2, 3, 4, 5]
    assert source.broken_frames == 0


def test_times_start_at_zero_whatever_the_first_stamp(tmp_path: Path) -> None:
    times = [7.2 + i * 0.04 for i in range(5)]
    source = FileSource(write_video(tmp_path / "v.mkv", moving(5), times))
    assert [f.time_s for f in source] == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16], abs=2e-3)


def test_missing_stamps_are_filled_in(tmp_path: Path) -> None:
    path = write_video(tmp_path / "raw.h264", moving(6), options={"bf": "0"})
    times = [f.time_s for f in FileSource(path)]
    assert len(times) == 6
    assert times[0] == 0.0
    assert (np.diff(times) > 0).all()


def test_clock_repairs_repeated_backward_and_missing_stamps() -> None:
    clock = _FrameClock(0.1)
    stamps = [5.0, 5.1, 5.1, 4.0, None, 4.2, 4.3]
    seconds = []
    for stamp in stamps:
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.time_base = Fraction(1, 1000)
        frame.pts = None if stamp is None else round(stamp * 1000)
        seconds.append(clock.seconds(frame))
    assert seconds == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


@pytest.mark.parametrize(
    ("rotation", "turn"),
    [
        (90, lambda p: np.rot90(p, 1)),
        (-90, lambda p: np.rot90(p, -1)),
        (180, lambda p: np.rot90(p, 2)),
        (None, lambda p: p),
    ],
)
def test_rotation_metadata_is_honored(
    tmp_path: Path,
    rotation: int | None,
    turn: Callable[[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], np.ndarray[tuple[int, ...], np.dtype[np.uint8]]],
) -> None:
    image = moving(1)[0]
    image[:20, :30] = 255
    frames = list(FileSource(write_video(tmp_path / "v.mp4", [image] * 3, rotation=rotation)))
    expected = turn(image)
    assert frames[0].pixels.shape == expected.shape
    assert frames[0].pixels.flags.c_contiguous
    assert np.abs(frames[0].pixels.astype(int) - expected).mean() < 6


def test_upright_mirrors_and_leaves_odd_angles_alone() -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    one = 1 << 16
    assert np.array_equal(upright(pixels, (-one, 0, 0, 0, one, 0, 0, 0, 1 << 30)), pixels[:, ::-1])
    assert np.array_equal(upright(pixels, (one, 0, 0, 0, -one, 0, 0, 0, 1 << 30)), pixels[::-1])
    assert np.array_equal(upright(pixels, (0, one, 0, one, 0, 0, 0, 0, 1 << 30)), pixels.transpose(1, 0, 2))
    assert upright(pixels, (one, one, 0, -one, one, 0, 0, 0, 1 << 30)) is pixels
    assert upright(pixels, None) is pixels


def test_damaged_packets_are_counted_and_skipped(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", moving(40), options={"g": "10"})
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + len(data[data.index(b"mdat") :]) // 3
    rng = np.random.default_rng(1)
    data[start : start + 1500] = rng.integers(0, 256, 1500, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    source = FileSource(path)
    frames = list(source)
    assert source.broken_frames > 0
    assert len(frames) > 15
    assert (np.diff([f.time_s for f in frames]) > 0).all()


def test_truncated_file_gives_what_is_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", moving(40), container_options={"movflags": "+faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    source = FileSource(path)
    frames = list(source)
    assert 5 < len(frames) < 40
    assert source.estimated_frames == 40


def test_odd_sizes_are_kept(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", [ground(101, 75)] * 3, codec="ffv1", pix_fmt="yuv444p")
    frames = list(FileSource(path))
    assert frames[0].pixels.shape == (75, 101, 3)


def test_facts_of_a_recording(tmp_path: Path) -> None:
    made = {"creation_time": "2024-05-06T07:08:09.000000Z"}
    source = FileSource(write_video(tmp_path / "v.mp4", moving(10), metadata=made))
    assert source.recorded_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert source.estimated_frames == 10
    assert source.average_rate == pytest.approx(25, rel=0.2)
    assert (source.codec, source.stored_size, source.name) == ("h264", (192, 128), "v.mp4")
    assert FileSource(write_video(tmp_path / "w.mp4", moving(3))).recorded_at is None


def test_iterating_twice_gives_the_same(tmp_path: Path) -> None:
    source = FileSource(write_video(tmp_path / "v.mp4", moving(8)))
    first, second = list(source), list(source)
    assert [f.time_s for f in first] == [f.time_s for f in second]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, second, strict=True))
    assert len(first) == 8


def _audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _picture(path: Path) -> Path:
    cv2.imwrite(str(path), ground())
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder / "nothing.mp4", "no file"),
        (lambda folder: folder, "not a regular file"),
        (lambda folder: _written(folder / "v.mp4", b""), "empty"),
        (lambda folder: _written(folder / "v.mp4", b"to be or not to be\n" * 40), "cannot be read"),
        (lambda folder: _written(folder / "v.txt", b"to be or not to be\n" * 40), "v.txt"),
        (lambda folder: _audio_only(folder / "a.m4a"), "no video stream"),
        (lambda folder: _picture(folder / "p.jpg"), "not a recording"),
        (lambda folder: _picture(folder / "p.png"), "not a recording"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, make: Callable[[Path], Path], says: str) -> None:
    with pytest.raises(VideoUnreadable, match=says) as caught:
        FileSource(make(tmp_path))
    assert caught.value.code == "video_unreadable"
    assert caught.value.hint


def test_a_stream_in_which_nothing_decodes_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", moving(10))
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + 4
    size = int.from_bytes(data[at - 8 : at - 4], "big") - 8
    data[at : at + size] = b"\xff" * size
    path.write_bytes(data)
    with pytest.raises(VideoUnreadable, match="not one frame"):
        list(FileSource(path))


def test_clock_takes_a_leap_for_damage() -> None:
    clock = _FrameClock(0.1)
    seconds = []
    for stamp in (0.0, 0.1, 1e9, 1e9 + 0.1, 0.5):
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.time_base = Fraction(1, 1000)
        frame.pts = round(stamp * 1000)
        seconds.append(clock.seconds(frame))
    assert seconds == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_metadata_that_is_no_utf8_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, [np.zeros((64, 64, 3), np.uint8)] * 3, metadata={"title": "PLACE-HOLDER"})
    written = path.read_bytes()
    assert b"PLACE-HOLDER" in written
    path.write_bytes(written.replace(b"PLACE-HOLDER", b"\xff\xfe\x80 r\xe9unions"))
    source = FileSource(path)
    assert len(list(source)) == 3
    assert source.broken_frames == 0


def test_a_path_that_the_system_refuses_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(VideoUnreadable, match="too long"):
        FileSource(tmp_path / ("a" * 300 + ".mp4"))


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"])
def test_recording_times_at_the_ends_of_the_calendar_are_no_recording_times(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "v.mov"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata["com.apple.quicktime.creationdate"] = moment
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="bgr24")))
        container.mux(stream.encode(None))
    assert FileSource(path).recorded_at is None
