"""Recorded video in, upright frames with true times out.

Times come from the presentation time stamps of the container, so they are right for a variable frame rate and for
streams whose first time stamp is not zero. Damaged data is skipped and counted; it is never fatal while anything
decodes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import MAXYEAR, UTC, datetime
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facematch.errors import VideoUnreadable
from facematch.extras import require
from facematch.types import Frame, Image
from facematch.video.sources.address import public_address

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["FileSource", "upright"]

_log = logging.getLogger(__name__)

MAX_PIXELS = 8192 * 8192
"""Largest frame that is decoded; guards against headers that promise absurd sizes."""

MAX_GAP_S = 9 * 3600.0
"""A time stamp that jumps further ahead than this is damage; an MP4 file could not say it either."""

_FALLBACK_RATE = 25.0
_NOT_RECORDINGS = {"image2", "tty", "hls", "concat", "dash", "ffmetadata"}
_EPOCHS = (datetime(1904, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC))
_HINT = "check that the file is a complete recording in a common format such as MP4, MOV, MKV, AVI or WebM"


def upright(pixels: Image, matrix: tuple[int, ...] | None) -> Image:
    """Turn and mirror pixels as a display matrix asks.

    Args:
        pixels: ``(H, W, 3)`` ``uint8``.
        matrix: The nine 16.16 fixed-point numbers of an ISO base media display matrix, or ``None``. A point ``(p, q)``
            of the stored picture is shown at ``(a p + c q, b p + d q)``; ``a, b, c, d`` stand at places 0, 1, 3, 4.
            Only quarter turns and mirrorings are honored; any other matrix leaves the pixels as they are.

    Returns:
        ``uint8`` pixels, C-contiguous; ``(W, H, 3)`` for a quarter turn.
    """
    if matrix is None:
        return pixels
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if a and d and not b and not c:
        flip_x, flip_y = a < 0, d < 0
    elif b and c and not a and not d:
        pixels = pixels.transpose(1, 0, 2)
        flip_x, flip_y = c < 0, b < 0
    else:
        return pixels
    if flip_x:
        pixels = pixels[:, ::-1]
    if flip_y:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


class FileSource:
    """The frames of a recorded video file, in order; iterate it once or many times.

    Args:
        path: The video file.

    Raises:
        VideoUnreadable: No such file, a folder, an empty file, not a video, or a file without a video stream.
        MissingExtra: The extra ``video`` is not installed.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(path)
        self._av: Any = require("av", extra="video", what="video needs")
        self._broken = 0
        self._shown = public_address(str(self._path))
        self._check_path()
        with self._open() as container:
            stream = self._stream(container)
            context = stream.codec_context
            self._stored_size = (int(context.width), int(context.height))
            if self._stored_size[0] * self._stored_size[1] > MAX_PIXELS:
                raise VideoUnreadable(
                    f"{self.name}: frames of {context.width} x {context.height} are over {MAX_PIXELS} pixels",
                    hint="scale the recording down first",
                )
            self._codec = str(context.name)
            self._container_format = str(container.format.name)
            rate = stream.average_rate or stream.guessed_rate
            self._rate = float(rate) if rate else _FALLBACK_RATE
            self._rate_fraction = Fraction(rate) if rate else Fraction(25)
            self._frames = self._estimate_frames(container, stream)
            self._recorded_at = self._recording_time(container, stream)
            self._aspect = context.sample_aspect_ratio

    def _check_path(self) -> None:
        try:
            if not self._path.exists():
                raise VideoUnreadable(f"there is no file {self._shown!r}", hint="check the path")
            if not self._path.is_file():
                raise VideoUnreadable(f"{self._shown!r} is not a regular file", hint="give the path of one video file")
            if self._path.stat().st_size == 0:
                raise VideoUnreadable(f"{self.name} is empty: 0 bytes", hint="copy the recording again")
        except OSError as error:
            raise VideoUnreadable(
                f"{self._shown!r} cannot be read: {error.strerror}",
                hint="check the path and its permissions",
            ) from error

    def _open(self) -> InputContainer:
        try:
            container: InputContainer = self._av.open(
                os.fspath(self._path.absolute()),
                mode="r",
                options={"protocol_whitelist": "file"},
                **self._text_errors(),
            )
        except self._av.FFmpegError as error:
            raise VideoUnreadable(f"{self.name} cannot be read as a video: {error.strerror}", hint=_HINT) from error
        return container

    def _text_errors(self) -> dict[str, str]:
        """Options for titles and the like that are no UTF-8 to be read; PyAV 19 needs none."""
        return {"metadata_errors": "replace"} if int(self._av.__version__.partition(".")[0]) < 19 else {}

    def _stream(self, container: InputContainer) -> VideoStream:
        kind = container.format.name
        streams = [s for s in container.streams.video if not s.disposition & self._av.stream.Disposition.attached_pic]
        if kind.endswith("_pipe") or _NOT_RECORDINGS & set(kind.split(",")):
            raise VideoUnreadable(
                f"{self.name} is not a recording (format {kind})", hint="for a picture, use identify instead; " + _HINT
            )
        if not streams:
            raise VideoUnreadable(f"{self.name} has no video stream", hint=_HINT)
        stream = streams[0]
        if stream.codec_context is None:
            raise VideoUnreadable(
                f"{self.name} is coded in a way that this build of FFmpeg cannot decode",
                hint="convert it to H.264 first",
            )
        stream.thread_type = "AUTO"
        return stream

    def _estimate_frames(self, container: InputContainer, stream: VideoStream) -> int | None:
        if stream.frames > 0:
            return int(stream.frames)
        seconds: float | None = None
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / float(self._av.time_base)
        estimate = round(seconds * self._rate) if seconds is not None and stream.average_rate else 0
        return estimate if estimate > 0 else None

    @staticmethod
    def _recording_time(container: InputContainer, stream: VideoStream) -> datetime | None:
        for metadata in (container.metadata, stream.metadata):
            text = metadata.get("creation_time") or metadata.get("com.apple.quicktime.creationdate")
            if not text:
                continue
            try:
                moment = datetime.fromisoformat(text.strip())
                moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
            except (ValueError, OverflowError):
                continue
            # an unset clock is no recording time, nor is one that leaves no room for the recording's own length
            if moment not in _EPOCHS and moment.year < MAXYEAR:
                return moment
        return None

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def name(self) -> str:
        """The file's name without its folder; bytes of it that are no UTF-8 are replaced."""
        return os.fsencode(self._path.name).decode("utf-8", "replace")

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, such as ``h264``."""
        return self._codec

    @property
    def stored_size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels as stored, before the display matrix turns the picture."""
        return self._stored_size

    @property
    def average_rate(self) -> float:
        """Average frames a second; 25 where the container does not say."""
        return self._rate

    @property
    def rate(self) -> Fraction:
        """:attr:`average_rate` as the container's fraction."""
        return self._rate_fraction

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """Width to height of one stored pixel, or ``None`` where the stream does not say."""
        return self._aspect or None

    @property
    def estimated_frames(self) -> int | None:
        """Number of frames that the container announces, or ``None`` where it does not say."""
        return self._frames

    @property
    def recorded_at(self) -> datetime | None:
        """The container's creation time, UTC, or ``None``. It is as right as the recorder's clock was."""
        return self._recorded_at

    @property
    def broken_frames(self) -> int:
        """Damaged packets and frames met by the latest iteration."""
        return self._broken

    def __iter__(self) -> Iterator[Frame]:
        """Decode the frames.

        Raises:
            VideoUnreadable: Not one frame decodes.
        """
        self._broken = 0
        clock = _FrameClock(1.0 / self._rate)
        index = 0
        with self._open() as container:
            stream = self._stream(container)
            for decoded in self._decoded(container, stream):
                pixels = self._pixels(decoded)
                if pixels is None:
                    self._broken += 1
                    continue
                yield Frame(index, clock.seconds(decoded), pixels)
                index += 1
        if index == 0:
            raise VideoUnreadable(f"{self.name}: not one frame of the video stream decodes", hint=_HINT)
        if self._broken:
            _log.warning("damaged video data skipped", extra={"video": self.name, "broken_frames": self._broken})

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except self._av.FFmpegError:  # the container itself is damaged from here on
                self._broken += 1
                packet = None
            try:
                frames = stream.decode(packet)
            except self._av.error.EOFError:  # flushed twice: the demuxer already ended with an empty packet
                return
            except self._av.FFmpegError:
                self._broken += 1
                if packet is None:
                    return
                continue
            if packet is not None and packet.is_corrupt:
                self._broken += 1
            for frame in frames:
                if frame.is_corrupt:
                    self._broken += 1
                yield frame
            if packet is None:
                return

    def _pixels(self, decoded: VideoFrame) -> Image | None:
        if decoded.width * decoded.height > MAX_PIXELS:
            return None
        try:
            pixels = decoded.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
        except (self._av.FFmpegError, ValueError):
            return None
        matrix: Any = decoded.side_data.get("DISPLAYMATRIX")
        numbers = None if matrix is None else tuple(np.frombuffer(bytes(matrix), dtype=np.int32).tolist())
        return upright(pixels, numbers)


class _FrameClock:
    """Seconds from the first frame, strictly increasing whatever the time stamps say."""

    def __init__(self, interval: float) -> None:
        self._interval = min(interval, MAX_GAP_S)
        self._origin: float | None = None
        self._last: float | None = None

    def seconds(self, frame: VideoFrame) -> float:
        stamp = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
        if self._last is None:
            self._origin, self._last = stamp, 0.0
            return 0.0
        expected = self._last + self._interval
        if stamp is None:
            now = expected
        else:
            if self._origin is None:  # the first frames had no time stamp: place this one after them
                self._origin = stamp - expected
            now = stamp - self._origin
        # repeated, running backwards or jumping out of sight: go on by one frame and keep that offset
        if not 0 < now - self._last <= MAX_GAP_S:
            self._origin = None if stamp is None else stamp - expected
            now = expected
        self._last = now
        return now
