"""Reading order: rows from the top, each from left to right."""

from __future__ import annotations

from collections.abc import Iterable

from facematch.types import Face

__all__ = ["reading_order"]


def reading_order(faces: Iterable[Face]) -> list[Face]:
    """Faces row by row from the top, left to right within a row.

    A face belongs to the current row while its center lies above the bottom of the row's first face, less a quarter
    of that face's height.
    """
    waiting = sorted(faces, key=lambda face: (face.box.y1 + face.box.y2, face.box.x1))
    ordered: list[Face] = []
    begin = 0
    while begin < len(waiting):
        first = waiting[begin].box
        limit = 2 * max(first.y2 - first.height / 4, first.center[1])
        end = begin + 1
        while end < len(waiting) and waiting[end].box.y1 + waiting[end].box.y2 <= limit:
            end += 1
        ordered.extend(sorted(waiting[begin:end], key=lambda face: (face.box.x1, face.box.y1)))
        begin = end
    return ordered
