"""Rewrites for kernels that work on sixteen channels at a time: the same values, in fewer and fuller convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from facematch.faces import FaceAnalyzer
from facematch.models import OnnxSession
from facematch.models.convert import convert
from facematch.models.convert.graph import GraphEditor
from facematch.models.convert.groups import widen_groups
from facematch.models.convert.prelu import rewrite_prelu
from facematch.models.convert.siblings import merge_siblings
from facematch.settings import Runtime
from facematch.types import Image

RNG = np.random.default_rng(11)


def floats(*shape: int) -> NDArray[np.float32]:
    return RNG.normal(size=shape).astype(np.float32)


def model_of(
    nodes: list[Any], constants: dict[str, NDArray[Any]], outputs: list[str], channels: int = 4, opset: int = 21
) -> Any:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, 8, 8])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "c", "h", "w"]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def checked(model: Any, rewrite: Callable[[GraphEditor], int], channels: int = 4) -> tuple[list[str], int]:
    """Operators after a rewrite, and what it counted, once it is seen that the outputs are the same."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    editor = GraphEditor(changed)
    count = rewrite(editor)
    editor.finish()
    onnx.checker.check_model(changed)
    x = floats(1, channels, 8, 8)
    before, after = (ReferenceEvaluator(each).run(None, {"x": x}) for each in (model, changed))
    assert len(before) == len(after) == len(model.graph.output)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other, one, atol=2e-5)
    return sorted(node.op_type for node in changed.graph.node), count


def heads(*counts: int) -> tuple[list[Any], dict[str, NDArray[Any]], list[str]]:
    """Heads as YuNet has them: each a convolution of 1 x 1 and a depthwise one of 3 x 3."""
    nodes: list[Any] = []
    constants: dict[str, NDArray[Any]] = {}
    for place, count in enumerate(counts):
        constants |= {f"w{place}": floats(count, 4, 1, 1), f"b{place}": floats(count)}
        constants |= {f"v{place}": floats(count, 1, 3, 3), f"c{place}": floats(count)}
        nodes += [
            helper.make_node("Conv", ["x", f"w{place}", f"b{place}"], [f"m{place}"]),
            helper.make_node(
                "Conv", [f"m{place}", f"v{place}", f"c{place}"], [f"y{place}"], group=count, pads=[1, 1, 1, 1]
            ),
            helper.make_node("Transpose", [f"y{place}"], [f"z{place}"]),
        ]
    return nodes, constants, [f"z{place}" for place in range(len(counts))]


@pytest.mark.parametrize("opset", [11, 12, 13, 21])
def test_heads_are_run_as_one_convolution_and_its_depthwise_one(opset: int) -> None:
    operators, count = checked(model_of(*heads(1, 1, 4, 10), opset=opset), merge_siblings)
    assert operators == ["Conv", "Conv", "Split", "Transpose", "Transpose", "Transpose", "Transpose"]
    assert count == 6


def test_heads_without_a_depthwise_convolution_are_merged_too() -> None:
    constants = {"w": floats(2, 4, 3, 3), "v": floats(8, 4, 3, 3), "c": floats(8)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["m"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["x", "v", "c"], ["n"], pads=[1, 1, 1, 1]),
        helper.make_node("Transpose", ["m"], ["y"]),
        helper.make_node("Sigmoid", ["n"], ["z"]),
    ]
    found = checked(model_of(nodes, constants, ["y", "z"]), merge_siblings)
    assert found == (["Conv", "Sigmoid", "Split", "Transpose"], 1)


def test_heads_may_be_outputs_themselves() -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"]), helper.make_node("Conv", ["x", "v"], ["z"])]
    constants = {"w": floats(2, 4, 1, 1), "v": floats(3, 4, 1, 1)}
    assert checked(model_of(nodes, constants, ["y", "z"]), merge_siblings) == (["Conv", "Split"], 1)


@pytest.mark.parametrize("change", ["dilation", "kernel", "computed bias", "read twice", "an output", "multiplier"])
def test_depthwise_convolutions_that_cannot_be_one_stay_apart(change: str) -> None:
    """And with them what they read: it stays in the blocked layout."""
    nodes, constants, outputs = heads(2, 3)
    if change == "dilation":
        nodes[1] = helper.make_node(
            "Conv", ["m0", "v0", "c0"], ["y0"], group=2, pads=[2, 2, 2, 2], dilations=[2, 2], kernel_shape=[3, 3]
        )
    elif change == "kernel":
        constants["v0"] = floats(2, 1, 5, 5)
        nodes[1] = helper.make_node("Conv", ["m0", "v0", "c0"], ["y0"], group=2, pads=[1, 1, 1, 1])
    elif change == "computed bias":
        constants["d0"] = constants.pop("c0")
        nodes.insert(0, helper.make_node("Neg", ["d0"], ["c0"]))
    elif change == "read twice":
        nodes.append(helper.make_node("Sigmoid", ["m0"], ["s"]))
        outputs.append("s")
    elif change == "an output":
        outputs.append("m0")
    else:
        constants |= {"v0": floats(4, 1, 3, 3), "c0": floats(4)}
    operators, count = checked(model_of(nodes, constants, outputs), merge_siblings)
    assert (operators.count("Conv"), count) == (4, 0)


@pytest.mark.parametrize(
    "change",
    ["stride", "kernel", "whole blocks", "unknown weights", "unknown bias", "groups", "an activation", "a convolution"],
)
def test_what_is_not_alike_is_no_head_or_gains_nothing_is_left_alone(change: str) -> None:
    counts = (16, 32) if change == "whole blocks" else (2, 4)
    size = 3 if change == "kernel" else 1
    constants = {"w": floats(counts[0], 4, 1, 1), "v": floats(counts[1], 4, size, size), "u": floats(2)}
    stride, groups = (2 if change == "stride" else 1), (2 if change == "groups" else 1)
    if groups > 1:
        constants |= {"w": floats(2, 2, 1, 1), "v": floats(4, 2, 1, 1)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["m"], group=groups),
        helper.make_node("Conv", ["x", "v"], ["n"], strides=[stride, stride], pads=[size // 2] * 4, group=groups),
        helper.make_node("Transpose", ["m"], ["y"]),
        helper.make_node("Transpose", ["n"], ["z"]),
    ]
    if change == "unknown weights":
        constants["t"] = constants.pop("w")
        nodes.insert(0, helper.make_node("Neg", ["t"], ["w"]))
    if change == "unknown bias":
        nodes[0] = helper.make_node("Conv", ["x", "w", "b"], ["m"])
        nodes.insert(0, helper.make_node("Neg", ["u"], ["b"]))
    if change == "an activation":
        nodes[2] = helper.make_node("Relu", ["m"], ["y"])
    if change == "a convolution":
        constants["k"] = floats(3, 4, 1, 1)
        nodes[3] = helper.make_node("Conv", ["n", "k"], ["z"])
    operators, count = checked(model_of(nodes, constants, ["y", "z"]), merge_siblings)
    assert (operators.count("Conv"), count) == (3 if change == "a convolution" else 2, 0)


@pytest.mark.parametrize("size", [2, 4])
def test_groups_of_a_few_channels_become_groups_of_a_block(size: int) -> None:
    constants = {"w": floats(32, size, 3, 3), "c": floats(32)}
    nodes = [helper.make_node("Conv", ["x", "w", "c"], ["y"], group=32 // size, pads=[1, 1, 1, 1])]
    assert checked(model_of(nodes, constants, ["y"], channels=32), widen_groups, channels=32) == (["Conv"], 1)


@pytest.mark.parametrize(
    ("outputs", "inputs", "groups"),
    [(32, 1, 32), (32, 16, 2), (32, 8, 4), (24, 2, 12), (48, 3, 16), (64, 2, 16), (16, 32, 1)],
)
def test_groups_that_fill_no_block_or_whole_ones_are_left_alone(outputs: int, inputs: int, groups: int) -> None:
    """Depthwise, whole blocks, channels or sizes that make no whole blocks, more out than in, and no groups."""
    constants = {"w": floats(outputs, inputs, 1, 1)}
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], group=groups)]
    model = model_of(nodes, constants, ["y"], channels=inputs * groups)
    assert checked(model, widen_groups, channels=inputs * groups) == (["Conv"], 0)


def steep() -> NDArray[np.float32]:
    return np.array([-0.3, 0.2, 1.0, 1.5], dtype=np.float32).reshape(4, 1, 1)


@pytest.mark.parametrize("depthwise", [True, False])
def test_a_steep_slope_is_computed_negated_and_made_up_for_by_its_readers(depthwise: bool) -> None:
    constants = {"w": floats(4, 1, 3, 3), "c": floats(4), "a": steep()}
    constants |= {"v": floats(4, 1, 3, 3) if depthwise else floats(5, 4, 1, 1), "u": floats(3, 4, 1, 1)}
    nodes = [
        helper.make_node("Conv", ["x", "w", "c"], ["m"], group=4, pads=[1, 1, 1, 1]),
        helper.make_node("PRelu", ["m", "a"], ["n"]),
        helper.make_node("Conv", ["n", "v"], ["y"], group=4 if depthwise else 1),
        helper.make_node("Conv", ["n", "u"], ["z"]),
    ]
    operators, count = checked(model_of(nodes, constants, ["y", "z"]), rewrite_prelu)
    assert operators == ["Add", "Conv", "Conv", "Conv", "Conv", "Relu"]  # two convolutions and their two readers
    assert count == 1


@pytest.mark.parametrize("reader", ["Neg", "output", "groups", "computed weights"])
def test_a_steep_slope_that_others_read_keeps_its_sign(reader: str) -> None:
    constants = {"w": floats(4, 1, 3, 3), "a": steep(), "v": floats(4, 2, 1, 1), "u": floats(3, 4, 1, 1)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["m"], group=4, pads=[1, 1, 1, 1]),
        helper.make_node("PRelu", ["m", "a"], ["n"]),
        helper.make_node("Conv", ["n", "u"], ["z"]),
    ]
    extra = {
        "Neg": [helper.make_node("Neg", ["n"], ["y"])],
        "output": [],
        "groups": [helper.make_node("Conv", ["n", "v"], ["y"], group=2)],
        "computed weights": [helper.make_node("Neg", ["u"], ["t"]), helper.make_node("Conv", ["n", "t"], ["y"])],
    }[reader]
    outputs = ["z", "n" if reader == "output" else "y"]
    operators, count = checked(model_of(nodes + extra, constants, outputs), rewrite_prelu)
    assert operators.count("Conv") >= 4  # as it was, and two of 1 x 1
    assert count == 1


@pytest.mark.parametrize("shape", [(1,), (1, 1, 1), (4, 1, 1), (1, 4, 1, 1)])
@pytest.mark.parametrize("slope", [-2.3, 0.0, 0.25, 4.1])
def test_one_slope_for_all_channels_is_a_leaky_relu(shape: tuple[int, ...], slope: float) -> None:
    nodes = [helper.make_node("PRelu", ["x", "a"], ["y"])]
    constants = {"a": np.full(shape, slope, dtype=np.float32)}
    assert checked(model_of(nodes, constants, ["y"]), rewrite_prelu) == (["LeakyRelu"], 1)


@pytest.mark.parametrize("kind", ["constant", "value"])
def test_a_model_that_was_converted_before_keeps_its_names_apart(kind: str) -> None:
    """New tensors are named apart from those of the graph, also where an earlier conversion named them."""
    first, second = ("weight__fm1", "m") if kind == "constant" else ("u", "weight__fm1")
    constants = {first: floats(32, 4, 1, 1), "w": floats(32, 2, 3, 3)}
    nodes = [
        helper.make_node("Conv", ["x", first], [second]),
        helper.make_node("Conv", [second, "w"], ["y"], group=16, pads=[1, 1, 1, 1]),
    ]
    assert checked(model_of(nodes, constants, ["y"]), widen_groups) == (["Conv", "Conv"], 1)


def test_conversion_widens_groups_for_every_runtime() -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], group=16)]
    source = model_of(nodes, {"w": floats(32, 2, 1, 1)}, ["y"], channels=32).SerializeToString()
    runtimes: tuple[Runtime, ...] = ("onnxruntime", "openvino")
    for runtime in runtimes:
        (convolution,) = onnx.load_from_string(convert(source, "embedder", runtime=runtime)).graph.node
        assert {item.name: item.i for item in convolution.attribute}["group"] == 2


def test_yunet_merged_finds_the_same_faces(analyzer: FaceAnalyzer, group: Image) -> None:
    """With its heads apart and together: the same answers everywhere in the picture."""
    assert analyzer.pack is not None
    pack = analyzer.pack
    source = (pack.folder / pack.manifest.detector.file).read_bytes()
    apart, converted = convert(source, "detector", runtime="openvino"), convert(source, "detector")
    operators = [node.op_type for node in onnx.load_from_string(converted).graph.node]
    assert operators.count("Split") == 3
    picture = np.ascontiguousarray(group[:640, :640].transpose(2, 0, 1)[None], dtype=np.float32)
    before, after = (OnnxSession(each, name="yunet", threads=1).run(picture) for each in (apart, converted))
    assert len(before) == 12
    assert list(before) == list(after)
    assert max(float(np.abs(after[name] - before[name]).max()) for name in before) < 1e-4
