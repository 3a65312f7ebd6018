"""A network in two: its convolutions, and the matrix product at its end."""

from __future__ import annotations

from typing import Any, Final

import onnx
from google.protobuf.message import DecodeError
from onnx import helper

from facematch.models.convert.graph import attribute, has_control_flow

__all__ = ["split_head"]

_WORTH: Final = 1 << 20
"""Bytes of weights from which a product is worth a session of its own."""


def split_head(model: bytes) -> tuple[bytes, bytes] | None:
    """Part a network before the matrix product at its end, whose weights every run reads anew.

    What comes before it computes much on little, and does so best with one sample at a time, whose values then stay in
    the processor's cache. The product computes little on much: SFace's weights there are 26 of its 38 MB for one
    hundredth of its multiplications, and reading them is what takes the time, for one sample as for thirty.

    Args:
        model: The bytes of an ONNX model, converted.

    Returns:
        The bytes of the part before the first such product and of the rest, one running into the other; ``None`` where
        the batch is fixed, where there is no such product that everything goes through, where a part would not hold all
        that it needs (functions, control flow, sparse weights), and where the bytes are no network.
    """
    try:
        parsed = onnx.load_from_string(model)
    except DecodeError:
        return None
    graph = parsed.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if parsed.functions or graph.sparse_initializer or has_control_flow(graph) or not _has_free_batch(inputs):
        return None
    outputs = {value.name for value in graph.output}
    for product in graph.node:
        if not _reads_many_weights(product, graph, weights):
            continue
        cut = product.input[0]
        before = _ancestors(graph, cut)
        first = [node for node in graph.node if set(node.output) & before]
        rest = [node for node in graph.node if not set(node.output) & before]
        made = {name for node in rest for name in node.output} | {cut} | set(weights)
        if outputs <= made and all(name in made for node in rest for name in node.input if name):
            width = weights[product.input[1]].dims[1 if attribute(product, "transB", 0) else 0]
            between = helper.make_tensor_value_info(cut, onnx.TensorProto.FLOAT, ["batch", width])
            return (
                _part(parsed, first, inputs, [between]),
                _part(parsed, rest, [between], list(graph.output)),
            )
    return None


def _has_free_batch(inputs: list[Any]) -> bool:
    dims = inputs[0].type.tensor_type.shape.dim if len(inputs) == 1 else []
    return len(dims) > 0 and bool(dims[0].dim_param)


def _reads_many_weights(node: Any, graph: Any, weights: dict[str, Any]) -> bool:
    """Whether a node multiplies a row a sample with a large constant."""
    weight = weights.get(node.input[1]) if len(node.input) > 1 else None
    if weight is None or len(weight.dims) != 2 or weight.data_type != onnx.TensorProto.FLOAT:
        return False
    if node.op_type == "Gemm":  # takes nothing but rows
        return weight.ByteSize() >= _WORTH and not attribute(node, "transA", 0)
    rows = any(other.op_type in {"Flatten", "Gemm"} and node.input[0] in other.output for other in graph.node)
    return node.op_type == "MatMul" and weight.ByteSize() >= _WORTH and rows


def _ancestors(graph: Any, name: str) -> set[str]:
    """The tensor and all that it is made from."""
    found = {name}
    for node in reversed(graph.node):
        if found.intersection(node.output):
            found.update(node.input)
    return found


def _part(model: Any, nodes: list[Any], inputs: list[Any], outputs: list[Any]) -> bytes:
    read = {name for node in nodes for name in node.input}
    weights = [tensor for tensor in model.graph.initializer if tensor.name in read]
    graph = helper.make_graph(nodes, model.graph.name, inputs, outputs, weights)
    part = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(part.SerializeToString(deterministic=True))
