"""Rewrites of a graph. Each is exact in real arithmetic; in float32 the rounding differs in the last digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from facematch.models.convert.graph import GraphEditor, attribute

__all__ = [
    "fold_batch_normalization",
    "remove_dropout",
    "symbolic_shapes",
]


def remove_dropout(editor: GraphEditor) -> int:
    """Remove ``Dropout`` and ``Identity``, which do nothing at inference. Returns how many went."""
    removed = 0
    for node in list(editor.nodes):
        outputs = {value.name for value in editor.graph.output}
        if node.op_type in {"Dropout", "Identity"} and node.output[0] not in outputs:
            editor.rewire(node.output[0], node.input[0])
            editor.replace(node, [])
            removed += 1
    return removed


def fold_batch_normalization(editor: GraphEditor) -> int:
    """Fold ``BatchNormalization`` into the ``Conv`` or ``Gemm`` before it.

    ``gamma (W x + b - mean) / sqrt(var + eps) + beta`` is a convolution with ``W gamma / sqrt(var + eps)``.

    Returns:
        The number of nodes folded.
    """
    readers = editor.consumers()
    producers = {name: node for node in editor.nodes for name in node.output}
    folded = 0
    for node in list(editor.nodes):
        source = producers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if source is None or source.op_type not in {"Conv", "Gemm"} or len(readers[node.input[0]]) != 1:
            continue
        weight = editor.constant(source.input[1])
        parameters = [editor.constant(name) for name in node.input[1:5]]
        bias = editor.constant(source.input[2]) if len(source.input) > 2 else None
        known = [p for p in parameters if p is not None]
        if weight is None or len(known) != 4 or (len(source.input) > 2 and bias is None):
            continue
        if source.op_type == "Gemm" and not _plain_gemm(source):
            continue
        gamma, beta, mean, variance = (p.astype(np.float64) for p in known)
        factor = gamma / np.sqrt(variance + float(attribute(node, "epsilon", 1e-5)))
        scaled = weight.astype(np.float64) * factor.reshape(-1, *([1] * (weight.ndim - 1)))
        shifted = ((0.0 if bias is None else bias.astype(np.float64)) - mean) * factor + beta
        inputs = [
            source.input[0],
            editor.set_constant(editor.fresh("weight"), scaled.astype(np.float32)),
            editor.set_constant(editor.fresh("bias"), shifted.astype(np.float32)),
        ]
        del source.input[:]
        source.input.extend(inputs)
        source.output[0] = node.output[0]
        producers[node.output[0]] = source
        editor.replace(node, [])
        folded += 1
    return folded


def _plain_gemm(node: Any) -> bool:
    return bool(
        attribute(node, "transB", 0) == 1
        and attribute(node, "alpha", 1.0) == 1.0
        and attribute(node, "beta", 1.0) == 1.0
    )


def symbolic_shapes(editor: GraphEditor, *, spatial: bool) -> None:
    """Make the batch dimension symbolic, and for ``spatial`` also height and width of the input.

    Constant target shapes of ``Reshape`` that begin with the old batch size of 1 are made to copy it instead. A
    dynamically quantized graph keeps a batch of exactly one: it scales its activations by the extremes of the whole
    batch, so that a result would depend on what else is in it.
    """
    inputs = [value for value in editor.graph.input if editor.constant(value.name) is None]
    if any(node.op_type == "DynamicQuantizeLinear" for node in editor.nodes):
        for value in inputs:
            value.type.tensor_type.shape.dim[0].dim_value = 1
        return
    for node in editor.nodes:
        shape = editor.constant(node.input[1]) if node.op_type == "Reshape" else None
        if shape is not None and shape.ndim == 1 and len(shape) > 1 and shape[0] == 1:
            editor.set_constant(node.input[1], np.concatenate([[0], shape[1:]]).astype(np.int64))
    names = {0: "batch", 2: "height", 3: "width"} if spatial else {0: "batch"}
    for value in inputs:
        for index, dim in enumerate(value.type.tensor_type.shape.dim):
            if index in names:
                dim.dim_param = names[index]
    for value in editor.graph.output:
        for index, dim in enumerate(value.type.tensor_type.shape.dim):
            if spatial:
                dim.dim_param = f"{value.name}_{index}"
            elif index == 0:
                dim.dim_param = "batch"
