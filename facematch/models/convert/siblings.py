"""Convolutions that read the same values, run as one: heads of a few channels each fill whole blocks only together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from facematch.models.convert.graph import BLOCK, GraphEditor, attribute

__all__ = ["merge_siblings"]

_HEADS_END_WITH: Final = {"Transpose", "Reshape", "Flatten", "Sigmoid", "Softmax", "Mul"}
"""What reads heads. It leaves the blocked layout, as ``Split`` does; convolutions and activations would stay in it."""


def merge_siblings(editor: GraphEditor) -> int:
    """Merge heads that are convolutions of one tensor, and with them the depthwise ones that alone read them.

    YuNet asks each level for a class, an objectness, a box and five landmarks: 1, 1, 4 and 10 channels by convolutions
    of their own, which take 16 each. Together they are one of 16.

    Returns:
        The number of convolutions that went.
    """
    merged = 0
    for siblings in list(_siblings(editor)):
        followers = _followers(editor, siblings)
        last = followers or siblings
        if not _are_heads(editor, last):
            continue
        parts = [node.output[0] for node in last]
        sizes = [len(_weight(editor, node)) for node in last]
        new = [_together(editor, siblings, siblings[0].input[0], depthwise=False)]
        if followers:
            new.append(_together(editor, followers, new[0].output[0], depthwise=True))
        new.append(_split(editor, new[-1].output[0], sizes, parts))
        first, *others = [*siblings, *followers]
        for node in others:
            editor.replace(node, [])
        editor.replace(first, new)
        merged += len(siblings) + len(followers) - (len(new) - 1)
    return merged


def _siblings(editor: GraphEditor) -> Iterator[list[Any]]:
    """Convolutions that read one tensor and are alike, where merging them saves blocks of channels."""
    alike: dict[tuple[Any, ...], list[Any]] = {}
    for node in editor.nodes:
        if _is_known(editor, node) and attribute(node, "group", 1) == 1:
            alike.setdefault((node.input[0], _weight(editor, node).shape[1:], *_how(node)), []).append(node)
    for nodes in alike.values():
        counts = [len(_weight(editor, node)) for node in nodes]
        if math.ceil(sum(counts) / BLOCK) < sum(math.ceil(count / BLOCK) for count in counts):
            yield nodes


def _followers(editor: GraphEditor, siblings: list[Any]) -> list[Any]:
    """The depthwise convolutions that alone read one of ``siblings`` each, if all have one and they are alike."""
    readers = editor.consumers()
    found = []
    for node in siblings:
        following = readers[node.output[0]]
        channels = len(_weight(editor, node))
        if len(following) != 1 or following[0] is None or not _is_known(editor, following[0]):
            return []
        depthwise = _weight(editor, following[0]).shape[:2] == (channels, 1)
        if not depthwise or attribute(following[0], "group", 1) != channels:
            return []
        found.append(following[0])
    return found if len({(_weight(editor, node).shape[2:], _how(node)) for node in found}) == 1 else []


def _are_heads(editor: GraphEditor, nodes: list[Any]) -> bool:
    readers = editor.consumers()
    read = [reader for node in nodes for reader in readers[node.output[0]]]
    return all(reader is None or reader.op_type in _HEADS_END_WITH for reader in read)


def _together(editor: GraphEditor, nodes: list[Any], source: str, *, depthwise: bool) -> Any:
    weights = [_weight(editor, node) for node in nodes]
    biases = [
        editor.constant(node.input[2]) if len(node.input) > 2 else np.zeros(len(weight), dtype=weight.dtype)
        for node, weight in zip(nodes, weights, strict=True)
    ]
    settings = {item.name: helper.get_attribute_value(item) for item in nodes[0].attribute}
    settings["group"] = sum(map(len, weights)) if depthwise else 1
    inputs = [
        source,
        editor.set_constant(editor.fresh("weight"), np.concatenate(weights)),
        editor.set_constant(editor.fresh("bias"), np.concatenate([bias for bias in biases if bias is not None])),
    ]
    return helper.make_node("Conv", inputs, [editor.fresh("together")], **settings)


def _split(editor: GraphEditor, source: str, sizes: list[int], parts: list[str]) -> Any:
    if editor.opset < 13:  # the sizes became an input
        return helper.make_node("Split", [source], parts, axis=1, split=sizes)
    constant = editor.set_constant(editor.fresh("sizes"), np.array(sizes, dtype=np.int64))
    return helper.make_node("Split", [source, constant], parts, axis=1)


def _weight(editor: GraphEditor, node: Any) -> NDArray[Any]:
    """The weights of a convolution; none of anything else."""
    weight = editor.constant(node.input[1]) if node.op_type == "Conv" else None
    return np.empty(0) if weight is None else weight


def _is_known(editor: GraphEditor, node: Any) -> bool:
    return _weight(editor, node).ndim == 4 and all(editor.constant(name) is not None for name in node.input[1:])


def _how(node: Any) -> tuple[Any, ...]:
    """Everything about a convolution but its weights and its group."""
    values = ((item.name, helper.get_attribute_value(item)) for item in node.attribute if item.name != "group")
    return tuple(sorted((name, tuple(value) if isinstance(value, list) else value) for name, value in values))
