"""Decoding: every kind of good picture becomes the right pixels, every kind of bad one a typed error."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.errors import (
    FacematchError,
    ImageEmpty,
    ImageNotFound,
    ImageTooLarge,
    ImageTruncated,
    ImageUnsupported,
    InvalidArgument,
    NotAnImage,
)
from facematch.imaging import DecodeLimits, decode, decode_pixels, decode_reduced, picture_digest, picture_size
from facematch.types import Image


def encoded(picture: PillowImage.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width: int = 40, height: int = 30) -> PillowImage.Image:
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 6 % 256, y * 8 % 256, (x + y) * 3 % 256], axis=2).astype(np.uint8)
    return PillowImage.fromarray(pixels)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def bgr(picture: PillowImage.Image) -> Image:
    return np.asarray(picture.convert("RGB"))[..., ::-1]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_the_exact_pixels_opencv_gives(kind: str) -> None:
    data = encoded(gradient(), kind)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decode(data).pixels, expected)


def test_jpeg_agrees_with_opencv(group_path: Path) -> None:
    ours = decode(group_path).pixels.astype(int)
    assert np.abs(ours - np.asarray(cv2.imread(str(group_path))).astype(int)).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_opencv_applies_it(orientation: int) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    data = encoded(gradient(), "JPEG", exif=exif, quality=95)
    expected = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)).astype(int)
    ours = decode(data).pixels
    assert ours.shape == expected.shape
    assert np.abs(ours.astype(int) - expected).max() <= 3
    assert ours.flags.c_contiguous


def test_alpha_is_composed_over_white() -> None:
    rgba = PillowImage.new("RGBA", (4, 2), (200, 100, 0, 0))
    rgba.putpixel((0, 0), (200, 100, 0, 255))
    rgba.putpixel((1, 0), (200, 100, 0, 128))
    pixels = decode(encoded(rgba, "PNG")).pixels
    assert pixels[0, 0].tolist() == [0, 100, 200]
    assert pixels[1, 3].tolist() == [255, 255, 255]
    half = decode(np.array([[[0, 100, 200, 128]]], dtype=np.uint8)).pixels[0, 0]
    assert np.abs(pixels[0, 1].astype(int) - half).max() <= 1


def test_cmyk_jpeg_is_converted() -> None:
    pixels = decode(encoded(PillowImage.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)).pixels
    blue, green, red = pixels[8, 8]
    assert red > 200
    assert green < 60
    assert blue < 60


def test_sixteen_bits_keep_the_high_byte() -> None:
    values = np.array([[0x1234, 0xFFEE], [0x00FF, 0x8000]], dtype=np.uint16)
    pixels = decode(encoded(PillowImage.fromarray(values), "PNG")).pixels
    np.testing.assert_array_equal(pixels[..., 0], values >> 8)
    np.testing.assert_array_equal(decode(values).pixels, pixels)


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA"])
def test_other_modes_become_three_channels(mode: str) -> None:
    data = encoded(gradient().convert(mode), "PNG")
    assert decode(data).pixels.shape == (30, 40, 3)


def test_first_frame_of_an_animation_counts() -> None:
    first, second = PillowImage.new("RGB", (8, 8), (255, 0, 0)), PillowImage.new("RGB", (8, 8), (0, 255, 0))
    data = encoded(first, "GIF", save_all=True, append_images=[second] * 5)
    assert decode(data).pixels[4, 4].tolist() == [0, 0, 255]


def test_path_bytes_and_memoryview_agree_and_carry_the_files_digest(tmp_path: Path) -> None:
    data = encoded(gradient(), "PNG")
    path = tmp_path / "face.png"
    path.write_bytes(data)
    from_path, from_bytes, from_view = decode(path), decode(data), decode(memoryview(data))
    assert from_path.digest == from_bytes.digest == from_view.digest == hashlib.sha256(data).hexdigest()
    assert (from_path.name, from_bytes.name) == ("face.png", None)
    np.testing.assert_array_equal(from_path.pixels, from_view.pixels)
    np.testing.assert_array_equal(decode(str(path)).pixels, from_path.pixels)


def test_array_digests_tell_shapes_apart() -> None:
    flat, tall = np.zeros((2, 8, 3), np.uint8), np.zeros((8, 2, 3), np.uint8)
    assert decode(flat).digest != decode(tall).digest
    assert decode(flat).digest == decode(flat.copy()).digest


def test_gray_and_single_channel_arrays() -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(decode(gray).pixels, np.repeat(gray[..., None], 3, axis=2))
    np.testing.assert_array_equal(decode(gray[..., None]).pixels, decode(gray).pixels)


def test_an_array_with_negative_strides_becomes_contiguous() -> None:
    picture = bgr(gradient())[::-1, ::-1]
    result = decode(picture).pixels
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, picture)


def truncated_jpeg() -> bytes:
    data = encoded(PillowImage.effect_noise((300, 200), 60), "JPEG")
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: b"", ImageEmpty),
        (lambda: b"this is no picture", NotAnImage),
        (lambda: b"%PDF-1.7\n" + b"\0" * 200, NotAnImage),
        (truncated_jpeg, ImageTruncated),
        (lambda: encoded(gradient(), "PNG")[:60], ImageTruncated),
        (lambda: png_header(10, 10), ImageTruncated),
        (lambda: png_header(20_000, 20_000), ImageTooLarge),
        (lambda: png_header(9_000, 9_000), ImageTooLarge),
        (lambda: encoded(PillowImage.new("F", (4, 4)), "TIFF"), ImageUnsupported),
        (lambda: encoded(PillowImage.new("I", (4, 4)), "TIFF"), ImageUnsupported),
        (lambda: np.zeros((0, 4, 3), np.uint8), ImageEmpty),
        (lambda: np.zeros((4, 4, 3), np.float32), InvalidArgument),
        (lambda: np.zeros((4, 4, 2), np.uint8), InvalidArgument),
        (lambda: np.zeros((2, 4, 4, 3), np.uint8), InvalidArgument),
        (lambda: 17, InvalidArgument),
        (lambda: None, InvalidArgument),
        (lambda: "/no/such/picture.jpg", ImageNotFound),
        (lambda: "a\0b.jpg", ImageNotFound),
    ],
)
def test_bad_input_is_a_typed_error_with_a_hint(make: Callable[[], object], error: type[FacematchError]) -> None:
    with pytest.raises(error) as caught:
        decode(make())  # type: ignore[arg-type]
    assert type(caught.value) is error
    assert caught.value.code == error.code


@pytest.mark.parametrize("position", range(20, 400, 20))
def test_no_damage_escapes_as_another_exception(position: int) -> None:
    """A flipped run of bytes anywhere gives pixels or one of our errors, whatever the reader stumbles over."""
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"):
        data = bytearray(encoded(gradient(), kind))
        at = position % len(data)
        data[at : at + 6] = bytes(b ^ 0xA5 for b in data[at : at + 6])
        try:
            outcome = decode(bytes(data)).pixels.ndim
        except FacematchError as error:
            outcome = len(error.code)
        assert outcome


def test_folders_and_special_files_are_not_read(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo, Path("/dev/zero")):
        with pytest.raises(ImageNotFound):
            decode(path)


def test_limits_on_bytes_and_pixels_can_be_set(tmp_path: Path) -> None:
    data = encoded(gradient(), "PNG")
    path = tmp_path / "face.png"
    path.write_bytes(data)
    with pytest.raises(ImageTooLarge, match="bytes"):
        decode(path, limits=DecodeLimits(max_bytes=len(data) - 1))
    with pytest.raises(ImageTooLarge, match="pixels"):
        decode(data, limits=DecodeLimits(max_pixels=40 * 30 - 1))
    assert decode(data, limits=DecodeLimits(max_bytes=len(data), max_pixels=40 * 30)).pixels.shape == (30, 40, 3)


def photograph(width: int, height: int, orientation: int = 1) -> bytes:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    return encoded(gradient(width, height).resize((width, height)), "JPEG", quality=95, exif=exif.tobytes())


@pytest.mark.parametrize(
    ("longest", "reduction"), [(0, 1), (801, 1), (800, 1), (401, 1), (400, 2), (200, 4), (100, 8), (1, 8)]
)
def test_a_photograph_is_reduced_as_far_as_its_longer_side_allows(longest: int, reduction: int) -> None:
    found = decode_reduced(photograph(800, 601), longest)
    assert (found.reduction, found.width, found.height) == (reduction, 800, 601)
    assert found.pixels.shape == (-(-601 // reduction), 800 // reduction, 3)
    assert found.pixels.flags.c_contiguous


def test_a_reduced_photograph_shows_what_averaging_its_pixels_shows() -> None:
    data = encoded(gradient(64, 64).resize((512, 384)), "JPEG", quality=95)
    full = decode_pixels(data)
    for longest, factor in ((256, 2), (128, 4), (64, 8)):
        expected = cv2.resize(full, (512 // factor, 384 // factor), interpolation=cv2.INTER_AREA)
        found = decode_reduced(data, longest)
        assert found.reduction == factor
        assert np.abs(found.pixels.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_of_a_reduced_photograph_is_that_of_the_upright_one(orientation: int) -> None:
    data = photograph(203, 202, orientation)
    full, found = decode_pixels(data), decode_reduced(data, 25)
    assert found.reduction == 8
    assert (found.height, found.width) == full.shape[:2] == ((203, 202) if orientation > 4 else (202, 203))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_other_formats_and_arrays_are_decoded_whole(kind: str) -> None:
    data = encoded(gradient(80, 60), kind)
    found = decode_reduced(data, 10)
    assert found.reduction == 1
    np.testing.assert_array_equal(found.pixels, decode_pixels(data))
    array = decode_reduced(np.zeros((40, 30, 3), dtype=np.uint8), 10)
    assert (array.reduction, array.height, array.width) == (1, 40, 30)


def test_a_narrow_strip_is_not_reduced_to_nothing() -> None:
    found = decode_reduced(photograph(800, 3), 100)
    assert found.reduction == 1
    assert found.pixels.shape == (3, 800, 3)


def test_sizes_and_digests_are_told_without_decoding(tmp_path: Path) -> None:
    data = photograph(64, 48)
    file = tmp_path / "a.jpg"
    file.write_bytes(data[: len(data) // 2])
    assert picture_size(file) == (64, 48)
    assert picture_digest(file) == hashlib.sha256(data[: len(data) // 2]).hexdigest()
    with pytest.raises(ImageTruncated):
        decode(file)
    array = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert picture_digest(array) == decode(array).digest
    for wrong in (np.zeros((4, 4), dtype="datetime64[s]"), np.full((4, 4), None)):
        with pytest.raises(InvalidArgument):
            picture_digest(wrong)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(NotAnImage):
        picture_size(tmp_path / "b.jpg")
    with pytest.raises(ImageNotFound):
        picture_size(tmp_path / "c.jpg")
