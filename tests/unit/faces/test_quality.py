"""Quality components: pose against a projected head, and every degradation lowers what it should."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest

from facematch.errors import InvalidArgument
from facematch.faces import FaceAnalyzer, quality
from facematch.faces.quality import assess, head_pose, unified_score
from facematch.imaging import ARCFACE_112, aligned_crops
from facematch.models import open_pack
from facematch.settings import Settings
from facematch.types import Face, FaceQuality, FloatArray, Image, QualityGate


def head_landmarks(yaw: float, pitch: float, roll: float) -> FloatArray:
    """The five-point head turned by angles in degrees and projected: ``(5, 2)``."""
    y, p, r = (math.radians(angle) for angle in (yaw, pitch, roll))
    about_y = np.array([[math.cos(y), 0, -math.sin(y)], [0, 1, 0], [math.sin(y), 0, math.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    about_z = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    turned = quality._CENTERED @ (about_z @ about_x @ about_y).T
    points: FloatArray = (turned[:, :2] + 56).astype(np.float32)
    return points


@pytest.mark.parametrize("yaw", [-40, -15, 0, 20, 40])
@pytest.mark.parametrize("pitch", [-20, 0, 20])
@pytest.mark.parametrize("roll", [-30, 0, 15])
def test_pose_is_recovered_from_a_projected_head(yaw: float, pitch: float, roll: float) -> None:
    found = head_pose(head_landmarks(yaw, pitch, roll) * 3.7 + np.array([210.0, -35.0]))
    assert np.abs(np.subtract(found, (yaw, pitch, roll))).max() < 20
    if sum(angle != 0 for angle in (yaw, pitch, roll)) <= 1:
        np.testing.assert_allclose(found, (yaw, pitch, roll), atol=0.01)


def test_signs_of_the_angles() -> None:
    straight = head_landmarks(0, 0, 0)
    assert head_landmarks(30, 0, 0)[2, 0] > straight[2, 0]  # the nose moves to the picture's right: the subject's left
    assert head_landmarks(0, 20, 0)[2, 1] > straight[2, 1]  # down
    tilted = head_landmarks(0, 0, 20)
    assert tilted[1, 1] > tilted[0, 1]  # clockwise: the eye on the right of the picture goes down


def test_degenerate_landmarks_have_no_pose() -> None:
    assert head_pose(np.full((5, 2), 7.0)) == (0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def portrait(analyzer: FaceAnalyzer, astronaut: Image) -> Face:
    ((face,),) = analyzer.detect([astronaut])
    return face


def measured(picture: Image, face: Face) -> FaceQuality:
    (quality,) = assess(picture, [face])
    return quality


def test_a_good_portrait_passes_the_gate(astronaut: Image, portrait: Face) -> None:
    quality = measured(astronaut, portrait)
    assert QualityGate().failures(quality) == {}
    assert quality.unified > 60
    eyes = np.linalg.norm(portrait.landmarks[0] - portrait.landmarks[1])
    assert quality.inter_eye_px == pytest.approx(eyes)


def blurred(picture: Image, sigma: float) -> Image:
    return cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.uint8)


def test_blur_lowers_sharpness_step_by_step(astronaut: Image, portrait: Face) -> None:
    values = [measured(blurred(astronaut, s), portrait).sharpness for s in (0.5, 1.5, 3, 6)]
    assert values == sorted(values, reverse=True)
    worst = measured(blurred(astronaut, 6), portrait)
    assert "sharpness" in QualityGate().failures(worst)
    assert worst.unified < 20


def test_darkness_and_glare_fail_on_light(astronaut: Image, portrait: Face) -> None:
    dark = measured((astronaut * 0.1).astype(np.uint8), portrait)
    assert {"brightness", "dynamic_range"} <= set(QualityGate().failures(dark))
    glare = measured(np.clip(astronaut.astype(int) * 4 + 120, 0, 255).astype(np.uint8), portrait)
    assert {"brightness", "clipped"} <= set(QualityGate().failures(glare))
    assert max(dark.unified, glare.unified) < 10


def test_a_small_face_fails_on_eye_distance(analyzer: FaceAnalyzer, astronaut: Image) -> None:
    small = cv2.resize(astronaut, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA).astype(np.uint8)
    ((face,),) = analyzer.detect([small])
    assert list(QualityGate().failures(measured(small, face))) == ["inter_eye_px"]


def test_a_turned_face_fails_on_pose(analyzer: FaceAnalyzer, group: Image) -> None:
    (faces,) = analyzer.detect([group])
    failing = [set(QualityGate().failures(quality)) for quality in assess(group, faces)]
    assert failing[0] == {"yaw"}  # the man who looks aside
    assert failing[2:] == [set()] * 4
    assert assess(group, []) == []


def test_the_unified_score_is_a_product_that_one_part_can_spoil() -> None:
    perfect = {
        "inter_eye_px": 60.0,
        "sharpness": 0.2,
        "brightness": 130.0,
        "dynamic_range": 150.0,
        "clipped": 0.0,
        "yaw": 0.0,
        "pitch": 0.0,
        "roll": 0.0,
        "visibility": 0.95,
    }
    assert unified_score(perfect) == 100
    spoils = {
        "inter_eye_px": 5.0,
        "sharpness": 0.001,
        "brightness": 5.0,
        "clipped": 0.9,
        "yaw": 80.0,
        "visibility": 0.3,
    }
    assert [unified_score(perfect | {name: value}) for name, value in spoils.items()] == [0.0] * 6
    assert unified_score(perfect | {"yaw": 42.5}) == pytest.approx(50)


def test_a_gate_of_nonsense_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        QualityGate(min_sharpness=float("nan"))
    with pytest.raises(InvalidArgument):
        QualityGate(max_yaw="wide")  # type: ignore[arg-type]


@pytest.mark.shared_data
def test_a_packs_quality_network_gives_the_unified_score(shared: Path, astronaut: Image, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    folders = [shared / "models" / "quality", open_pack("opencv").folder]
    pack = open_pack("opencv-lightqnet", settings=settings, folders=folders)
    assert pack.contract == open_pack("opencv").contract
    analyzer = FaceAnalyzer.from_pack("opencv-lightqnet", settings=settings)
    ((face,),) = analyzer.detect([astronaut])
    (found,) = analyzer.assess(astronaut, [face])
    (plain,) = assess(astronaut, [face])
    crop = cv2.resize(aligned_crops(astronaut, face.landmarks[None], ARCFACE_112, 112)[0], (96, 96), interpolation=3)
    session: Any = onnxruntime.InferenceSession(str(shared / "models" / "quality" / "lightqnet-dm100.onnx"))
    tensor = ((crop[..., ::-1].astype(np.float32) - 127.5) / 128)[None]
    (expected,) = session.run(None, {session.get_inputs()[0].name: tensor})
    assert found.unified == pytest.approx(100 * float(expected.ravel()[0]), abs=0.01)
    assert dataclasses.replace(found, unified=plain.unified) == plain
    (worse,) = analyzer.assess(blurred(astronaut, 5), [face])
    assert worse.unified < found.unified / 2


GOOD = {
    "inter_eye_px": 60.0,
    "sharpness": 0.5,
    "brightness": 120.0,
    "dynamic_range": 120.0,
    "clipped": 0.0,
    "yaw": 0.0,
    "pitch": 0.0,
    "roll": 0.0,
    "visibility": 0.99,
}


@pytest.mark.parametrize(
    ("component", "useless"),
    [
        ("inter_eye_px", 8.0),
        ("sharpness", 0.005),
        ("brightness", 15.0),
        ("brightness", 250.0),
        ("dynamic_range", 15.0),
        ("clipped", 0.6),
        ("yaw", -70.0),
        ("pitch", 70.0),
        ("visibility", 0.5),
    ],
)
def test_each_component_alone_can_spoil_the_unified_score(component: str, useless: float) -> None:
    assert unified_score(GOOD) == pytest.approx(100)
    assert unified_score(GOOD | {component: useless}) == pytest.approx(0, abs=1e-6)
