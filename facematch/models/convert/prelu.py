"""``PRelu`` written with what ONNX Runtime computes in its blocked layout: depthwise convolutions and ``Relu``.

The runtime keeps convolutions in blocks of channels and computes a ``Relu`` and an addition that follow one within it;
for ``PRelu`` it leaves that layout. With slope ``a`` per channel, ``prelu(x) = a x + (1 - a) relu(x)``; while no slope
is over 1, ``(1 - a) relu(x) = relu((1 - a) x)``. Where one is, its channel is computed negated, ``-prelu(x) = -a x +
relu((a - 1) x)``, and the convolutions that read it are given negated weights. Convolutions that are depthwise take a
factor per channel for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from facematch.models.convert.graph import GraphEditor, attribute

__all__ = ["rewrite_prelu"]

Slopes = NDArray[np.float64]


def rewrite_prelu(editor: GraphEditor) -> int:
    """Rewrite every ``PRelu`` with constant slopes, in the cheapest of four forms that fits.

    * With one slope for all channels: as ``LeakyRelu``, which the convolution before it computes along.
    * After a depthwise convolution of stride 1 that no other node reads: ``dw_a(z) + relu(dw_(1-a)(z))``, two
      convolutions. (Of stride 2, it gives so much less than it takes that the next form is the cheaper one.)
    * Before one that alone reads it, where zero padding stays zero: ``dw_a(x) + dw_(1-a)(relu(x))``, two convolutions
      and a ``Relu`` by itself;
    * Elsewhere with depthwise convolutions of 1 x 1: ``a x + relu((1 - a) x)``.

    Returns:
        The number of nodes rewritten.
    """
    rewritten = 0
    for take in (_as_leaky_relu, _into_the_convolution_before, _into_the_convolution_after, _by_itself):
        for node, slopes in list(_nodes(editor)):
            rewritten += take(editor, node, slopes)
    return rewritten


def _nodes(editor: GraphEditor) -> Iterator[tuple[Any, Slopes]]:
    for node in editor.nodes:
        slope = editor.constant(node.input[1]) if node.op_type == "PRelu" else None
        if slope is not None and slope.shape in {(1,), (slope.size, 1, 1), (1, slope.size, 1, 1)}:
            yield node, slope.reshape(-1, 1, 1, 1).astype(np.float64)


def _as_leaky_relu(editor: GraphEditor, node: Any, slopes: Slopes) -> bool:
    if slopes.min() != slopes.max():
        return False
    alpha = float(slopes.flat[0])
    editor.replace(node, [helper.make_node("LeakyRelu", [node.input[0]], [node.output[0]], alpha=alpha)])
    return True


def _into_the_convolution_before(editor: GraphEditor, node: Any, slopes: Slopes) -> bool:
    convolution = next((other for other in editor.nodes if node.input[0] in other.output), None)
    if not _is_depthwise(editor, convolution, len(slopes)):
        return False
    if max(attribute(convolution, "strides", [1])) > 1:
        return False
    if len(editor.consumers()[node.input[0]]) != 1:
        return False
    signs = _signs(editor, node, slopes)
    if signs is None:
        return False
    below, above = (_scaled(editor, convolution, signs * factors) for factors in (slopes, 1.0 - slopes))
    editor.replace(node, [])
    editor.replace(convolution, _sum_with_relu(editor, below, above, node.output[0]))
    return True


def _into_the_convolution_after(editor: GraphEditor, node: Any, slopes: Slopes) -> bool:
    following = editor.consumers()[node.output[0]]
    if len(following) != 1 or not _is_depthwise(editor, following[0], len(slopes)):
        return False
    convolution, positive = following[0], editor.fresh("relu")
    below, above = _scaled(editor, convolution, slopes), _scaled(editor, convolution, 1.0 - slopes)
    del above.input[2:]  # the bias is added once
    if len(convolution.input) > 2:
        below.input[2] = convolution.input[2]
    below.input[0], above.input[0] = node.input[0], positive
    target = convolution.output[0]
    editor.replace(node, [helper.make_node("Relu", [node.input[0]], [positive])])
    add = helper.make_node("Add", [below.output[0], above.output[0]], [target])
    editor.replace(convolution, [below, above, add])
    return True


def _by_itself(editor: GraphEditor, node: Any, slopes: Slopes) -> bool:
    source, output = node.input[0], node.output[0]
    ones = editor.set_constant(editor.fresh("weight"), np.ones(slopes.shape, dtype=np.float32))
    plain = helper.make_node("Conv", [source, ones], [source], group=len(slopes), kernel_shape=[1, 1])
    signs = _signs(editor, node, slopes)
    if signs is not None:
        below, above = (_scaled(editor, plain, signs * factors) for factors in (slopes, 1.0 - slopes))
        editor.replace(node, _sum_with_relu(editor, below, above, output))
        return True
    below, above = _scaled(editor, plain, slopes), _scaled(editor, plain, 1.0 - slopes)
    positive = editor.fresh("relu")
    above.input[0] = positive
    add = helper.make_node("Add", [below.output[0], above.output[0]], [output])
    editor.replace(node, [helper.make_node("Relu", [source], [positive]), below, above, add])
    return True


def _signs(editor: GraphEditor, node: Any, slopes: Slopes) -> Slopes | None:
    """-1 for each channel that is to be computed negated, which its readers make up for; ``None`` if they cannot."""
    signs = np.where(slopes > 1.0, -1.0, 1.0)
    if (signs > 0).all():
        return signs
    made_up: list[tuple[Any, Slopes]] = []
    for reader in editor.consumers()[node.output[0]]:
        weight = None if reader is None or reader.op_type != "Conv" else editor.constant(reader.input[1])
        if weight is None or node.output[0] in reader.input[1:]:
            return None
        if _is_depthwise(editor, reader, len(slopes)):
            made_up.append((reader, weight * signs))
        elif attribute(reader, "group", 1) == 1:
            made_up.append((reader, weight * signs.reshape(1, -1, 1, 1)))
        else:
            return None
    for reader, weight in made_up:
        reader.input[1] = editor.set_constant(editor.fresh("weight"), weight.astype(np.float32))
    return signs


def _is_depthwise(editor: GraphEditor, node: Any, channels: int) -> bool:
    if node is None or node.op_type != "Conv" or attribute(node, "group", 1) != channels:
        return False
    weight = editor.constant(node.input[1])
    known = len(node.input) < 3 or editor.constant(node.input[2]) is not None
    return weight is not None and known and weight.shape[0] == channels and weight.shape[1] == 1


def _scaled(editor: GraphEditor, convolution: Any, factors: Slopes) -> Any:
    """A depthwise convolution like another, its channels times ``factors (C, 1, 1, 1)``, under a name of its own."""
    constants = [editor.constant(name) for name in convolution.input[1:]]
    names = [
        editor.set_constant(
            editor.fresh("weight"),
            (value * factors.reshape(-1, *[1] * (value.ndim - 1))).astype(np.float32),
        )
        for value in constants
        if value is not None
    ]
    attributes = {item.name: helper.get_attribute_value(item) for item in convolution.attribute}
    return helper.make_node("Conv", [convolution.input[0], *names], [editor.fresh("slope")], **attributes)


def _sum_with_relu(editor: GraphEditor, below: Any, above: Any, output: str) -> list[Any]:
    positive = editor.fresh("relu")
    relu = helper.make_node("Relu", [above.output[0]], [positive])
    return [below, above, relu, helper.make_node("Add", [below.output[0], positive], [output])]
