"""A network parted before the product at its end gives what it gave whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from facematch.models import OnnxSession, SessionOptions, open_pack, samples_at_once
from facematch.models.convert.splitting import split_head

RNG = np.random.default_rng(5)
WIDE = 4 * 8 * 8
"""Values a sample before the product."""


def floats(*shape: int) -> NDArray[np.float32]:
    return RNG.normal(size=shape).astype(np.float32)


def network(nodes: list[Any], outputs: list[str], batch: int | str = "batch", **constants: NDArray[Any]) -> bytes:
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["m"], pads=[1, 1, 1, 1]),
            helper.make_node("Flatten", ["m"], ["f"]),
            *nodes,
        ],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "c", "h", "w"] if name == "m" else ["n", "d"])
            for name in outputs
        ],
        [numpy_helper.from_array(value, name) for name, value in {"w": floats(4, 3, 3, 3), **constants}.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def product(source: str = "f", target: str = "y", **attributes: Any) -> Any:
    return helper.make_node("Gemm", [source, "p"], [target], **attributes)


@pytest.mark.parametrize("transposed", [0, 1])
def test_the_parts_one_after_the_other_are_the_whole(transposed: int) -> None:
    weight = floats(1100, WIDE) if transposed else floats(WIDE, 1100)
    nodes = [product(transB=transposed), helper.make_node("Neg", ["y"], ["z"])]
    whole = network(nodes, ["z"], p=weight)
    parts = split_head(whole)
    assert parts is not None
    body, head = (OnnxSession(part, name="part", threads=1) for part in parts)
    x = floats(5, 3, 8, 8)
    between = np.concatenate([body.run(x[place : place + 1])["f"] for place in range(5)])
    expected = OnnxSession(whole, name="whole", threads=1).run(x)["z"]
    np.testing.assert_allclose(head.run(between)["z"], expected, rtol=1e-4, atol=1e-4)
    sizes = [sum(t.ByteSize() for t in onnx.load_from_string(part).graph.initializer) for part in parts]
    assert sizes[0] < 1000 < 4 * weight.size <= sizes[1]  # each part has its own weights and no other


def test_nothing_is_parted_that_would_not_gain_or_could_not_be_joined() -> None:
    big, small = floats(WIDE, 1100), floats(WIDE, 16)
    summed = [
        product(),
        helper.make_node("ReduceMean", ["m"], ["s"], keepdims=0),
        helper.make_node("Add", ["y", "s"], ["z"]),
    ]
    graphs = {
        "few weights": network([product()], ["y"], p=small),
        "fixed batch": network([product()], ["y"], batch=1, p=big),
        "no product": network([helper.make_node("Neg", ["f"], ["y"])], ["y"]),
        "something goes past it": network(summed, ["z"], p=big),
        "an output before it": network([product()], ["y", "m"], p=big),
        "not of a sample": network([product(transA=1)], ["y"], p=floats(1, 300_000)),
        "no network": b"garbage",
    }
    assert {name: split_head(graph) for name, graph in graphs.items()} == dict.fromkeys(graphs)


def test_the_first_of_two_products_is_where_it_is_parted() -> None:
    """What stays in the body is run face by face, and no large product should be."""
    nodes = [product(), helper.make_node("Relu", ["y"], ["r"]), helper.make_node("Gemm", ["r", "q"], ["z"])]
    parts = split_head(network(nodes, ["z"], p=floats(WIDE, 1100), q=floats(1100, 300)))
    assert parts is not None
    body, head = ([node.op_type for node in onnx.load_from_string(part).graph.node] for part in parts)
    assert (body, head) == (["Conv", "Flatten"], ["Gemm", "Relu", "Gemm"])


def test_a_product_written_as_matmul_counts_where_it_takes_a_row_a_sample() -> None:
    whole = network([helper.make_node("MatMul", ["f", "p"], ["y"])], ["y"], p=floats(WIDE, 1100))
    parts = split_head(whole)
    assert parts is not None
    x = floats(2, 3, 8, 8)
    body, head = (OnnxSession(part, name="part", threads=1) for part in parts)
    expected = OnnxSession(whole, name="whole", threads=1).run(x)["y"]
    np.testing.assert_allclose(head.run(body.run(x)["f"])["y"], expected, rtol=1e-4, atol=1e-4)
    tokens = [helper.make_node("Neg", ["m"], ["n"]), helper.make_node("MatMul", ["n", "p"], ["y"])]
    assert split_head(network(tokens, ["y"], p=floats(8, 40_000))) is None


def changed(model: bytes, change: str) -> bytes:
    parsed = onnx.load_from_string(model)
    if change == "no shape":
        parsed.graph.input[0].type.tensor_type.ClearField("shape")
    elif change == "functions":
        twice = helper.make_function(
            "local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 21)]
        )
        parsed.functions.append(twice)
        parsed.opset_import.append(helper.make_opsetid("local", 1))
        parsed.graph.node.insert(1, helper.make_node("Twice", ["m"], ["m2"], domain="local"))
        parsed.graph.node[2].input[0] = "m2"
    elif change == "control flow":
        inner = helper.make_graph(
            [helper.make_node("Identity", ["p"], ["q"])],
            "inner",
            [],
            [helper.make_tensor_value_info("q", TensorProto.FLOAT, [WIDE, 1100])],
        )
        parsed.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
        parsed.graph.node.append(helper.make_node("If", ["yes"], ["q"], then_branch=inner, else_branch=inner))
    elif change == "sparse weights":
        values = numpy_helper.from_array(floats(2), "s")
        places = numpy_helper.from_array(np.array([0, 3], dtype=np.int64), "places")
        parsed.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [8]))
    elif change == "a product of one input":
        del parsed.graph.node[-1].input[1:]
    else:
        weight = next(tensor for tensor in parsed.graph.initializer if tensor.name == "p")
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float64), "p"))
    return bytes(parsed.SerializeToString())


@pytest.mark.parametrize(
    "change",
    ["no shape", "functions", "control flow", "sparse weights", "a product of one input", "another type"],
)
def test_what_a_part_could_not_hold_stays_whole(change: str) -> None:
    whole = network([product()], ["y"], p=floats(WIDE, 1100))
    assert split_head(whole) is not None
    assert split_head(changed(whole, change)) is None


@pytest.mark.parametrize("change", ["no shape", "functions"])
def test_what_stays_whole_is_shared_out_all_the_same(change: str) -> None:
    model = changed(network([product()], ["y"], p=floats(WIDE, 1100)), change)
    x = floats(3, 3, 8, 8)
    expected = OnnxSession(model, name="whole", threads=1).run(x)["y"]
    found = SessionOptions(threads=2).open_sharing(model, "shared").run(x)["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_batch_that_is_fixed_above_one_is_run_as_it_is() -> None:
    session = SessionOptions(threads=2).open_sharing(network([product()], ["y"], batch=4, p=floats(WIDE, 16)), "four")
    assert samples_at_once(session) == 4
    assert session.run(floats(4, 3, 8, 8))["y"].shape == (4, 16)


def test_sfaces_product_holds_two_thirds_of_its_weights() -> None:
    parts = split_head(open_pack("opencv").model_bytes("embedder"))
    assert parts is not None
    body, head = map(len, parts)
    assert 12e6 < body < 14e6 < 25e6 < head < 27e6
    assert [node.op_type for node in onnx.load_from_string(parts[1]).graph.node] == ["Gemm"]
