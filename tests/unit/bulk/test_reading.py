"""Files are decoded ahead, in order, and within bounds."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.bulk import reading
from facematch.bulk.reading import read_ahead
from facematch.imaging import ReducedImage, decode_reduced


def saved(folder: Path, count: int, side: int = 20) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        PillowImage.fromarray(np.full((side, side, 3), number % 256, dtype=np.uint8)).save(path)
    return paths


def test_pictures_come_in_order_and_a_bad_file_in_its_place(tmp_path: Path) -> None:
    paths = saved(tmp_path, 100)
    paths[40].write_bytes(b"")
    paths[41].unlink()
    found = list(read_ahead(paths))
    assert [read.path for read in found] == paths
    assert [n for n, read in enumerate(found) if read.image is None] == [40, 41]
    assert [read.error.code for read in found if read.error is not None] == ["image_empty", "image_not_found"]
    shades = [int(read.image.pixels[0, 0, 0]) for read in found if read.image is not None]
    assert shades == [number for number in range(100) if number not in {40, 41}]


@pytest.mark.parametrize(("limit", "most"), [(5 * 400, 5), (400, 1), (1, 1), (10**9, 32)])
def test_no_more_is_decoded_ahead_than_memory_is_set_aside_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, most: int
) -> None:
    paths = saved(tmp_path, 60)
    monkeypatch.setattr(reading, "_PIXELS", limit)
    begun: list[Path] = []
    lock = threading.Lock()

    def counted(path: Path, longest: int) -> ReducedImage:
        with lock:
            begun.append(path)
        return decode_reduced(path, longest)

    monkeypatch.setattr(reading, "decode_reduced", counted)
    ahead = []
    for taken, read in enumerate(read_ahead(paths)):
        assert read.image is not None
        with lock:
            ahead.append(len(begun) - taken)
    assert len(begun) == 60
    assert 1 <= max(ahead) <= most


def test_whoever_stops_taking_stops_the_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = saved(tmp_path, 200)
    begun: list[Path] = []

    def counted(path: Path, longest: int) -> ReducedImage:
        begun.append(path)
        return decode_reduced(path, longest)

    monkeypatch.setattr(reading, "decode_reduced", counted)
    before = threading.active_count()
    stream = read_ahead(paths)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert len(begun) < 60
    assert threading.active_count() == before
