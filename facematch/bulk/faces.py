"""Faces of many picture files: decoded ahead, detected and embedded in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from facematch.bulk.reading import ReadPicture, read_ahead
from facematch.errors import FacematchError, ImageDecodeError, InvalidArgument
from facematch.imaging import ReducedImage, decode_pixels
from facematch.protocols import Analyzer
from facematch.types import Box, Face, Image

__all__ = ["SMALLEST_REDUCED", "FileFaces", "faces_of_files", "longest_seen"]

_PICTURES: Final = 16
_PIXELS: Final = 16_000_000

SMALLEST_REDUCED: Final = 140.0
"""Height in decoded pixels from which a face is cut out of a reduced picture: its crop has 112."""


@dataclass(frozen=True, slots=True, eq=False)
class FileFaces:
    """Faces found in a file.

    Attributes:
        path: The file.
        faces: Its faces in reading order, each with its embedding, in pixels of the upright picture at full size.
        height: Height of the upright picture in pixels; 0 where it cannot be decoded.
        width: Its width.
        error: Why it cannot be decoded.
    """

    path: Path
    faces: tuple[Face, ...] = ()
    height: int = 0
    width: int = 0
    error: FacematchError | None = None


def longest_seen(analyzer: Analyzer) -> Callable[[int, int], int] | None:
    """Longer side at which an analyzer looks at a picture, in pixels, by height and width; ``None`` if unknown.

    Raises:
        InvalidArgument: Its detector goes by the smallest face: how large that is depends on the picture's own size.
    """
    detector = getattr(analyzer, "detector", None)
    if getattr(detector, "smallest_face", None) is not None:
        raise InvalidArgument(
            "pictures are not decoded smaller for a detector that goes by the smallest face",
            hint="set max_side instead",
        )
    seen = getattr(detector, "seen", None)
    return None if seen is None else lambda height, width: max(seen(height, width)) if height and width else 0


def faces_of_files(
    analyzer: Analyzer,
    paths: Sequence[Path],
    *,
    longest: Callable[[int, int], int] | None = None,
    smallest: float = SMALLEST_REDUCED,
) -> Iterator[FileFaces]:
    """The faces of picture files, in order. A file that cannot be decoded is a result, too.

    Args:
        analyzer: Finds and embeds faces.
        paths: The files.
        longest: Decode JPEG files no larger than this tells, as :func:`longest_seen` does; default: at full size.
            Pictures in which a face is then lower than ``smallest`` are decoded once more, at full size, to cut the
            faces out.
        smallest: That height, in pixels of the reduced picture.

    Raises:
        InferenceError: The runtime failed.
    """
    group: list[ReadPicture] = []
    pixels = 0
    for read in read_ahead(paths, longest=longest):
        group.append(read)
        pixels += 0 if read.image is None else read.image.pixels.size // 3
        if len(group) >= _PICTURES or pixels >= _PIXELS:
            yield from _analyzed(analyzer, group, smallest)
            group, pixels = [], 0
    yield from _analyzed(analyzer, group, smallest)


def _analyzed(analyzer: Analyzer, group: Sequence[ReadPicture], smallest: float) -> Iterator[FileFaces]:
    images = {number: read.image for number, read in enumerate(group) if read.image is not None}
    errors: dict[int, ImageDecodeError | None] = {n: read.error for n, read in enumerate(group) if read.image is None}
    found: dict[int, list[Face]] = {}
    crops = []
    if images:
        detected = analyzer.detect([image.pixels for image in images.values()])
        for (number, image), faces in zip(images.items(), detected, strict=True):
            try:
                picture, found[number] = _to_cut(group[number].path, image, faces, smallest)
            except ImageDecodeError as error:  # the file has changed since it was first read
                errors[number] = error
                continue
            crops.append(analyzer.align(picture, faces if picture is image.pixels else found[number]))
    embeddings = iter(analyzer.embed(np.concatenate(crops)) if crops else ())
    for number, read in enumerate(group):
        if number in errors:
            yield FileFaces(read.path, error=errors[number])
            continue
        image = images[number]
        whole = tuple(face.with_embedding(next(embeddings)) for face in found[number])
        yield FileFaces(read.path, whole, image.height, image.width)


def _to_cut(path: Path, image: ReducedImage, faces: Sequence[Face], smallest: float) -> tuple[Image, list[Face]]:
    """The picture that faces are cut out of, and the faces in pixels of the full size."""
    if image.reduction == 1:
        return image.pixels, list(faces)
    full = [_enlarged(face, image.reduction) for face in faces]
    small = any(face.box.height < smallest for face in faces)
    return (decode_pixels(path) if small else image.pixels), full


def _enlarged(face: Face, factor: int) -> Face:
    box = Box(*(value * factor for value in face.box.as_tuple()))
    return replace(face, box=box, landmarks=face.landmarks * np.float32(factor))
