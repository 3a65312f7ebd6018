"""Large pictures in overlapping tiles: what a network needs for one grows no further, and threads share them.

A face that fits into the overlap lies whole in at least one tile; larger ones are found in an overview, the whole
picture at a fraction of the size. What the border of a tile cuts through is dropped, since another tile has it whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from facematch.errors import InvalidArgument
from facematch.faces.detectors.fitting import scaled
from facematch.types import Box, Face, Image

__all__ = ["TILED_FROM", "View", "merged", "views"]

TILED_FROM: Final = 2_100_000
"""Pixels, as the network sees them, above which a picture is cut up: more than 1920 x 1080."""

_TILE: Final = 1024
_OVERLAP: Final = 128
_OVERVIEW: Final = 1280
_CELL: Final = 32
_MARGIN: Final = 2.0
_MOST: Final = 200_000_000
_LEAST_SEEN: Final = 20.0
"""Height that a face too large for the tiles has at least in the overview."""
_TWICE: Final = 0.7
"""Faces from this share of the overlap on are sought in the overview, too: a box is measured a little differently."""
_COVERED: Final = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A picture, or a part of it, as it is given to the network.

    Attributes:
        picture: Which picture it is of.
        pixels: BGR ``uint8`` ``(h, w, 3)``.
        seen: Height and width at which the network sees it.
        left: Where a tile begins in the picture as seen, in pixels.
        top: Likewise.
        back: Factors from a tile's pixels to the picture's own, for x and y.
        inner: Which borders of a tile lie inside the picture: left, top, right, bottom; ``None``: it is no tile.
        least: Side, in pixels of the picture itself, from which faces are taken from an overview.
    """

    picture: int
    pixels: Image
    seen: tuple[int, int]
    left: int = 0
    top: int = 0
    back: tuple[float, float] = (1.0, 1.0)
    inner: tuple[bool, bool, bool, bool] | None = None
    least: float = 0.0


def views(picture: int, pixels: Image, seen: tuple[int, int], most: float = TILED_FROM) -> Iterator[View]:
    """Views of a picture that are given to the network: itself, or an overview and tiles.

    Args:
        picture: Its number.
        pixels: BGR ``uint8`` ``(H, W, 3)``.
        seen: Height and width at which it is to be seen.
        most: Pixels, as seen, up to which it is not cut up.

    Raises:
        InvalidArgument: It would be looked at with more than 200 megapixels.
    """
    rows, columns = seen
    if rows * columns > _MOST:
        raise InvalidArgument(
            f"a picture of {pixels.shape[1]} x {pixels.shape[0]} would be looked at with {columns} x {rows}",
            hint="name a larger smallest_face, or a max_side",
        )
    if rows * columns <= most:
        yield View(picture, pixels, seen)
        return
    height, width = pixels.shape[:2]
    back = (width / columns, height / rows)
    factor = min(1.0, max(_OVERVIEW / max(seen), _LEAST_SEEN / _OVERLAP))
    overview = max(1, round(rows * factor)), max(1, round(columns * factor))
    yield View(picture, pixels, overview, least=_TWICE * _OVERLAP * max(back))
    if (height, width) != seen:
        pixels = scaled(pixels, seen)
    for top, high in _parts(rows):
        for left, wide in _parts(columns):
            inner = (left > 0, top > 0, left + wide < columns, top + high < rows)
            part = pixels[top : top + high, left : left + wide]
            yield View(picture, part, (high, wide), left, top, back, inner)


def _parts(length: int) -> list[tuple[int, int]]:
    """Beginnings and lengths of overlapping parts of a side.

    They begin at multiples of the network's coarsest cell, so that a face lies in its cells as it would in the whole.
    """
    count = math.ceil(length / _TILE)
    size = math.ceil((length + (count - 1) * _OVERLAP) / count / _CELL) * _CELL
    starts = range(0, count * (size - _OVERLAP), size - _OVERLAP)
    return [(start, min(size, length - start)) for start in starts]


def merged(found: Sequence[tuple[View, Sequence[Face]]], nms_threshold: float) -> list[Face]:
    """The faces of one picture from those of its views, highest score first, each once.

    Args:
        found: Views, and the faces in each: in pixels of a tile, or else of the picture itself.
        nms_threshold: Intersection over union from which a face of the overview is one of a tile.
    """
    if len(found) == 1:
        return list(found[0][1])
    in_tiles: list[tuple[float, View, Face]] = []
    in_overview: list[Face] = []
    for view, faces in found:
        if view.inner is None:
            in_overview += [face for face in faces if max(face.box.width, face.box.height) >= view.least]
        else:
            depths = [(_depth(view, view.inner, face.box), face) for face in faces]
            in_tiles += [(depth, view, _placed(face, view)) for depth, face in depths if depth > _MARGIN]
    believed: list[tuple[View, Face]] = []
    for _, view, face in sorted(in_tiles, key=lambda item: -item[0]):
        others = [other for tile, other in believed if tile is not view]  # within a tile that has been decided
        if not any(_covered(face.box, other.box) > _COVERED for other in others):
            believed.append((view, face))
    kept = [face for _, face in believed]
    kept += [face for face in in_overview if not any(face.box.iou(other.box) > nms_threshold for other in kept)]
    return sorted(kept, key=lambda face: -face.detection_score)


def _depth(view: View, inner: tuple[bool, bool, bool, bool], box: Box) -> float:
    """Distance of a face from the borders that cut the picture; nothing where it is too large for any tile."""
    rows, columns = view.seen
    if max(box.width, box.height) > _OVERLAP:
        return 0.0
    gaps = (box.x1, box.y1, columns - box.x2, rows - box.y2)
    return min((gap for gap, cut in zip(gaps, inner, strict=True) if cut), default=math.inf)


def _covered(first: Box, second: Box) -> float:
    """Share of the smaller box that the other one covers."""
    width = min(first.x2, second.x2) - max(first.x1, second.x1)
    height = min(first.y2, second.y2) - max(first.y1, second.y1)
    smaller = min(first.area, second.area)
    return width * height / smaller if width > 0 and height > 0 and smaller > 0 else 0.0


def _placed(face: Face, view: View) -> Face:
    """A tile's face in pixels of the picture."""
    x, y = view.back
    box = face.box
    moved = Box((box.x1 + view.left) * x, (box.y1 + view.top) * y, (box.x2 + view.left) * x, (box.y2 + view.top) * y)
    landmarks = (face.landmarks + np.array([view.left, view.top], dtype=np.float32)) * np.array(view.back, np.float32)
    return replace(face, box=moved, landmarks=landmarks)
