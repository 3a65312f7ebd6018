"""Errors of pictures, recordings and sinks."""

from __future__ import annotations

from facematch.errors.base import FacematchError


class ImageDecodeError(FacematchError):
    """A picture could not be turned into pixels."""

    code = "image_unreadable"


class ImageNotFound(ImageDecodeError):
    """There is no such file, or it is not a regular file."""

    code = "image_not_found"


class ImageEmpty(ImageDecodeError):
    """The picture has zero bytes or zero pixels."""

    code = "image_empty"


class NotAnImage(ImageDecodeError):
    """The bytes are in no supported picture format."""

    code = "image_not_an_image"


class ImageTruncated(ImageDecodeError):
    """The file ends early or its data is damaged."""

    code = "image_truncated"


class ImageTooLarge(ImageDecodeError):
    """The picture is over the limit on bytes or pixels; refused before its pixels are allocated."""

    code = "image_too_large"


class ImageUnsupported(ImageDecodeError):
    """A picture, but of a kind that cannot be converted to 8-bit BGR without guessing."""

    code = "image_unsupported"


class VideoError(FacematchError):
    """A recording could not be used."""

    code = "video_error"


class VideoUnreadable(VideoError):
    """The file cannot be opened, or has no video stream."""

    code = "video_unreadable"


class VideoWriteError(VideoError):
    """The annotated video could not be written."""

    code = "video_write_failed"


class SinkError(FacematchError):
    """An alert could not be handed on."""

    code = "sink_failed"
