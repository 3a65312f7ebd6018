"""Graph surgery: exact against ONNX's own reference evaluator, OpenCV and a plain run; reproducible to the byte."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from facematch.errors import ConversionError
from facematch.faces import FaceAnalyzer
from facematch.models import OnnxSession, Pack, bundled_manifest, open_pack
from facematch.models.convert import convert, refuse_external_data
from facematch.models.convert.graph import GraphEditor
from facematch.models.convert.prelu import rewrite_prelu
from facematch.models.convert.quantized import fold_bias, fold_dequantize, undo_dynamic_quantization
from facematch.models.convert.rewrites import (
    fold_batch_normalization,
    remove_dropout,
    symbolic_shapes,
)
from facematch.settings import Settings

RNG = np.random.default_rng(7)


def model_of(nodes: list[Any], constants: dict[str, NDArray[Any]], output: str, shape: list[Any] | None = None) -> Any:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape or [1, 4, 8, 8])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def outputs_of(model: Any, feeds: dict[str, Any]) -> list[Any]:
    return list(ReferenceEvaluator(model).run(None, feeds))


def evaluate(model: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(outputs_of(model, {"x": x})[0])


def floats(*shape: int) -> NDArray[np.float32]:
    return RNG.normal(size=shape).astype(np.float32)


def rewritten(model: Any, *rewrites: Any) -> tuple[Any, list[int]]:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    editor = GraphEditor(copy)
    counts = [rewrite(editor) for rewrite in rewrites]
    editor.finish()
    return copy, counts


@pytest.mark.parametrize("with_bias", [False, True])
def test_batch_normalization_folds_into_the_convolution(with_bias: bool) -> None:
    constants = {"w": floats(6, 4, 3, 3), "g": floats(6), "b": floats(6), "m": floats(6), "v": floats(6) ** 2 + 0.1}
    inputs = ["x", "w"]
    if with_bias:
        constants["c"] = floats(6)
        inputs.append("c")
    nodes = [
        helper.make_node("Conv", inputs, ["y"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["y", "g", "b", "m", "v"], ["z"], epsilon=1e-3),
    ]
    before = model_of(nodes, constants, "z")
    after, counts = rewritten(before, fold_batch_normalization)
    x = floats(1, 4, 8, 8)
    assert counts == [1]
    assert [node.op_type for node in after.graph.node] == ["Conv"]
    np.testing.assert_allclose(evaluate(after, x), evaluate(before, x), atol=2e-5)


def test_batch_normalization_stays_where_the_convolution_has_another_reader() -> None:
    constants = {"w": floats(4, 4, 1, 1), "g": floats(4), "b": floats(4), "m": floats(4), "v": floats(4) ** 2 + 0.1}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"]),
        helper.make_node("BatchNormalization", ["y", "g", "b", "m", "v"], ["z"]),
        helper.make_node("Add", ["y", "z"], ["out"]),
    ]
    before = model_of(nodes, constants, "out")
    after, counts = rewritten(before, fold_batch_normalization)
    x = floats(1, 4, 8, 8)
    assert counts == [0]
    np.testing.assert_array_equal(evaluate(after, x), evaluate(before, x))


def test_prelu_becomes_two_depthwise_convolutions() -> None:
    before = model_of([helper.make_node("PRelu", ["x", "a"], ["y"])], {"a": floats(4, 1, 1)}, "y")
    after, counts = rewritten(before, rewrite_prelu)
    x = floats(1, 4, 8, 8)
    assert counts == [1]
    assert sorted(node.op_type for node in after.graph.node) == ["Add", "Conv", "Conv", "Relu"]
    np.testing.assert_allclose(evaluate(after, x), evaluate(before, x), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
def test_prelu_is_absorbed_by_a_following_depthwise_convolution(stride: int) -> None:
    nodes = [
        helper.make_node("PRelu", ["x", "a"], ["y"]),
        helper.make_node("Conv", ["y", "w", "c"], ["z"], group=4, pads=[1, 1, 1, 1], strides=[stride, stride]),
    ]
    before = model_of(nodes, {"a": floats(4, 1, 1), "w": floats(4, 1, 3, 3), "c": floats(4)}, "z")
    after, counts = rewritten(before, rewrite_prelu)
    x = floats(1, 4, 8, 8)
    assert counts == [1]
    assert sorted(node.op_type for node in after.graph.node) == ["Add", "Conv", "Conv", "Relu"]
    np.testing.assert_allclose(evaluate(after, x), evaluate(before, x), atol=1e-5)


@pytest.mark.parametrize(
    ("stride", "highest", "operations"),
    [
        (1, 1.0, ["Add", "Conv", "Conv", "Relu"]),
        (2, 1.0, ["Add", "Conv", "Conv", "Conv", "Relu"]),
        (1, 1.5, ["Add", "Conv", "Conv", "Conv", "Relu"]),
    ],
)
@pytest.mark.parametrize("biased", [True, False])
def test_prelu_goes_into_a_depthwise_convolution_before_it(
    stride: int, highest: float, operations: list[str], biased: bool
) -> None:
    inputs = ["x", "w", "c"] if biased else ["x", "w"]
    nodes = [
        helper.make_node("Conv", inputs, ["y"], group=4, pads=[1, 1, 1, 1], strides=[stride, stride]),
        helper.make_node("PRelu", ["y", "a"], ["z"]),
    ]
    slopes = np.array([-0.3, 0.0, 0.2, highest], dtype=np.float32).reshape(4, 1, 1)
    constants = {"a": slopes, "w": floats(4, 1, 3, 3)} | ({"c": floats(4)} if biased else {})
    before = model_of(nodes, constants, "z")
    after, counts = rewritten(before, rewrite_prelu)
    x = floats(1, 4, 8, 8)
    assert counts == [1]
    assert sorted(node.op_type for node in after.graph.node) == operations
    np.testing.assert_allclose(evaluate(after, x), evaluate(before, x), atol=1e-5)


def test_prelu_leaves_a_convolution_alone_whose_output_others_read() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], group=4, pads=[1, 1, 1, 1]),
        helper.make_node("PRelu", ["y", "a"], ["z"]),
        helper.make_node("Add", ["y", "z"], ["out"]),
    ]
    slopes = np.array([-0.3, 0.0, 0.2, 0.9], dtype=np.float32).reshape(4, 1, 1)
    before = model_of(nodes, {"a": slopes, "w": floats(4, 1, 3, 3)}, "out")
    after, counts = rewritten(before, rewrite_prelu)
    x = floats(1, 4, 8, 8)
    assert counts == [1]
    np.testing.assert_allclose(evaluate(after, x), evaluate(before, x), atol=1e-5)


def test_prelu_with_two_readers_is_not_absorbed() -> None:
    nodes = [
        helper.make_node("PRelu", ["x", "a"], ["y"]),
        helper.make_node("Conv", ["y", "w"], ["z"], group=4, pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["y", "z"], ["out"]),
    ]
    before = model_of(nodes, {"a": floats(4, 1, 1), "w": floats(4, 1, 3, 3)}, "out")
    after, _ = rewritten(before, rewrite_prelu)
    x = floats(1, 4, 8, 8)
    np.testing.assert_allclose(evaluate(after, x), evaluate(before, x), atol=1e-5)


@pytest.mark.parametrize(("shape", "scale", "block"), [((6, 10), (6, 3), 4), ((24,), (6,), 4), ((6, 10), (1,), 0)])
def test_dequantization_equals_the_reference_evaluator(
    shape: tuple[int, ...], scale: tuple[int, ...], block: int
) -> None:
    constants = {
        "q": RNG.integers(-128, 128, shape).astype(np.int8),
        "s": np.abs(floats(*scale)),
        "z": RNG.integers(-9, 9, scale).astype(np.int8),
    }
    options: dict[str, Any] = {"axis": len(shape) - 1} | ({"block_size": block} if block else {})
    if scale == (1,):
        constants |= {"s": constants["s"].reshape(()), "z": constants["z"].reshape(())}
        options = {}
    node = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], **options)
    model = model_of([node, helper.make_node("Identity", ["w"], ["y"])], constants, "y", shape=[1])
    expected = outputs_of(model, {"x": np.zeros(1, np.float32)})[0]
    editor = GraphEditor(model)
    assert fold_dequantize(editor) == 1
    found = editor.constant("w")
    assert found is not None
    np.testing.assert_array_equal(found, expected)


def quantized_layer(
    kind: str, weight: NDArray[np.float32], source: str, output: str
) -> tuple[list[Any], dict[str, Any]]:
    """A dynamically quantized layer as ONNX Runtime's quantizer writes it, and its constants."""
    scale = np.array(np.abs(weight).max() / 127, dtype=np.float32)
    constants = {"wq": np.round(weight / scale).astype(np.int8), "ws": scale, "wz": np.array(0, dtype=np.int8)}
    nodes = [
        helper.make_node("DynamicQuantizeLinear", [source], ["q", "s", "z"]),
        helper.make_node("Mul", ["s", "ws"], ["scales"]),
        helper.make_node(kind, ["q", "wq", "z", "wz"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["cast", "scales"], [output]),
    ]
    return nodes, constants


def test_a_dynamically_quantized_convolution_becomes_the_one_it_approximates() -> None:
    weight, bias = floats(6, 4, 3, 3), floats(1, 6, 1, 1)
    nodes, constants = quantized_layer("ConvInteger", weight, "x", "y")
    before = model_of([*nodes, helper.make_node("Add", ["y", "bias"], ["out"])], constants | {"bias": bias}, "out")
    after, counts = rewritten(before, undo_dynamic_quantization, fold_bias)
    x = floats(1, 4, 8, 8)
    assert counts == [1, 1]
    assert [node.op_type for node in after.graph.node] == ["Conv"]
    stored = (constants["wq"] * constants["ws"]).astype(np.float32)
    plain = model_of([helper.make_node("Conv", ["x", "w", "b"], ["out"])], {"w": stored, "b": bias.reshape(-1)}, "out")
    np.testing.assert_allclose(evaluate(after, x), evaluate(plain, x), atol=1e-5)
    assert 0 < np.abs(evaluate(after, x) - evaluate(before, x)).max() < 0.2  # what quantizing the activations cost


def test_a_dynamically_quantized_matrix_product_becomes_a_gemm() -> None:
    nodes, constants = quantized_layer("MatMulInteger", floats(256, 10), "flat", "y")
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), *nodes, helper.make_node("Add", ["y", "b"], ["out"])]
    constants["b"] = floats(10)
    before = model_of(nodes, constants, "out")
    after, counts = rewritten(before, undo_dynamic_quantization, fold_bias)
    x = floats(2, 4, 8, 8)
    assert counts == [1, 1]
    assert [node.op_type for node in after.graph.node] == ["Flatten", "Gemm"]
    expected = x.reshape(2, -1) @ (constants["wq"] * constants["ws"]) + constants["b"]
    np.testing.assert_allclose(evaluate(after, x), expected, atol=1e-4)


def test_a_layer_whose_weights_are_computed_is_left_alone() -> None:
    nodes, constants = quantized_layer("ConvInteger", floats(6, 4, 3, 3), "x", "y")
    nodes.insert(0, helper.make_node("Identity", ["stored"], ["wq"]))
    constants["stored"] = constants.pop("wq")
    before = model_of(nodes, constants, "y")
    after, counts = rewritten(before, undo_dynamic_quantization)
    x = floats(1, 4, 8, 8)
    assert counts == [0]
    np.testing.assert_array_equal(evaluate(after, x), evaluate(before, x))


def test_dropout_and_identity_go() -> None:
    nodes = [
        helper.make_node("Identity", ["x"], ["a"]),
        helper.make_node("Dropout", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    after, counts = rewritten(model_of(nodes, {}, "y"), remove_dropout)
    assert counts == [2]
    assert [node.op_type for node in after.graph.node] == ["Relu"]
    assert list(after.graph.node[0].input) == ["x"]


def test_symbolic_batch_reshapes_follow_the_input() -> None:
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    model = model_of(nodes, {"shape": np.array([1, -1, 4], dtype=np.int64)}, "y")
    editor = GraphEditor(model)
    symbolic_shapes(editor, spatial=False)
    editor.finish()
    x = floats(3, 4, 8, 8)
    np.testing.assert_array_equal(evaluate(model, x), x.reshape(3, -1, 4))


def hostile() -> dict[str, Any]:
    """Graphs that parse and break ONNX's rules."""
    node, zeros = helper.make_node, np.zeros
    dynamic = [
        node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
        node("ConvInteger", ["xq", "w", "xz"], ["c"]),
        node("Cast", ["c"], ["f"], to=1),
    ]
    relu = node("Relu", ["x"], ["y"])
    kernel: dict[str, NDArray[Any]] = {"w": zeros((4, 4, 1, 1), np.int8)}
    scales = [node("Mul", ["xs", "sw"], ["s"]), node("Mul", ["f", "s"], ["y"])]
    block: dict[str, NDArray[Any]] = {"q": zeros(8, np.int8), "s": zeros(2, np.float32)}
    short = TensorProto(name="w", data_type=1, dims=[1 << 40], raw_data=b"1234")
    odd = TensorProto(name="w", data_type=99, dims=[1], raw_data=b"1234")
    found = {
        "a reshape without inputs": model_of([node("Reshape", [], ["z"]), relu], {}, "y"),
        "a reshape that does not fit": model_of(
            [node("Reshape", ["q", "n"], ["z"]), relu], {**block, "n": np.array([7, 7])}, "y"
        ),
        "a reshape that copies what is not there": model_of(
            [node("Reshape", ["q", "n"], ["z"]), relu], {**block, "n": np.array([0, 0, 0])}, "y"
        ),
        "a convolution without inputs": model_of([node("ConvInteger", [], ["z"]), relu], {}, "y"),
        "a convolution without outputs": model_of([node("ConvInteger", ["x", "x"], []), relu], {}, "y"),
        "a dequantization without inputs": model_of([node("DequantizeLinear", [], ["z"]), relu], {}, "y"),
        "scales of another size": model_of([*dynamic, *scales], {**kernel, "sw": zeros(7, np.float32)}, "y"),
        "a product of one": model_of([*dynamic, node("Mul", ["f"], ["y"])], kernel, "y"),
        "a normalization of another size": model_of(
            [node("Conv", ["x", "w"], ["c"]), node("BatchNormalization", ["c", *"gbmv"], ["y"])],
            {"w": zeros((4, 4, 1, 1), np.float32)} | {name: np.ones(5, np.float32) for name in "gbmv"},
            "y",
        ),
        "a kernel without dimensions": model_of(
            [node("Conv", ["x", "w"], ["c"]), node("Add", ["c", "b"], ["y"])],
            {"w": zeros((), np.float32), "b": zeros(4, np.float32)},
            "y",
        ),
        "text for a number": model_of([node("DequantizeLinear", ["q", "s"], ["z"], block_size="x"), relu], block, "y"),
    }
    for name, tensor in (("a tensor shorter than its shape", short), ("a tensor of no type", odd)):
        found[name] = model_of([node("Add", ["x", "w"], ["y"])], {}, "y")
        found[name].graph.initializer.append(tensor)
    return found


@pytest.mark.parametrize("name", hostile())
def test_graphs_that_break_the_rules_are_refused_in_our_words(name: str) -> None:
    with pytest.raises(ConversionError, match="not a valid ONNX model"):
        convert(hostile()[name].SerializeToString(), "embedder")


def test_a_block_longer_than_its_tensor_takes_no_memory() -> None:
    node = helper.make_node("DequantizeLinear", ["q", "s"], ["z"], block_size=1 << 40)
    constants: dict[str, NDArray[Any]] = {"q": np.ones(8, np.int8), "s": np.array([2, 3], np.float32)}
    model = model_of([node, helper.make_node("Add", ["x", "z"], ["y"])], constants, "y")
    editor = GraphEditor(model)
    assert fold_dequantize(editor) == 1
    folded = editor.constant("z")
    assert folded is not None
    assert folded.tolist() == [2.0] * 8


@pytest.mark.parametrize("where", ["an initializer", "a constant node"])
def test_weights_in_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """No digest covers them, and they would be read from wherever the program was started."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.bin").write_bytes(np.ones((1, 4, 8, 8), np.float32).tobytes())
    tensor = TensorProto(name="w", data_type=1, dims=[1, 4, 8, 8], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="w.bin")
    model = model_of([helper.make_node("Add", ["x", "w"], ["y"])], {}, "y")
    if where == "an initializer":
        model.graph.initializer.append(tensor)
    else:
        model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=tensor))
    with pytest.raises(ConversionError, match="other files"):
        convert(model.SerializeToString(), "embedder")
    with pytest.raises(ConversionError, match="other files"):
        refuse_external_data(model.SerializeToString())
    with pytest.raises(ConversionError, match="not a valid ONNX model"):
        refuse_external_data(b"no model")


@pytest.mark.parametrize("role", ["embedder", "quality"])
def test_a_model_that_is_used_as_it_is_may_not_point_to_other_files_either(tmp_path: Path, role: str) -> None:
    tensor = TensorProto(name="w", data_type=1, dims=[1, 4, 8, 8], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="w.bin")
    model = model_of([helper.make_node("Add", ["x", "w"], ["y"])], {}, "y")
    model.graph.initializer.append(tensor)
    data = model.SerializeToString()
    (tmp_path / "m.onnx").write_bytes(data)
    file = {"file": "m.onnx", "sha256": hashlib.sha256(data).hexdigest(), "convert": False}
    manifest = bundled_manifest("opencv-lightqnet")
    assert manifest.quality is not None
    manifest = manifest.model_copy(
        update={
            "embedders": (manifest.embedder.model_copy(update=file),),
            "quality": manifest.quality.model_copy(update=file),
        }
    )
    pack = Pack(manifest, tmp_path, Settings(home=tmp_path))
    with pytest.raises(ConversionError, match="other files"):
        pack.model_bytes("embedder") if role == "embedder" else pack.quality_bytes()


def test_control_flow_and_garbage_are_refused() -> None:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["r"])], "b", [], [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)]
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    model = helper.make_model(
        helper.make_graph(
            [node],
            "g",
            [
                helper.make_tensor_value_info("c", TensorProto.BOOL, []),
                helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]),
            ],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        )
    )
    with pytest.raises(ConversionError, match="control flow"):
        convert(model.SerializeToString(), "embedder")
    with pytest.raises(ConversionError):
        convert(b"\x08\xff not a model", "embedder")


@pytest.fixture(scope="module")
def sface_source(analyzer: FaceAnalyzer) -> bytes:
    assert analyzer.pack is not None
    return (analyzer.pack.folder / analyzer.pack.manifest.embedder.file).read_bytes()


@pytest.fixture(scope="module")
def sface_plain(sface_source: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SFace with its weights unpacked and nothing else changed."""
    model = onnx.load_from_string(sface_source)
    editor = GraphEditor(model)
    fold_dequantize(editor)
    editor.finish()
    path: Path = tmp_path_factory.mktemp("sface") / "plain.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_every_weight_of_sface_equals_the_reference_evaluators(sface_source: bytes) -> None:
    raw = onnx.load_from_string(sface_source)
    editor = GraphEditor(onnx.load_from_string(sface_source))
    fold_dequantize(editor)
    nodes = [node for node in raw.graph.node if node.op_type == "DequantizeLinear"]
    assert len(nodes) == 29
    differences = []
    for node in nodes:
        graph = helper.make_graph(
            [node],
            "one",
            [],
            [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)],
            [tensor for tensor in raw.graph.initializer if tensor.name in node.input],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
        found = editor.constant(node.output[0])
        assert found is not None
        differences.append(np.abs(outputs_of(model, {})[0] - found).max())
    assert max(differences) == 0


def test_converted_sface_equals_opencvs_own_recognizer_and_a_plain_run(
    analyzer: FaceAnalyzer, group: NDArray[np.uint8], sface_plain: Path
) -> None:
    (faces,) = analyzer.detect([group])
    crops = analyzer.align(group, faces)
    ours = analyzer.embed(crops)
    recognizer = cv2.FaceRecognizerSF.create(str(sface_plain), "")
    plain = OnnxSession(sface_plain.read_bytes(), name="plain", threads=1)
    blobs = crops[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    theirs = np.stack([recognizer.feature(crop)[0] for crop in crops])
    straight = np.stack([plain.run(blob[None])["fc1"][0] for blob in blobs])
    assert len(ours) == 6
    for oracle in (theirs, straight):
        cosines = (ours * oracle).sum(axis=1) / np.linalg.norm(oracle, axis=1)
        assert cosines.min() > 0.9999


def test_a_batch_gives_what_single_runs_give(analyzer: FaceAnalyzer, group: NDArray[np.uint8]) -> None:
    (faces,) = analyzer.detect([group])
    crops = analyzer.align(group, faces)
    crops = np.concatenate([crops] * 6)  # more than one batch
    together = analyzer.embed(crops)
    singly = np.concatenate([analyzer.embed(crop[None]) for crop in crops[:6]])
    np.testing.assert_allclose(together, np.concatenate([singly] * 6), atol=1e-5)


def test_conversion_is_reproducible_and_recorded() -> None:
    pack = open_pack("opencv")
    for role, model in (("detector", pack.manifest.detector), ("embedder", pack.manifest.embedder)):
        source = (pack.folder / model.file).read_bytes()
        first, second = convert(source, role), convert(source, role)  # type: ignore[arg-type]
        assert first == second
        assert hashlib.sha256(first).hexdigest() == model.converted_sha256
