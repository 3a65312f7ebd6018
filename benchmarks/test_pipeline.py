"""Detection, embedding and the whole pipeline beside OpenCV's own YuNet and SFace on the same weights.

Answers are compared before anything is timed. The ratio (how many times faster than OpenCV) stands in ``extra_info``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from peers import median_ratio

from facematch.faces import FaceAnalyzer
from facematch.models.convert.graph import GraphEditor
from facematch.models.convert.quantized import fold_dequantize
from facematch.types import Image


@pytest.fixture(scope="module")
def analyzer() -> FaceAnalyzer:
    return FaceAnalyzer.from_pack("opencv")


@pytest.fixture(scope="module")
def opencv(analyzer: FaceAnalyzer, group: Image, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """OpenCV's detector and recogniser with the pack's weights, unpacked and otherwise as published."""
    pack = analyzer.pack
    assert pack is not None
    folder: Path = tmp_path_factory.mktemp("opencv")
    (folder / "yunet.onnx").write_bytes(pack.model_bytes("detector"))
    model = onnx.load(pack.folder / pack.manifest.embedder.file)
    editor = GraphEditor(model)
    fold_dequantize(editor)
    editor.finish()
    (folder / "sface.onnx").write_bytes(model.SerializeToString())
    size = (group.shape[1], group.shape[0])
    detector = cv2.FaceDetectorYN.create(str(folder / "yunet.onnx"), "", size, 0.6, 0.3, 5000)
    return detector, cv2.FaceRecognizerSF.create(str(folder / "sface.onnx"), "")


def test_detection(benchmark: Any, analyzer: FaceAnalyzer, opencv: tuple[Any, Any], group: Image) -> None:
    detector, _ = opencv
    (ours,) = analyzer.detect([group])
    assert len(ours) == len(detector.detect(group)[1]) == 6
    benchmark.extra_info["times_faster_than_opencv"] = median_ratio(
        lambda: detector.detect(group), lambda: analyzer.detect([group])
    )
    benchmark(lambda: analyzer.detect([group]))


def test_embedding_of_six_faces(benchmark: Any, analyzer: FaceAnalyzer, opencv: tuple[Any, Any], group: Image) -> None:
    _, recogniser = opencv
    crops = analyzer.align(group, analyzer.detect([group])[0])
    theirs = np.stack([recogniser.feature(crop)[0] for crop in crops])
    cosines = (analyzer.embed(crops) * theirs).sum(axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosines.min() > 0.9999
    benchmark.extra_info["times_faster_than_opencv"] = median_ratio(
        lambda: [recogniser.feature(crop) for crop in crops], lambda: analyzer.embed(crops)
    )
    benchmark(lambda: analyzer.embed(crops))


def test_whole_pipeline_on_six_faces(
    benchmark: Any, analyzer: FaceAnalyzer, opencv: tuple[Any, Any], group: Image
) -> None:
    detector, recogniser = opencv

    def theirs() -> list[Any]:
        return [recogniser.feature(recogniser.alignCrop(group, row)) for row in detector.detect(group)[1]]

    embeddings = [face.embedding for face in analyzer.analyze([group])[0] if face.embedding is not None]
    features = np.concatenate(theirs())
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    best = (np.stack(embeddings) @ features.T).max(axis=1)
    assert len(best) == 6
    assert best.min() > 0.99
    benchmark.extra_info["times_faster_than_opencv"] = median_ratio(theirs, lambda: analyzer.analyze([group]))
    benchmark(lambda: analyzer.analyze([group]))
