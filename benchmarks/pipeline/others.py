"""Libraries with a pipeline of their own, as their documentation uses them: deepface and face_recognition.

They do not run our weights as we do, so they are not held to equal answers, only to finding the same people.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from facematch.faces import FaceAnalyzer
from facematch.types import Box, Face, Image
from pipeline.peers import unpacked

LEAST_OVERLAP = 0.25
"""Boxes of other detectors are cut otherwise: from forehead to chin, or with the hair."""


@dataclass(frozen=True, slots=True)
class Other:
    """A library.

    Attributes:
        name: Name, version and models.
        analyze: Finds and embeds the faces of pictures; gives their boxes.
        smallest: Height in pixels of faces that it is meant to find.
    """

    name: str
    analyze: Callable[[Sequence[Image]], list[list[Box]]]
    smallest: float


@contextmanager
def deepface(analyzer: FaceAnalyzer, folder: Path) -> Iterator[Other]:
    """deepface with YuNet and SFace: the published weights, laid by hand where it would download them to."""
    weights = folder / ".deepface" / "weights"
    weights.mkdir(parents=True)
    assert analyzer.pack is not None
    detector, embedder = unpacked(analyzer.pack)
    (weights / "face_detection_yunet_2023mar.onnx").write_bytes(detector)
    (weights / "face_recognition_sface_2021dec.onnx").write_bytes(embedder)
    settings = {"DEEPFACE_HOME": str(folder), "yunet_score_threshold": "0.6", "TF_CPP_MIN_LOG_LEVEL": "3"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        from deepface import DeepFace

        def analyze(pictures: Sequence[Image]) -> list[list[Box]]:
            found = []
            for picture in pictures:
                faces = DeepFace.represent(picture, model_name="SFace", detector_backend="yunet")
                areas = [face["facial_area"] for face in faces]
                assert all(len(face["embedding"]) == 128 for face in faces)
                found.append([Box(a["x"], a["y"], a["x"] + a["w"], a["y"] + a["h"]) for a in areas])
            return found

        yield Other(f"deepface {metadata.version('deepface')}, YuNet and SFace", analyze, 40)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def face_recognition() -> Other:
    """face_recognition as its examples use it: dlib's HOG detector and ResNet."""
    import face_recognition as library

    def analyze(pictures: Sequence[Image]) -> list[list[Box]]:
        found = []
        for picture in pictures:
            rgb = np.ascontiguousarray(picture[..., ::-1])
            places = library.face_locations(rgb)
            assert len(library.face_encodings(rgb, places)) == len(places)
            found.append([Box(left, top, right, bottom) for top, right, bottom, left in places])
        return found

    return Other(f"face_recognition {metadata.version('face-recognition')}, HOG and ResNet", analyze, 80)


def assert_same_people(ours: Sequence[Sequence[Face]], theirs: Sequence[Sequence[Box]], name: str) -> None:
    """Both find the same number of faces, each where the other has it."""
    assert sum(len(faces) for faces in ours) > 0
    for own, other in zip(ours, theirs, strict=True):
        assert len(own) == len(other), f"{name} finds {len(other)} faces where facematch finds {len(own)}"
        for face in own:
            overlap = max((face.box.iou(box) for box in other), default=0.0)
            assert overlap > LEAST_OVERLAP, f"{name} does not find the face at {face.box}"
