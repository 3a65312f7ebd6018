"""Reading order: rows from the top, each from left to right."""

from __future__ import annotations

from collections.abc import Iterable

from facematch.types import Face

__all__ = ["reading_order"]


def reading_order(faces: Iterable[Face]) -> list[Face]:
    """Faces row by row from the top, left to right within a row.

    A face belongs to the current row while its centre lies above the bottom of the row's first face, less a quarter
    of that face's height.
    """
    waiting = sorted(faces, key=lambda face: (face.box.center[1], face.box.x1))
    ordered: list[Face] = []
    while waiting:
        first = waiting[0].box
        limit = first.y2 - first.height / 4
        row = [face for face in waiting if face.box.center[1] <= max(limit, first.center[1])]
        waiting = waiting[len(row) :]
        ordered.extend(sorted(row, key=lambda face: (face.box.x1, face.box.y1)))
    return ordered
