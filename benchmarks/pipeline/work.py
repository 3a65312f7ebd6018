"""How much a network computes for an input, and how much the machine could."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper

from facematch.models import OnnxSession
from facematch.models.convert.graph import GraphEditor
from facematch.models.convert.quantized import fold_dequantize, undo_dynamic_quantization
from facematch.types import FloatArray

__all__ = ["Product", "multiplications"]

_SIDE: Final = 1024


def multiplications(model: bytes, shape: Sequence[int]) -> int:
    """Multiplications with weights that one run takes, each of which goes with an addition.

    Counted are convolutions and matrix products, as is usual; a convolution takes, for each number that it gives, one
    multiplication for each weight of its kernel. What a converter adds is not work that was asked for, so count what
    is published.

    Args:
        model: The bytes of an ONNX model, its weights quantized or not.
        shape: Sizes of its input.

    Raises:
        ValueError: A shape inside the network cannot be inferred.
        ConversionError: The network has control flow.
    """
    parsed = onnx.load_from_string(model)
    editor = GraphEditor(parsed)
    fold_dequantize(editor)
    undo_dynamic_quantization(editor)
    editor.finish()
    weights = {tensor.name: tuple(tensor.dims) for tensor in parsed.graph.initializer}
    (given,) = [value for value in parsed.graph.input if value.name not in weights]
    del given.type.tensor_type.shape.dim[:]
    for size in shape:
        given.type.tensor_type.shape.dim.add().dim_value = size
    for value in parsed.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(parsed, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise ValueError(f"the shapes of the network cannot be inferred: {error}") from error
    shapes = weights | {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in [*inferred.graph.value_info, *inferred.graph.output, *inferred.graph.input]
    }
    return sum(_of_node(node, shapes) for node in inferred.graph.node)


def _of_node(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type not in {"Conv", "Gemm", "MatMul"}:
        return 0
    given = shapes.get(node.output[0], ())
    if not given or 0 in given:
        raise ValueError(f"the shape of {node.output[0]} cannot be inferred")
    if node.op_type == "Conv":
        return math.prod(given) * math.prod(shapes[node.input[1]][1:])
    first = shapes[node.input[0]]
    swapped = any(item.name == "transA" and item.i for item in node.attribute)
    return math.prod(given) * (first[0] if swapped else first[-1])


class Product:
    """A matrix product of 1,024 x 1,024 in the runtime that runs the models: what it can do at best.

    Args:
        threads: Threads of it.
    """

    multiplications: Final = _SIDE**3

    def __init__(self, threads: int) -> None:
        rng = np.random.default_rng(0)
        weight: FloatArray = rng.standard_normal((_SIDE, _SIDE)).astype(np.float32)
        self._values: FloatArray = rng.standard_normal((_SIDE, _SIDE)).astype(np.float32)
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["rows", "weight"], ["product"])],
            "product",
            [helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, [_SIDE, _SIDE])],
            [helper.make_tensor_value_info("product", onnx.TensorProto.FLOAT, [_SIDE, _SIDE])],
            [onnx.numpy_helper.from_array(weight, "weight")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        self._session = OnnxSession(model.SerializeToString(), name="product", threads=threads)

    def run(self) -> None:
        """Do it once."""
        self._session.run(self._values)
