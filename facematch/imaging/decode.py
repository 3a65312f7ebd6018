"""Safe decoding: a path, bytes or an array becomes upright BGR pixels, or a typed error.

Pillow reads the file. It reads a header before it allocates pixels, so a decompression bomb is refused while it is
still small; it refuses truncated data instead of filling the rest with gray, as OpenCV's reader does.
"""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)
from PIL import Image as PillowImage

from facematch.errors import (
    ImageDecodeError,
    ImageEmpty,
    ImageNotFound,
    ImageTooLarge,
    ImageTruncated,
    ImageUnsupported,
    InvalidArgument,
    NotAnImage,
)
from facematch.types import Image, ImageSource

__all__ = [
    "FORMATS",
    "PICTURE_ENDINGS",
    "DecodeLimits",
    "DecodedImage",
    "ReducedImage",
    "decode",
    "decode_pixels",
    "decode_reduced",
    "picture_digest",
    "picture_size",
]

_READERS = (  # naming them registers them, and only them
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile,
    GifImagePlugin.GifImageFile,
    TiffImagePlugin.TiffImageFile,
    PpmImagePlugin.PpmImageFile,
)

FORMATS: Final = tuple(str(reader.format) for reader in _READERS)
"""Formats that are read. Formats that start an interpreter or another program are left out on purpose."""

PICTURE_ENDINGS: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Endings of files that are looked for in folders. What a file is, its content says."""

_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, OverflowError, UserWarning)
"""Errors of Pillow's readers on damaged data; warnings where the caller turns them into errors."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Limits on what is decoded.

    Attributes:
        max_bytes: Largest file in bytes.
        max_pixels: Largest ``width * height``, checked before pixels are allocated. Kept under Pillow's own
            warning limit of 89 megapixels.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 80_000_000


DEFAULT_LIMITS: Final = DecodeLimits()


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """Pixels and where they came from.

    Attributes:
        pixels: BGR ``uint8`` ``(H, W, 3)``, upright, C-contiguous.
        digest: SHA-256 (hex) of the file's bytes; of shape, type and data for an array.
        name: The file's name, or ``None`` for bytes and arrays.
    """

    pixels: Image
    digest: str
    name: str | None = field(default=None)


@dataclass(frozen=True, slots=True, eq=False)
class ReducedImage:
    """A picture, perhaps decoded at a fraction of its size.

    Attributes:
        pixels: BGR ``uint8`` ``(h, w, 3)``, upright, C-contiguous.
        reduction: 1, 2, 4 or 8: how many of the picture's own pixels one of these is wide and high.
        height: Height of the picture itself, in pixels.
        width: Width of the picture itself, in pixels.
    """

    pixels: Image
    reduction: int
    height: int
    width: int


def decode(source: ImageSource, *, limits: DecodeLimits = DEFAULT_LIMITS) -> DecodedImage:
    """Decode a picture to upright BGR pixels.

    Palette, gray, 16-bit, CMYK and alpha pictures are converted (16-bit to 8 by dropping the low byte, alpha by
    composing over white); of an animation the first frame counts; the EXIF orientation is applied.

    Args:
        source: A path; the bytes of a picture file; or an array: gray ``(H, W)`` or ``(H, W, 1)``, BGR
            ``(H, W, 3)`` or BGRA ``(H, W, 4)``, ``uint8`` or ``uint16``.
        limits: Limits on bytes and pixels.

    Returns:
        The pixels, with the digest of what was given.

    Raises:
        ImageNotFound: The path does not name a regular file that can be read.
        ImageEmpty: Zero bytes or zero pixels.
        NotAnImage: The bytes are in none of :data:`FORMATS`.
        ImageTruncated: The data is incomplete or damaged.
        ImageTooLarge: Over a limit.
        ImageUnsupported: Pixels of a kind that cannot become 8-bit BGR without guessing (floating point, 32-bit).
        InvalidArgument: ``source`` is of another type, or the array of another shape or type.
    """
    if isinstance(source, np.ndarray):
        return DecodedImage(_from_array(source, limits), _digest_of_array(source))
    data, name = _bytes_of(source, limits)
    return DecodedImage(_from_bytes(data, name, limits), hashlib.sha256(data).hexdigest(), name)


def picture_digest(source: ImageSource, *, limits: DecodeLimits = DEFAULT_LIMITS) -> str:
    """The digest that :func:`decode` gives, without decoding.

    Raises:
        ImageNotFound: The path does not name a regular file that can be read.
        InvalidArgument: ``source`` is of another type.
    """
    if isinstance(source, np.ndarray):
        _from_array(source, limits)  # what is no picture has no digest
        return _digest_of_array(source)
    return hashlib.sha256(_bytes_of(source, limits)[0]).hexdigest()


def _digest_of_array(array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def decode_pixels(source: ImageSource, *, limits: DecodeLimits = DEFAULT_LIMITS) -> Image:
    """The pixels that :func:`decode` gives, without the digest, which of a large array takes longer than all else.

    Args:
        source: As for :func:`decode`.
        limits: Limits on bytes and pixels.

    Returns:
        BGR ``uint8`` ``(H, W, 3)``, upright, C-contiguous; an array that is so already is returned itself.

    Raises:
        ImageDecodeError: As :func:`decode`.
        InvalidArgument: As :func:`decode`.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, limits)
    return _from_bytes(*_bytes_of(source, limits), limits)


def decode_reduced(source: ImageSource, longest: int, *, limits: DecodeLimits = DEFAULT_LIMITS) -> ReducedImage:
    """A picture at the smallest scale at which its longer side still has ``longest`` pixels.

    Only JPEG is reduced: its decoder leaves out the finer frequencies and so works on a half, a quarter or an eighth of
    the pixels. Other pictures come at full size.

    Args:
        source: As for :func:`decode`.
        longest: Pixels wanted of the longer side; 0: all there are.
        limits: Limits on bytes, and on the pixels of the picture itself.

    Returns:
        The pixels, and by how much they are reduced.

    Raises:
        ImageDecodeError: As :func:`decode`.
        InvalidArgument: As :func:`decode`.
    """
    if isinstance(source, np.ndarray):
        pixels = _from_array(source, limits)
        return ReducedImage(pixels, 1, pixels.shape[0], pixels.shape[1])
    return _reduced(*_bytes_of(source, limits), limits, longest)


def picture_size(path: str | PathLike[str]) -> tuple[int, int]:
    """Width and height that a picture file's header states, in pixels; nothing is decoded.

    Raises:
        ImageDecodeError: The file cannot be read, or is in none of :data:`FORMATS`.
    """
    try:
        if not Path(path).is_file():  # opening a pipe would wait for its writer
            raise ImageNotFound(f"{path} is not a regular file", hint="name a picture file")
        with PillowImage.open(path, formats=FORMATS) as picture:
            return picture.size
    except ImageDecodeError:
        raise
    except UnidentifiedImageError as error:
        raise NotAnImage(f"{path} is in no picture format that is read here") from error
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"{path} has too many pixels", hint="scale it down") from error
    except _DAMAGE as error:
        raise ImageNotFound(f"{path} cannot be read: {error}", hint="check the path and its permissions") from error


def _bytes_of(source: Any, limits: DecodeLimits) -> tuple[bytes, str | None]:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), None
    if isinstance(source, str | PathLike):
        path = Path(fspath(source))
        return _read(path, limits), path.name
    raise InvalidArgument(
        f"a picture is a path, bytes or a NumPy array, got {type(source).__name__}",
        hint="convert other picture types with numpy.asarray(picture)[..., ::-1], which is BGR",
    )


def _read(path: Path, limits: DecodeLimits) -> bytes:
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not a regular file" if path.exists() else "does not exist"
            raise ImageNotFound(f"{path} {what}", hint="name a picture file")
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
    except (OSError, ValueError) as error:
        raise ImageNotFound(f"{path} cannot be read: {error}", hint="check the path and its permissions") from error
    return data


def _from_bytes(data: bytes, name: str | None, limits: DecodeLimits) -> Image:
    return _reduced(data, name, limits, 0).pixels


def _reduced(data: bytes, name: str | None, limits: DecodeLimits, longest: int) -> ReducedImage:
    label = name or "the picture"
    if not data:
        raise ImageEmpty(f"{label} has no bytes", hint="the file may not have been copied completely")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"{label} has more than {limits.max_bytes:,} bytes", hint="save it smaller, or raise DecodeLimits.max_bytes"
        )
    try:
        with PillowImage.open(io.BytesIO(data), formats=FORMATS) as picture:
            size = picture.size
            _check_size(*size, label, limits)
            reduction = _reduce(picture, longest)
            pixels = _to_bgr(picture, label)
            width, height = size[::-1] if _lies(picture) else size
    except ImageDecodeError:
        raise
    except UnidentifiedImageError as error:
        raise NotAnImage(
            f"{label} is in no picture format that is read here",
            hint=f"formats: {', '.join(FORMATS)}; the content counts, not the file's ending",
        ) from error
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise _too_many_pixels(label, limits) from error
    except MemoryError as error:
        raise ImageTooLarge(f"{label} does not fit into memory", hint="lower DecodeLimits.max_pixels") from error
    except _DAMAGE as error:
        raise ImageTruncated(f"{label} is incomplete or damaged: {error}", hint="copy or export it again") from error
    return ReducedImage(pixels, reduction, height, width)


def _reduce(picture: PillowImage.Image, longest: int) -> int:
    """Have a picture decoded at a fraction of its size, if its format can. Returns the divisor."""
    divisor = max((d for d in (1, 2, 4, 8) if longest > 0 and max(picture.size) >= d * longest), default=1)
    if divisor == 1 or min(picture.size) < divisor:
        return 1
    done = picture.draft(None, (picture.width // divisor, picture.height // divisor))
    return 1 if done is None else divisor


def _too_many_pixels(label: str, limits: DecodeLimits, size: str = "") -> ImageTooLarge:
    return ImageTooLarge(
        f"{label} has more than {limits.max_pixels:,} pixels{size}",
        hint="scale it down, or raise DecodeLimits.max_pixels",
    )


def _check_size(width: int, height: int, label: str, limits: DecodeLimits) -> None:
    if width < 1 or height < 1:
        raise ImageEmpty(f"{label} is {width} x {height} pixels", hint="a picture has at least one pixel")
    if width * height > limits.max_pixels:
        raise _too_many_pixels(label, limits, f": {width} x {height}")


def _to_bgr(picture: PillowImage.Image, label: str) -> Image:
    picture.load()  # of an animation this is the first frame
    upright = _upright(picture)
    mode = upright.mode
    if mode.startswith("I;16"):
        gray = (np.asarray(upright).astype(np.uint16) >> 8).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(gray[..., None], 3, axis=2))
    if mode in {"I", "F"}:
        raise ImageUnsupported(
            f"{label} has 32-bit pixels (mode {mode}) without a stated range",
            hint="export it with 8 or 16 bits a channel",
        )
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        rgb = PillowImage.alpha_composite(PillowImage.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba).convert("RGB")
    else:
        rgb = upright if mode == "RGB" else upright.convert("RGB")
    return np.ascontiguousarray(np.asarray(rgb)[..., ::-1])


def _upright(picture: PillowImage.Image) -> PillowImage.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except _DAMAGE:  # damaged metadata around sound pixels: there is no orientation to apply
        return picture


def _lies(picture: PillowImage.Image) -> bool:
    """Whether a picture is a quarter turn away from upright, so that :func:`_upright` swaps width and height."""
    try:
        return picture.getexif().get(ExifTags.Base.Orientation, 1) in {5, 6, 7, 8}
    except _DAMAGE:
        return False


def _from_array(array: NDArray[Any], limits: DecodeLimits) -> Image:
    expected = "uint8 or uint16 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
    if array.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise InvalidArgument(
            f"a picture array is {expected}, got {array.dtype}",
            hint="scale floating-point pixels to 0..255 and convert with astype('uint8')",
        )
    if array.ndim not in {2, 3} or (array.ndim == 3 and array.shape[2] not in {1, 3, 4}):
        raise InvalidArgument(f"a picture array is {expected}, got shape {array.shape}")
    if array.size == 0:
        raise ImageEmpty(f"the picture array has no pixels: shape {array.shape}", hint="check the crop that made it")
    _check_size(array.shape[1], array.shape[0], "the picture array", limits)
    pixels: Image = (array >> 8).astype(np.uint8) if array.dtype == np.uint16 else array.astype(np.uint8, copy=False)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    elif pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.uint16)
        over_white = (pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
        pixels = over_white.astype(np.uint8)
    return np.ascontiguousarray(pixels)
