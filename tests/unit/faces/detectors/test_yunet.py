"""YuNet: the same boxes and landmarks as OpenCV's own detector on the same weights, at any size, in any batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facematch.errors import InferenceError, InvalidArgument
from facematch.faces.detectors.yunet import YuNetDetector
from facematch.faces.nms import non_maximum_suppression
from facematch.imaging import decode
from facematch.models import OnnxSession, open_pack
from facematch.models.convert import convert
from facematch.types import Box, Face, Image


@pytest.fixture(scope="module")
def session() -> OnnxSession:
    return OnnxSession(open_pack("opencv").model_bytes("detector"), name="yunet")


@pytest.fixture(scope="module")
def detector(session: OnnxSession) -> YuNetDetector:
    return YuNetDetector(session, max_side=0)


def opencv_faces(model: Path, picture: Image, threshold: float = 0.6) -> list[Face]:
    height, width = picture.shape[:2]
    oracle = cv2.FaceDetectorYN.create(str(model), "", (width, height), threshold, 0.3, 5000)
    found: Any = oracle.detect(picture)[1]
    return [
        Face(Box(row[0], row[1], row[0] + row[2], row[1] + row[3]), row[4:14].reshape(5, 2), float(row[14]))
        for row in np.asarray([] if found is None else found)
    ]


def resized(picture: Image, factor: float) -> Image:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how).astype(np.uint8)


def assert_same(ours: list[Face], theirs: list[Face]) -> None:
    assert len(ours) == len(theirs)
    worst_iou, worst_point, worst_score = 1.0, 0.0, 0.0
    for face in theirs:
        twin = max(ours, key=lambda other: other.box.iou(face.box))
        worst_iou = min(worst_iou, twin.box.iou(face.box))
        worst_point = max(worst_point, float(np.abs(twin.landmarks - face.landmarks).max()))
        worst_score = max(worst_score, abs(twin.detection_score - face.detection_score))
    assert worst_iou > 0.95
    assert worst_point < 1.0
    assert worst_score < 0.01


@pytest.fixture(scope="module")
def folded_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack's own detector for OpenCV: block-quantized weights unpacked, input size as published."""
    path: Path = tmp_path_factory.mktemp("yunet") / "yunet.onnx"
    path.write_bytes(open_pack("opencv").model_bytes("detector"))
    return path


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.33])
def test_faces_equal_opencvs_detector(detector: YuNetDetector, folded_model: Path, group: Image, scale: float) -> None:
    picture = resized(group, scale)
    (ours,) = detector.detect([picture])
    assert len(ours) == 6
    assert_same(ours, opencv_faces(folded_model, picture))


@pytest.mark.shared_data
def test_faces_equal_opencvs_detector_on_the_original_weights(shared: Path, session: OnnxSession) -> None:
    original = shared / "models" / "detectors" / "face_detection_yunet_2023mar.onnx"
    ours = YuNetDetector(
        OnnxSession(convert(original.read_bytes(), "detector"), name="original"), score_threshold=0.6, max_side=0
    )
    pictures = [decode(path).pixels for path in sorted((shared / "data" / "stills").rglob("*.jpg"))]
    assert len(pictures) > 8
    for picture, faces in zip(pictures, ours.detect(pictures), strict=True):
        assert_same(faces, opencv_faces(original, picture))


def test_mixed_sizes_in_one_call_equal_single_calls(detector: YuNetDetector, group: Image, astronaut: Image) -> None:
    pictures = [group, astronaut, group[:, ::-1], np.ascontiguousarray(group[:500, :700]), astronaut]
    together = detector.detect(pictures)
    singly = [detector.detect([picture])[0] for picture in pictures]
    assert [len(faces) for faces in together] == [len(faces) for faces in singly]
    assert sum(len(faces) for faces in together) >= 14
    a = np.array([face.box.as_tuple() for faces in together for face in faces])
    b = np.array([face.box.as_tuple() for faces in singly for face in faces])
    np.testing.assert_allclose(a, b, atol=0.05)


def test_a_large_picture_is_scaled_down_and_boxes_come_back_in_its_pixels(session: OnnxSession, group: Image) -> None:
    large = resized(group, 3)
    (small_faces,) = YuNetDetector(session, max_side=0).detect([group])
    (large_faces,) = YuNetDetector(session, max_side=1280).detect([large])
    assert len(small_faces) == len(large_faces) == 6
    pairs = [(face, max(large_faces, key=lambda f: _tripled(face).iou(f.box))) for face in small_faces]
    assert min(_tripled(face).iou(twin.box) for face, twin in pairs) > 0.9


def _tripled(face: Face) -> Box:
    return Box(*(value * 3 for value in face.box.as_tuple()))


def test_small_faces_are_found_in_a_full_hd_frame(session: OnnxSession, group: Image) -> None:
    frame = np.full((1080, 1920, 3), 90, np.uint8)
    tiny = resized(group, 0.25)
    frame[700 : 700 + tiny.shape[0], 1200 : 1200 + tiny.shape[1]] = tiny
    (faces,) = YuNetDetector(session).detect([frame])
    assert len(faces) == 6
    assert max(face.box.height for face in faces) < 42


def test_pictures_without_a_face_give_none(detector: YuNetDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    assert detector.detect([noise, np.zeros((64, 64, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)]) == [[], [], []]
    assert detector.detect([]) == []


def test_a_higher_threshold_keeps_a_subset(session: OnnxSession, group: Image) -> None:
    (low,) = YuNetDetector(session, score_threshold=0.3).detect([group])
    (high,) = YuNetDetector(session, score_threshold=0.92).detect([group])
    assert {face.box for face in high} < {face.box for face in low}
    assert min(face.detection_score for face in high) >= 0.92


@pytest.mark.parametrize("options", [{"score_threshold": 1.5}, {"nms_threshold": -0.1}, {"max_side": -1}])
def test_options_out_of_range_are_refused(session: OnnxSession, options: dict[str, float]) -> None:
    with pytest.raises(InvalidArgument):
        YuNetDetector(session, **options)  # type: ignore[arg-type]


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(InferenceError, match="YuNet"):
        YuNetDetector(OnnxSession(open_pack("opencv").model_bytes("embedder"), name="sface"))


@pytest.mark.parametrize("seed", range(5))
def test_suppression_equals_opencvs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 200, (300, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 60, (300, 2))], axis=1).astype(np.float32)
    scores = ((1 + rng.permutation(300)) / 301).astype(np.float32)
    as_xywh = [[float(x1), float(y1), float(x2 - x1), float(y2 - y1)] for x1, y1, x2, y2 in boxes]
    expected = cv2.dnn.NMSBoxes(as_xywh, scores.tolist(), 0.0, 0.3)
    assert 20 < len(expected) < 290
    np.testing.assert_array_equal(non_maximum_suppression(boxes, scores, 0.3), np.asarray(expected).ravel())
