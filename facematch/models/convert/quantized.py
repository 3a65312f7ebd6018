"""Rewrites of quantized graphs back to float32: block-quantized weights, and dynamically quantized layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from facematch.errors import ConversionError
from facematch.models.convert.graph import GraphEditor, attribute

__all__ = ["fold_bias", "fold_dequantize", "undo_dynamic_quantization"]


def fold_dequantize(editor: GraphEditor) -> int:
    """Compute every ``DequantizeLinear`` (+ ``Reshape``) over constants once, here.

    Block-quantized weights are stored flat and reshaped at run time, which ONNX Runtime refuses. Where the scale has
    one dimension, blocks run along the flattened tensor; where it has as many as the tensor, along ``axis``.

    Returns:
        The number of tensors folded.
    """
    folded = 0
    for node in list(editor.nodes):
        operands = [editor.constant(name) for name in node.input]
        if node.op_type == "DequantizeLinear" and all(value is not None for value in operands):
            editor.set_constant(node.output[0], _dequantize(node, [v for v in operands if v is not None]))
            folded += 1
        elif node.op_type == "Reshape" and operands[0] is not None and operands[1] is not None:
            shape = [int(n) if n else operands[0].shape[i] for i, n in enumerate(operands[1])]
            editor.set_constant(node.output[0], operands[0].reshape(shape))
        else:
            continue
        editor.replace(node, [])
    return folded


def _dequantize(node: Any, operands: list[NDArray[Any]]) -> NDArray[np.float32]:
    values, scale = operands[0].astype(np.float32), operands[1].astype(np.float32)
    zero = operands[2].astype(np.float32) if len(operands) > 2 else np.zeros_like(scale)
    block = int(attribute(node, "block_size", 0))
    axis = int(attribute(node, "axis", 1))
    try:
        if scale.size == 1:
            return (values - zero.reshape(())) * scale.reshape(())
        if scale.ndim == 1 and block:
            flat = values.reshape(-1)
            spread = [np.repeat(v, min(block, flat.size))[: flat.size] for v in (scale, zero)]
            return ((flat - spread[1]) * spread[0]).reshape(values.shape)
        if scale.ndim == 1:
            along = [-1 if i == axis % values.ndim else 1 for i in range(values.ndim)]
            return (values - zero.reshape(along)) * scale.reshape(along)
        length = values.shape[axis]
        wide = min(block, length)  # a block may be stated longer than all there is
        spread = [np.take(np.repeat(v, wide, axis=axis), np.arange(length), axis=axis) for v in (scale, zero)]
        return (values - spread[1]) * spread[0]
    except (ValueError, IndexError) as error:
        raise ConversionError(
            f"quantized tensor {node.input[0]!r} of shape {values.shape} does not fit its scale of shape {scale.shape}",
            hint="the model file may be damaged; fetch it again",
        ) from error


def undo_dynamic_quantization(editor: GraphEditor) -> int:
    """Turn dynamically quantized convolutions and matrix products back into float32 ones.

    Such a layer quantizes its activations anew for each input, runs in integers (``ConvInteger``, ``MatMulInteger``)
    and scales back. Here its weights are scaled back once, exactly as stored, and the activations stay in float32. The
    result is what the layer approximates: nearer to the network it was made from, about three times faster in ONNX
    Runtime, and independent of what else is in the batch.

    Returns:
        The number of layers rewritten.
    """
    rewritten = 0
    for node in list(editor.nodes):
        if node.op_type in {"ConvInteger", "MatMulInteger"} and _undo_layer(editor, node):
            rewritten += 1
    _drop_unread(editor)
    return rewritten


def _undo_layer(editor: GraphEditor, node: Any) -> bool:
    producers = {name: other for other in editor.nodes for name in other.output}
    readers = editor.consumers()
    quantizer = producers.get(node.input[0])
    weight = editor.constant(node.input[1])
    cast = _only(readers[node.output[0]], "Cast")
    scaling = _only(readers[cast.output[0]], "Mul") if cast is not None else None
    if quantizer is None or quantizer.op_type != "DynamicQuantizeLinear" or weight is None or scaling is None:
        return False
    (scale_name,) = [name for name in scaling.input if name != cast.output[0]]
    scales = producers.get(scale_name)
    if scales is None or scales.op_type != "Mul" or quantizer.output[1] not in scales.input:
        return False
    (weight_scale_name,) = [name for name in scales.input if name != quantizer.output[1]]
    weight_scale = editor.constant(weight_scale_name)
    zero = editor.constant(node.input[3]) if len(node.input) > 3 else np.zeros((), dtype=np.int32)
    if weight_scale is None or zero is None:
        return False
    convolution = node.op_type == "ConvInteger"
    along = (-1, *([1] * (weight.ndim - 1))) if convolution else (-1,)
    scale, offset = (v.reshape(along) if v.size > 1 else v.reshape(()) for v in (weight_scale, zero))
    restored = ((weight.astype(np.int32) - offset.astype(np.int32)) * scale).astype(np.float32)
    name = editor.set_constant(editor.fresh("weight"), restored)
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    kind = "Conv" if convolution else "MatMul"
    editor.replace(node, [helper.make_node(kind, [quantizer.input[0], name], [scaling.output[0]], **attributes)])
    editor.replace(cast, [])
    editor.replace(scaling, [])
    return True


def _only(readers: list[Any], kind: str) -> Any:
    return readers[0] if len(readers) == 1 and readers[0] is not None and readers[0].op_type == kind else None


def _drop_unread(editor: GraphEditor) -> None:
    while True:
        readers = editor.consumers()
        unread = [node for node in editor.nodes if not any(readers[name] for name in node.output)]
        if not unread:
            return
        for node in unread:
            editor.replace(node, [])


def fold_bias(editor: GraphEditor) -> int:
    """Fold a constant ``Add`` into the bias of the ``Conv`` before it; after a ``MatMul`` make the two one ``Gemm``.

    Returns:
        The number of additions folded.
    """
    producers = {name: node for node in editor.nodes for name in node.output}
    readers = editor.consumers()
    folded = 0
    for node in list(editor.nodes):
        if node.op_type != "Add":
            continue
        for position in (0, 1):
            source, bias = producers.get(node.input[position]), editor.constant(node.input[1 - position])
            if source is None or bias is None or len(readers[node.input[position]]) != 1:
                continue
            if (merged := _with_bias(editor, source, bias, node.output[0])) is not None:
                editor.replace(source, [merged])
                editor.replace(node, [])
                producers[node.output[0]] = merged
                folded += 1
                break
    return folded


def _with_bias(editor: GraphEditor, source: Any, bias: NDArray[Any], output: str) -> Any:
    weight = editor.constant(source.input[1]) if len(source.input) == 2 else None
    if weight is None:
        return None
    if source.op_type == "Conv" and bias.shape == (1, weight.shape[0], *([1] * (weight.ndim - 2))):
        attributes = {a.name: helper.get_attribute_value(a) for a in source.attribute}
        name = editor.set_constant(editor.fresh("bias"), bias.reshape(-1))
        return helper.make_node("Conv", [*source.input, name], [output], **attributes)
    flat = source.op_type == "MatMul" and weight.ndim == 2 and bias.shape == (weight.shape[1],)
    if flat and _comes_flat(editor, source.input[0]):
        names = [editor.set_constant(editor.fresh(s), v) for s, v in (("weight", weight.T), ("bias", bias))]
        return helper.make_node("Gemm", [source.input[0], *names], [output], transB=1)
    return None


def _comes_flat(editor: GraphEditor, name: str) -> bool:
    return any(node.op_type == "Flatten" and name in node.output for node in editor.nodes)
