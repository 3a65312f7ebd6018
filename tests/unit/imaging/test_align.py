"""Alignment: our closed form against scikit-image's decomposition and insightface's own alignment."""

from __future__ import annotations

import numpy as np
import pytest
from insightface.utils import face_align
from skimage.transform import SimilarityTransform

from facematch.errors import InvalidArgument
from facematch.faces import FaceAnalyzer
from facematch.imaging import ARCFACE_112, aligned_crops, similarity_transforms
from facematch.types import Image


def random_landmarks(count: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Landmarks as faces have them: the template turned, scaled, shifted and disturbed."""
    rng = np.random.default_rng(seed)
    angle, scale = rng.uniform(-np.pi, np.pi, count), rng.uniform(0.2, 8, count)
    turn = np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], -2)
    points = np.einsum("nij,pj->npi", turn * scale[:, None, None], ARCFACE_112)
    return np.asarray(points + rng.uniform(-500, 500, (count, 1, 2)) + rng.normal(0, 4, points.shape))


def test_transform_equals_scikit_images_umeyama() -> None:
    landmarks = random_landmarks(200, seed=1)
    expected = np.stack([SimilarityTransform.from_estimate(points, ARCFACE_112).params[:2] for points in landmarks])
    np.testing.assert_allclose(similarity_transforms(landmarks, ARCFACE_112), expected, atol=1e-4, rtol=1e-5)


def test_a_known_similarity_is_recovered_exactly() -> None:
    matrix = np.array([[0.6, -0.8, 12.0], [0.8, 0.6, -7.0]]) * [[2, 2, 1], [2, 2, 1]]
    landmarks = (ARCFACE_112 - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    (found,) = similarity_transforms(landmarks[None], ARCFACE_112)
    np.testing.assert_allclose(found, matrix, atol=1e-4)


def test_coinciding_landmarks_give_no_transform_and_a_black_crop() -> None:
    points = np.full((1, 5, 2), 50.0)
    assert np.isnan(similarity_transforms(points, ARCFACE_112)).all()
    crops = aligned_crops(np.full((100, 100, 3), 200, np.uint8), points, ARCFACE_112, 112)
    assert crops.shape == (1, 112, 112, 3)
    assert not crops.any()


@pytest.mark.parametrize("shape", [(5, 2), (1, 4, 2), (1, 5, 3)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgument):
        similarity_transforms(np.zeros(shape), ARCFACE_112)


def test_crops_equal_insightfaces(group: Image, analyzer: FaceAnalyzer) -> None:
    (faces,) = analyzer.detect([group])
    landmarks = np.stack([face.landmarks for face in faces])
    crops = aligned_crops(group, landmarks, ARCFACE_112, 112)
    with pytest.warns(FutureWarning):  # insightface still calls the older spelling of scikit-image's estimate
        expected = np.stack([face_align.norm_crop(group, points) for points in landmarks])
    assert len(crops) == 6
    assert np.abs(crops.astype(int) - expected.astype(int)).max() <= 1


def test_no_faces_give_no_crops(group: Image) -> None:
    assert aligned_crops(group, np.empty((0, 5, 2)), ARCFACE_112, 112).shape == (0, 112, 112, 3)
