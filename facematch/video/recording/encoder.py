"""Upright BGR frames and their times into an MP4 file."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from facematch.errors import VideoWriteError
from facematch.extras import require
from facematch.types import Image

__all__ = ["Encoder"]

_TICKS = 60_000
"""Time stamps a second: whole numbers for 24, 25, 29.97, 30 and 60 frames a second, and below MPEG-4's 65,536."""

_BT709 = 1
_BT601 = 6
_HINT = "check that the folder is writable and has room"


class Encoder:
    """Writes H.264 (MPEG-4 part 2 where libx264 is missing) in ``yuv420p``, with the time stamps it is given.

    The format needs even sides: an odd one is padded by repeating the last row or column. There is no sound.

    Args:
        path: The file to write.
        size: ``(width, height)`` of the frames in pixels.
        rate: Nominal frames a second; the time stamps decide, this is a hint to the encoder.
        sample_aspect_ratio: Width to height of a pixel, if not square.

    Raises:
        VideoWriteError: The file cannot be written.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], rate: Fraction, *, sample_aspect_ratio: Fraction | None = None
    ) -> None:
        self._av: Any = require("av", extra="video", what="video needs")
        self._path = path
        self._pad = (size[1] % 2, size[0] % 2)
        self._large = size[1] >= 720
        self._time_base = Fraction(1, _TICKS)
        self._last_pts = -1
        try:
            self._container = self._av.open(
                str(path.absolute()), mode="w", format="mp4", options={"movflags": "+faststart"}
            )
        except (self._av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        try:
            self._stream = self._container.add_stream(self._codec(), rate=rate.limit_denominator(65_535))
            self._stream.width, self._stream.height = size[0] + self._pad[1], size[1] + self._pad[0]
            self._stream.pix_fmt = "yuv420p"
            context = self._stream.codec_context
            context.time_base = self._time_base
            context.colorspace = context.color_primaries = context.color_trc = _BT709 if self._large else _BT601
            context.color_range = 1  # "MPEG": 16-235
            if sample_aspect_ratio:
                context.sample_aspect_ratio = sample_aspect_ratio
            if context.name == "libx264":  # without B-frames, whose reordering MP4 cannot say across a gap of hours
                self._stream.options = {"crf": "21", "preset": "veryfast", "bf": "0"}
            else:
                self._stream.bit_rate = max(1_000_000, size[0] * size[1] * 4)
        except (self._av.FFmpegError, OSError, ValueError) as error:
            self.abandon()
            raise self._failure(error) from error

    def _codec(self) -> str:
        try:
            self._av.codec.Codec("libx264", "w")
        except self._av.codec.codec.UnknownCodecError:
            return "mpeg4"
        return "libx264"

    def write(self, image: Image, time_s: float) -> None:
        """Encode one frame.

        Args:
            image: BGR ``uint8`` of the size given at the start.
            time_s: Its time in seconds; larger than the one before.

        Raises:
            VideoWriteError: It cannot be written, for instance because the disk is full.
        """
        if any(self._pad):
            image = np.pad(image, ((0, self._pad[0]), (0, self._pad[1]), (0, 0)), mode="edge")
        frame = self._av.VideoFrame.from_ndarray(image, format="bgr24").reformat(
            format="yuv420p", dst_colorspace="ITU709" if self._large else "ITU601", dst_color_range="MPEG"
        )
        frame.pts = max(round(time_s * _TICKS), self._last_pts + 1)
        self._last_pts = frame.pts
        frame.time_base = self._time_base
        try:
            self._container.mux(self._stream.encode(frame))
        except (self._av.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def finish(self) -> None:
        """Write what is still in the encoder and close the file.

        Raises:
            VideoWriteError: It cannot be written.
        """
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except (self._av.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def abandon(self) -> None:
        """Close the file without finishing it."""
        with contextlib.suppress(self._av.FFmpegError, OSError):
            self._container.close()

    def _failure(self, error: Exception) -> VideoWriteError:
        reason = getattr(error, "strerror", None) or str(error)
        return VideoWriteError(f"{str(self._path)!r} cannot be written: {reason}", hint=_HINT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            self.finish()
        else:
            self.abandon()
