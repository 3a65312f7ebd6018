"""Detection figures against hand-made pictures and scikit-learn's precision and recall."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from facematch.errors import InvalidArgument
from facematch.evaluation.detection import (
    TrueFaces,
    average_precision,
    evaluate_detection,
    match_detections,
    read_wider,
)
from facematch.faces import FaceAnalyzer
from facematch.types import Image

WIDER = """a/one.jpg
3
10 10 40 50 0 0 0 0 0 0
100 10 10 19 2 0 0 0 0 0
200 10 40 50 0 0 0 1 0 0
a/none.jpg
0
0 0 0 0 0 0 0 0 0 0
b/two.jpg
1
5 6 20 20 0 0 0 0 0 0
"""


def test_the_published_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "truth.txt"
    path.write_text(WIDER, "utf-8")
    faces = read_wider(path)
    assert list(faces) == ["a/one.jpg", "a/none.jpg", "b/two.jpg"]
    np.testing.assert_array_equal(faces["a/one.jpg"].boxes[0], [10, 10, 50, 60])
    np.testing.assert_array_equal(faces["a/one.jpg"].ignored, [False, True, True])
    assert faces["a/none.jpg"].boxes.shape == (0, 4)
    np.testing.assert_array_equal(faces["b/two.jpg"].ignored, [False])
    path.write_text(WIDER.replace("0 0 0 0 0 0 0 0 0 0\n", ""), "utf-8")  # without the line of zeros
    assert list(read_wider(path)) == list(faces)


@pytest.mark.parametrize(
    "text", ["", "a.jpg\n", "a.jpg\nmany\n", "a.jpg\n2\n1 2 3 4 0 0 0 0\n", "a.jpg\n1\n1 2 3\n", "a.jpg\n-1\n"]
)
def test_other_formats_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "truth.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(InvalidArgument):
        read_wider(path)


def test_detections_are_judged_by_hand() -> None:
    truth = TrueFaces(
        np.array([[0, 0, 100, 100], [200, 0, 300, 100], [400, 0, 410, 10]], dtype=float), np.array([False, False, True])
    )
    boxes = np.array(
        [
            [0, 0, 100, 90],  # on the first face, but not the best-scoring one there
            [5, 0, 105, 100],  # on the first face
            [400, 0, 410, 10],  # on the ignored face
            [250, 0, 350, 100],  # a third of it on the second face
            [600, 0, 700, 100],  # on nothing
        ]
    )
    verdicts, found_at = match_detections(boxes, np.array([0.5, 0.9, 0.8, 0.7, 0.6]), truth)
    assert verdicts.tolist() == [0, 1, -1, 0, 0]
    assert found_at.tolist() == [0.9, -np.inf, -np.inf]


def test_pictures_without_faces_or_detections() -> None:
    nothing = TrueFaces(np.empty((0, 4)), np.empty(0, dtype=bool))
    assert match_detections(np.ones((2, 4)), np.ones(2), nothing)[0].tolist() == [0, 0]
    assert match_detections(np.empty((0, 4)), np.empty(0), nothing)[1].shape == (0,)


def test_average_precision_by_hand() -> None:
    # true, false, true, of three faces: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3
    area, curve = average_precision(np.array([0.7, 0.9, 0.8]), np.array([True, True, False]), 3)
    assert area == pytest.approx(1 / 3 + 1 / 3 * 2 / 3)
    np.testing.assert_allclose(curve, [[1 / 3, 1 / 3, 2 / 3], [1, 1 / 2, 2 / 3]])
    assert average_precision(np.empty(0), np.empty(0, dtype=bool), 3)[0] == 0
    with pytest.raises(InvalidArgument, match="at least one face"):
        average_precision(np.ones(1), np.ones(1, dtype=bool), 0)


def test_precision_and_recall_equal_scikit_learns() -> None:
    random = np.random.default_rng(0)
    true = random.random(400) < 0.6
    scores = random.random(400) + 0.3 * true
    _, curve = average_precision(scores, true, int(true.sum()))
    precision, recall, _ = precision_recall_curve(true, scores)
    np.testing.assert_allclose(np.append(curve[1][::-1], 1), precision[-401:])
    np.testing.assert_allclose(np.append(curve[0][::-1], 0), recall[-401:])


def test_the_default_detector_on_a_picture_of_six(tmp_path: Path, analyzer: FaceAnalyzer, group: Image) -> None:
    """Truth made from the detector's own boxes, one of them flagged invalid and one moved away."""
    (faces,) = analyzer.detect([group])
    rows = [
        f"{box.x1:.0f} {box.y1:.0f} {box.width:.0f} {box.height:.0f} 0 0 0 {int(number == 1)} 0 0"
        for number, box in enumerate(face.box for face in faces)
    ]
    rows[0] = f"0 0 {faces[0].box.width:.0f} {faces[0].box.height:.0f} 0 0 0 0 0 0"
    cv2.imwrite(str(tmp_path / "six.png"), group)
    (tmp_path / "truth.txt").write_text("\n".join(["six.png", "6", *rows]) + "\n", "utf-8")
    result = evaluate_detection(analyzer, tmp_path, tmp_path / "truth.txt")
    assert (result.n_images, result.n_faces, result.n_ignored) == (1, 5, 1)
    assert result.recall_at_height == {"20": 0.8, "50": 0.8, "100": 0.8}
    assert result.false_positives_per_image == 1.0
    assert result.precision == 0.8
    assert 0.4 < result.ap < 0.81
    assert result.score_threshold == 0.6
    with pytest.raises(InvalidArgument, match=r"1 pictures are missing: six\.png"):
        evaluate_detection(analyzer, tmp_path / "absent", tmp_path / "truth.txt")
