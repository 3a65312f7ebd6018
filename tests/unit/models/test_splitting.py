"""A network parted before the product at its end gives what it gave whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from facematch.models import OnnxSession, open_pack
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


def test_sfaces_product_holds_two_thirds_of_its_weights() -> None:
    parts = split_head(open_pack("opencv").model_bytes("embedder"))
    assert parts is not None
    body, head = map(len, parts)
    assert 12e6 < body < 14e6 < 25e6 < head < 27e6
    assert [node.op_type for node in onnx.load_from_string(parts[1]).graph.node] == ["Gemm"]
