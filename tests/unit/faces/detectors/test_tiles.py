"""Detection by the smallest face wanted, and large pictures in tiles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.faces import FaceAnalyzer
from facematch.faces.detectors.fitting import scaled
from facematch.faces.detectors.tiles import TILED_FROM, View, merged, views
from facematch.faces.detectors.yunet import YuNetDetector
from facematch.types import Box, Face, FloatArray, Image


def face(x1: float, y1: float, x2: float, y2: float, score: float = 0.9) -> Face:
    return Face(Box(x1, y1, x2, y2), np.full((5, 2), [(x1 + x2) / 2, (y1 + y2) / 2], dtype=np.float32), score)


@given(height=st.integers(1100, 5000), width=st.integers(2000, 6000), data=st.data())
def test_every_face_up_to_the_overlap_lies_whole_in_some_tile(height: int, width: int, data: st.DataObject) -> None:
    pixels = np.broadcast_to(np.zeros(3, dtype=np.uint8), (height, width, 3))
    overview, *tiles = views(0, pixels, (height, width))
    if not tiles:
        assert height * width <= TILED_FROM
        return
    assert max(overview.seen) == 1280
    assert overview.inner is None
    assert all(tile.left % 32 == tile.top % 32 == 0 for tile in tiles)
    assert all(tile.pixels.shape[:2] == tile.seen for tile in tiles)
    assert all(math.prod(tile.seen) <= 1.6 * 1024 * 1024 for tile in tiles)
    side = data.draw(st.floats(4, 120))
    x, y = data.draw(st.floats(0, width - side)), data.draw(st.floats(0, height - side))
    holders = []
    for tile in tiles:
        assert tile.inner is not None
        high, wide = tile.seen
        gaps = (x - tile.left, y - tile.top, tile.left + wide - x - side, tile.top + high - y - side)
        holders.append(all(gap > 2 if inner else gap >= -1e-9 for gap, inner in zip(gaps, tile.inner, strict=True)))
    assert any(holders)


def test_a_picture_that_is_seen_small_is_not_cut_up() -> None:
    pixels = np.zeros((3000, 4000, 3), dtype=np.uint8)
    (view,) = views(3, pixels, (1080, 1920))
    assert view.pixels is pixels
    assert (view.picture, view.seen, view.inner) == (3, (1080, 1920), None)


def split(pixels: Image, seen: tuple[int, int], faces: Sequence[Face]) -> list[tuple[View, list[Face]]]:
    """What a perfect detector says of each view: faces of which more than a third is in it, cut off at its borders."""
    out = []
    height, width = pixels.shape[:2]
    for view in views(0, pixels, seen):
        found = []
        for one in faces:
            if view.inner is None:
                found.append(one)
                continue
            x, y = seen[1] / width, seen[0] / height
            box = Box(one.box.x1 * x, one.box.y1 * y, one.box.x2 * x, one.box.y2 * y)
            own = Box(box.x1 - view.left, box.y1 - view.top, box.x2 - view.left, box.y2 - view.top)
            part = own.clipped(view.seen[1], view.seen[0])
            if part.area > own.area / 3:
                found.append(face(*part.as_tuple(), one.detection_score))
        out.append((view, found))
    return out


@given(
    corners=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 5), st.floats(10, 300)), unique_by=lambda c: c[:2]),
    scale=st.sampled_from([1.0, 0.7]),
)
def test_each_face_is_found_once_and_in_its_place(corners: list[tuple[int, int, float]], scale: float) -> None:
    height, width = 2160, 3840
    pixels = np.broadcast_to(np.zeros(3, dtype=np.uint8), (height, width, 3)).copy()
    seen = (round(height * scale), round(width * scale))
    true = [face(x * 320.0, y * 360.0, x * 320 + side, y * 360 + side) for x, y, side in corners]
    found = merged(split(pixels, seen, true), 0.3)
    assert len(found) == len(true)
    for one in true:
        twin = max(found, key=lambda other: other.box.iou(one.box))
        assert twin.box.iou(one.box) > 0.98
        np.testing.assert_allclose(twin.landmarks[0], one.box.center, atol=1)


def test_the_tiles_of_a_real_picture_find_what_the_whole_finds(analyzer: FaceAnalyzer, group: Image) -> None:
    detector = analyzer.detector
    assert isinstance(detector, YuNetDetector)
    small = cv2.resize(group, (960, 664), interpolation=cv2.INTER_AREA)
    large = np.zeros((2400, 3900, 3), dtype=np.uint8)
    for row, column in itertools.product(range(3), range(4)):
        large[row * 800 : row * 800 + 664, column * 975 : column * 975 + 960] = small
    (expected,) = YuNetDetector(detector.session, max_side=0).detect([large])
    (found,) = YuNetDetector(detector.session, smallest_face=20).detect([large])
    assert len(found) == len(expected) == 72
    scores = [one.detection_score for one in found]
    assert scores == sorted(scores, reverse=True)
    for one in expected:
        twin = max(found, key=lambda other: other.box.iou(one.box))
        assert twin.box.iou(one.box) > 0.95
        assert np.abs(twin.landmarks - one.landmarks).max() < 1


def test_a_face_larger_than_any_overlap_comes_from_the_overview(analyzer: FaceAnalyzer, astronaut: Image) -> None:
    detector = analyzer.detector
    assert isinstance(detector, YuNetDetector)
    large = cv2.resize(astronaut, (3072, 3072), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    ((found,),) = YuNetDetector(detector.session, smallest_face=20).detect([large])
    ((expected,),) = detector.detect([astronaut])
    box = Box(*(value * 6 for value in expected.box.as_tuple()))
    assert found.box.iou(box) > 0.85


def test_two_faces_of_one_tile_stay_though_one_covers_the_other() -> None:
    pixels = np.zeros((1500, 2000, 3), dtype=np.uint8)
    overview, first, *rest = views(0, pixels, (1500, 2000))
    near, behind = face(300, 300, 420, 420, 0.9), face(390, 300, 425, 335, 0.95)
    found = merged([(overview, []), (first, [near, behind]), *((view, []) for view in rest)], 0.3)
    assert {one.detection_score for one in found} == {0.9, 0.95}


def test_a_face_too_large_for_the_tiles_has_twenty_pixels_in_the_overview() -> None:
    pixels = np.broadcast_to(np.zeros(3, dtype=np.uint8), (9000, 12_000, 3))
    overview, *_ = views(0, pixels, (9000, 12_000))
    assert overview.seen[1] * 128 / 12_000 >= 19.9


def test_a_picture_that_would_be_looked_at_without_measure_is_refused(analyzer: FaceAnalyzer) -> None:
    detector = analyzer.detector
    assert isinstance(detector, YuNetDetector)
    with pytest.raises(InvalidArgument, match="16000 x 14000"):
        YuNetDetector(detector.session, smallest_face=5).detect([np.zeros((3500, 4000, 3), dtype=np.uint8)])


def test_large_and_small_pictures_keep_their_order(analyzer: FaceAnalyzer, group: Image, astronaut: Image) -> None:
    detector = analyzer.detector
    assert isinstance(detector, YuNetDetector)
    large = cv2.resize(group, (2560, 1772), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    close = YuNetDetector(detector.session, smallest_face=20)
    assert [len(faces) for faces in close.detect([astronaut, large, group, large, astronaut])] == [1, 6, 6, 6, 1]


@pytest.mark.parametrize(
    ("options", "size", "seen"),
    [
        ({}, (1080, 1920), (720, 1280)),
        ({}, (480, 640), (480, 640)),
        ({"smallest_face": 40}, (1080, 1920), (540, 960)),
        ({"smallest_face": 40}, (2160, 3840), (1080, 1920)),
        ({"smallest_face": 100}, (1000, 1000), (200, 200)),
        ({"smallest_face": 10}, (100, 200), (200, 400)),
        ({"smallest_face": 20, "max_side": 640}, (1080, 1920), (360, 640)),
        ({"smallest_face": 200, "max_side": 640}, (1080, 1920), (108, 192)),
        ({"max_side": 0}, (2160, 3840), (2160, 3840)),
    ],
)
def test_how_large_a_picture_is_looked_at(
    analyzer: FaceAnalyzer, options: dict[str, float], size: tuple[int, int], seen: tuple[int, int]
) -> None:
    detector = analyzer.detector
    assert isinstance(detector, YuNetDetector)
    assert YuNetDetector(detector.session, **options).seen(*size) == seen  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -5, 4.9, math.inf, math.nan])
def test_a_smallest_face_that_makes_no_sense_is_refused(analyzer: FaceAnalyzer, value: float) -> None:
    with pytest.raises(InvalidArgument, match="smallest_face"):
        FaceAnalyzer.from_pack("opencv", smallest_face=value)


def test_fewer_pixels_are_looked_at_for_larger_faces(
    analyzer: FaceAnalyzer, group: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = analyzer.detector
    assert isinstance(detector, YuNetDetector)
    session, seen = detector.session, []
    run = session.run

    def watched(values: NDArray[np.generic]) -> dict[str, FloatArray]:
        seen.append(values.shape)
        return run(values)

    monkeypatch.setattr(session, "run", watched)
    (found,) = YuNetDetector(session, smallest_face=80).detect([group])
    assert seen == [(1, 3, 224, 320)]
    assert len(found) == 6


@pytest.mark.parametrize("seen", [(1080, 1920), (720, 1280), (540, 960), (360, 640), (333, 481), (200, 150), (1, 1)])
def test_a_scaled_picture_is_what_averaging_its_areas_gives(group: Image, seen: tuple[int, int]) -> None:
    large = cv2.resize(group, (1920, 1080), interpolation=cv2.INTER_AREA).astype(np.uint8)
    found = scaled(large, seen)
    assert found.shape == (*seen, 3)
    assert found.dtype == np.uint8
    expected = cv2.resize(large, seen[::-1], interpolation=cv2.INTER_AREA).astype(np.float64)
    assert np.abs(found - expected).mean() < 4
    if seen == (1080, 1920):
        np.testing.assert_array_equal(found, large)


def test_fine_stripes_do_not_alias_when_a_picture_is_scaled_down() -> None:
    stripes = np.zeros((800, 801, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(scaled(stripes, (200, 200))[:, 1:-1].astype(int)) <= 2
    assert np.ptp(cv2.resize(stripes, (200, 200), interpolation=cv2.INTER_LINEAR)[:, 1:-1].astype(int)) > 100
