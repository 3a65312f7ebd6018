"""Faces are looked for in parts of the view, and the rest is black."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from facematch.errors import InvalidArgument
from facematch.faces import FaceAnalyzer
from facematch.testing import FakeAnalyzer
from facematch.types import Box, Face, Image
from facematch.video.passages.regions_of_interest import Areas, Found


def test_without_areas_pictures_are_passed_on_as_they_are(group: Image) -> None:
    given: list[Image] = []

    def detect(images: Sequence[Image]) -> list[Found]:
        given.extend(images)
        return [([], []) for _ in images]

    assert Areas().detect(detect, [group]) == [([], [])]
    assert given[0] is group
    assert not Areas()


def test_faces_come_in_pixels_of_the_whole_picture_and_each_once(analyzer: FaceAnalyzer, group: Image) -> None:
    def detect(images: Sequence[Image]) -> list[Found]:
        return analyzer.detect_faint(images, 0.3)

    ((whole, _),) = detect([group])
    assert len(whole) == 6
    areas = Areas([Box(0, 0, 0.6, 1), Box(0.3, 0, 1, 1)])
    ((found, _), (bare, _)) = areas.detect(detect, [group, np.zeros_like(group)])
    assert bare == []
    assert len(found) == 6
    for face in whole:
        twin = max(found, key=lambda other: other.box.iou(face.box))
        assert twin.box.iou(face.box) > 0.85
        assert np.abs(twin.landmarks - face.landmarks).max() < 6


def test_nobody_outside_is_looked_for(analyzer: FaceAnalyzer, group: Image) -> None:
    def detect(images: Sequence[Image]) -> list[Found]:
        assert all(image.shape[1] == 640 for image in images)
        return analyzer.detect_faint(images, 0.3)

    ((found, faint),) = Areas([Box(0, 0, 0.5, 1)]).detect(detect, [group])
    assert 1 <= len(found) < 6
    assert all(face.box.x2 <= 700 for face in [*found, *faint])


def test_a_face_that_is_clear_in_one_area_is_not_faint_in_another() -> None:
    face = Face(Box(10, 10, 30, 30), np.zeros((5, 2), dtype=np.float32), 0.9)
    fainter = Face(Box(11, 10, 30, 30), np.zeros((5, 2), dtype=np.float32), 0.4)
    answers: list[Found] = [([face], []), ([], [fainter])]
    areas = Areas([Box(0, 0, 1, 1), Box(0, 0, 1, 0.9)])
    ((clear, faint),) = areas.detect(lambda images: answers, [np.zeros((100, 100, 3), dtype=np.uint8)])
    assert (len(clear), faint) == (1, [])


def test_outside_all_areas_it_is_black() -> None:
    image = np.full((100, 200, 3), 200, dtype=np.uint8)
    Areas([Box(0.25, 0, 0.5, 0.5), Box(0.4, 0.4, 0.6, 0.6)]).black_out(image)
    shown = np.zeros((100, 200), dtype=bool)
    shown[:50, 50:100] = True
    shown[40:60, 80:120] = True
    np.testing.assert_array_equal(image, np.where(shown[..., None], 200, 0) * np.ones(3, dtype=np.uint8))
    untouched = np.full((10, 10, 3), 7, dtype=np.uint8)
    Areas().black_out(untouched)
    assert (untouched == 7).all()


@pytest.mark.parametrize("box", [Box(0, 0, 0, 1), Box(0.5, 0, 1.1, 1), Box(-0.1, 0, 1, 1), Box(0, 0, 200, 300)])
def test_areas_are_fractions_of_the_view(box: Box) -> None:
    with pytest.raises(InvalidArgument, match="fractions"):
        Areas([box])


def test_a_tiny_area_has_a_pixel() -> None:
    shapes: list[tuple[int, ...]] = []

    def detect(images: Sequence[Image]) -> list[Found]:
        shapes.extend(image.shape for image in images)
        return [(faces, []) for faces in FakeAnalyzer().detect(images)]

    Areas([Box(0.5, 0.5, 0.500001, 0.500001)]).detect(detect, [np.zeros((10, 10, 3), dtype=np.uint8)])
    assert shapes == [(1, 1, 3)]
