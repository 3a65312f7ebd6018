"""A pack in 8-bit integers: made from real faces, close to the original, and honest about what it is."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from pipeline.scenes import singles

from facematch.errors import ConversionError, InvalidArgument
from facematch.faces import FaceAnalyzer, quantizing
from facematch.faces.embedders.aligned import AlignedEmbedder
from facematch.faces.quantizing import LEAST_FACES, QuantizedPack, quantize_pack, record_figures
from facematch.models import SessionOptions, open_pack
from facematch.models.convert.static_int8 import quantize_static_int8
from facematch.types import Image


@pytest.fixture(scope="module")
def pictures(analyzer: FaceAnalyzer, group: Image, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Enough faces of six people, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("faces")
    paths = [folder / f"{number:03}.png" for number in range(LEAST_FACES)]
    for path, picture in zip(paths, singles(group, analyzer.detect([group])[0], len(paths)), strict=True):
        cv2.imwrite(str(path), picture)
    (folder / "bad.jpg").write_text("no picture", "utf-8")
    return [folder / "bad.jpg", *paths]


@pytest.fixture(scope="module", params=[12, pytest.param(LEAST_FACES, marks=pytest.mark.slow)])
def faces(request: pytest.FixtureRequest) -> int:
    """Faces that the pack is made from; calibration with as many as users must give takes long."""
    return int(request.param)


@pytest.fixture(scope="module")
def made(
    analyzer: FaceAnalyzer, pictures: list[Path], faces: int, tmp_path_factory: pytest.TempPathFactory
) -> QuantizedPack:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantizing, "LEAST_FACES", faces)
        return quantize_pack(analyzer, pictures[: faces + 1], tmp_path_factory.mktemp("packs") / "int8")


def test_the_pack_says_what_it_is(made: QuantizedPack, faces: int, analyzer: FaceAnalyzer) -> None:
    assert analyzer.pack is not None
    original, pack = analyzer.pack.manifest, open_pack(made.folder)
    manifest = pack.manifest
    assert (made.calibrated, made.agreement.faces) == (faces * 3 // 4, faces // 4)
    assert manifest.name == "opencv-int8"
    assert (manifest.license, manifest.permitted_use) == (original.license, original.permitted_use)
    assert manifest.threshold is None
    assert "LFW accuracy (SFace), in float32" in manifest.published
    assert manifest.published["embeddings beside float32"] == str(made.agreement)
    data = (made.folder / manifest.embedder.file).read_bytes()
    assert manifest.embedder.sha256 == hashlib.sha256(data).hexdigest()
    assert pack.contract.digest != analyzer.contract.digest
    kinds = [node.op_type for node in onnx.load_from_string(data).graph.node]
    assert kinds.count("QuantizeLinear") >= kinds.count("Conv") > 20


def test_its_embeddings_are_close_to_the_original_s_whatever_runs_it(
    made: QuantizedPack, analyzer: FaceAnalyzer, group: Image, astronaut: Image
) -> None:
    pytest.importorskip("openvino")
    crops = np.concatenate([analyzer.align(picture, analyzer.detect([picture])[0]) for picture in (group, astronaut)])
    expected = analyzer.embed(crops)
    ours = [
        FaceAnalyzer.from_pack(made.folder, sessions=SessionOptions(runtime=runtime)).embed(crops)
        for runtime in ("onnxruntime", "openvino")
    ]
    for found in ours:
        cosines = (found * expected).sum(axis=1)
        assert 0.95 < cosines.min() < 0.9999
        assert cosines.mean() > 0.97
    assert (ours[0] * ours[1]).sum(axis=1).min() > 0.99
    assert made.agreement.mean > 0.97
    assert made.agreement.lowest_percent <= made.agreement.mean


def test_measured_figures_are_written_beside_the_others(made: QuantizedPack) -> None:
    record_figures(made, {"LFW accuracy measured here, int8": "99.37 %"})
    published = open_pack(made.folder).manifest.published
    assert published["LFW accuracy measured here, int8"] == "99.37 %"
    assert "embeddings beside float32" in published


def test_too_few_faces_are_not_enough(analyzer: FaceAnalyzer, pictures: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="63 clear faces"):
        quantize_pack(analyzer, pictures[:-1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_left_alone(analyzer: FaceAnalyzer, pictures: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="there already"):
        quantize_pack(analyzer, pictures, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_pack_with_several_embedders_is_refused(analyzer: FaceAnalyzer, pictures: list[Path], tmp_path: Path) -> None:
    assert analyzer.pack is not None
    manifest = analyzer.pack.manifest
    second = manifest.embedder.model_copy(update={"file": "other.onnx"})
    several = dataclasses.replace(
        analyzer.pack, manifest=manifest.model_copy(update={"embedders": (manifest.embedder, second)})
    )
    ensemble = FaceAnalyzer(analyzer.detector, analyzer.embedder, pack=several)
    for refused in (ensemble, FaceAnalyzer(analyzer.detector, analyzer.embedder)):
        with pytest.raises(InvalidArgument, match="one embedder"):
            quantize_pack(refused, pictures, tmp_path / "out")


def test_a_layer_is_as_exact_as_eight_bits_allow(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    weights = (rng.normal(size=(8, 3, 3, 3)) * np.logspace(-2, 1, 8)[:, None, None, None]).astype(np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3])],
        "one",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 16, 16])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 8, 14, 14])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    data = model.SerializeToString()
    inputs = rng.uniform(-1, 1, (32, 3, 16, 16)).astype(np.float32)
    quantized = quantize_static_int8(data, [inputs[:16], inputs[16:]])
    assert capsys.readouterr().out == ""
    plain, small = (SessionOptions().open(each, "one").run(inputs)["y"] for each in (data, quantized))
    error = np.abs(plain - small).max(axis=(0, 2, 3)) / np.abs(plain).max(axis=(0, 2, 3))
    assert (error < 0.03).all(), "each channel has a scale of its own"
    assert error.max() > 1e-4, "nothing was quantized"


def test_nothing_is_quantized_without_faces_or_without_a_model(analyzer: FaceAnalyzer) -> None:
    assert analyzer.pack is not None
    with pytest.raises(ConversionError, match="no face"):
        quantize_static_int8(analyzer.pack.model_bytes("embedder", 0, "openvino"), [])
    with pytest.raises(ConversionError, match="cannot be quantized"):
        quantize_static_int8(b"no model at all", [np.zeros((1, 3, 112, 112), dtype=np.float32)])
    with pytest.raises(ConversionError, match="cannot be quantized"):
        quantize_static_int8(
            analyzer.pack.model_bytes("embedder", 0, "openvino"), [np.zeros((1, 3, 9, 9), dtype=np.float32)]
        )


def test_the_tensor_is_what_the_model_is_run_on(analyzer: FaceAnalyzer) -> None:
    embedder = analyzer.embedder
    assert isinstance(embedder, AlignedEmbedder)
    crops = np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    (raw, *_) = embedder.session.run(embedder.tensor(crops)).values()
    norms = np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.embed(crops), raw / norms, atol=1e-6)
