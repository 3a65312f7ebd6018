from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facematch.errors import InvalidArgument
from facematch.index.exact import ExactIndex
from facematch.protocols import Analyzer
from facematch.testing import FakeAnalyzer, SyntheticFace, check_vector_index, synthetic_picture
from facematch.types import Box, Face, FloatArray, IdSet


def test_the_fake_keeps_the_protocol() -> None:
    assert isinstance(FakeAnalyzer(), Analyzer)


def test_faces_come_back_as_they_were_put_in() -> None:
    fake = FakeAnalyzer()
    box = Box(3, 4, 33.5, 64)
    picture = synthetic_picture([3, SyntheticFace(40, 2, box, 0.5)], size=(200, 300))
    first, second = fake.analyze([picture])[0]
    assert second.box == box
    assert second.detection_score == pytest.approx(0.5, abs=1e-4)
    assert first.embedding is not None
    assert second.embedding is not None
    np.testing.assert_array_equal(first.embedding, fake.embedding(3))
    np.testing.assert_array_equal(second.embedding, fake.embedding(40, 2))


def test_detect_align_embed_is_analyze() -> None:
    fake = FakeAnalyzer()
    picture = synthetic_picture([5, 6])
    faces = fake.detect([picture])[0]
    assert [face.embedding for face in faces] == [None, None]
    np.testing.assert_array_equal(
        fake.embed(fake.align(picture, faces)), np.stack([fake.embedding(5), fake.embedding(6)])
    )


def test_a_png_carries_the_faces() -> None:
    stream = io.BytesIO()
    Image.fromarray(synthetic_picture([5])[..., ::-1]).save(stream, "PNG")
    assert len(FakeAnalyzer().analyze([stream.getvalue()])[0]) == 1


def test_other_pictures_and_empty_ones_show_nobody() -> None:
    assert FakeAnalyzer().analyze([np.zeros((50, 50, 3), np.uint8), synthetic_picture([])]) == [[], []]


def test_people_differ_and_variants_are_alike() -> None:
    fake = FakeAnalyzer()
    assert fake.embedding(1) @ fake.embedding(2) == 0
    variants = [float(fake.embedding(1) @ fake.embedding(1, variant)) for variant in range(1, 50)]
    assert 0.9 < min(variants) < 0.999
    assert np.linalg.norm(fake.embedding(77, 3)) == pytest.approx(1.0, abs=1e-6)


def test_given_faces_are_shown_in_every_picture() -> None:
    face = Face(Box(0, 0, 50, 50), np.zeros((5, 2), np.float32), 0.9, FakeAnalyzer().embedding(1))
    fake = FakeAnalyzer(faces=[face])
    assert fake.analyze([np.zeros((5, 5, 3), np.uint8)]) == [[face]]
    assert fake.detect([b"anything"])[0][0].embedding is None


def test_too_many_faces_for_a_narrow_picture_are_refused() -> None:
    with pytest.raises(InvalidArgument):
        synthetic_picture([1, 2], size=(100, 10))


class _Unsorted(ExactIndex):
    def search(
        self, queries: FloatArray, k: int, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        scores, ids = super().search(queries, k, allowed=allowed)
        return scores[:, ::-1].copy(), ids[:, ::-1].copy()


class _Unfiltered(ExactIndex):
    def search(
        self, queries: FloatArray, k: int, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        return super().search(queries, k)


class _Forgetful(ExactIndex):
    def remove(self, ids: NDArray[np.int64]) -> int:
        super().remove(ids)
        return 0


class _Lenient(ExactIndex):
    def add(self, ids: NDArray[np.int64], vectors: FloatArray) -> None:
        super().add(ids, np.nan_to_num(vectors))


@pytest.mark.parametrize("broken", [_Unsorted, _Unfiltered, _Forgetful, _Lenient])
def test_the_contract_check_finds_broken_indexes(broken: type[ExactIndex]) -> None:
    with pytest.raises(AssertionError):
        check_vector_index(broken)
