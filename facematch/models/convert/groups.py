"""Convolutions in groups of a few channels, written as ones in groups that fill whole blocks."""

from __future__ import annotations

from typing import Final

import numpy as np

from facematch.models.convert.graph import BLOCK, GraphEditor, attribute

__all__ = ["widen_groups"]

_WIDE: Final = 8
"""Groups of so many channels are blocks already, where blocks are small."""


def widen_groups(editor: GraphEditor) -> int:
    """Put groups of a convolution together until they fill a block, with zeros between channels of different groups.

    ONNX Runtime has no blocked kernel for groups of 2 channels (InsightFace's MobileFaceNets begin with such a
    convolution): it leaves the blocked layout and multiplies group by group. With groups of 16 it multiplies eight
    times as much in half the time.

    Returns:
        The number of convolutions rewritten.
    """
    widened = 0
    for node in editor.nodes:
        weight = editor.constant(node.input[1]) if node.op_type == "Conv" else None
        groups = int(attribute(node, "group", 1))
        if weight is None or weight.ndim != 4 or groups == 1:
            continue
        size = weight.shape[1]
        if not 1 < size < _WIDE or len(weight) != groups * size or BLOCK % size or len(weight) % BLOCK:
            continue
        wide = np.zeros((len(weight), BLOCK, *weight.shape[2:]), dtype=weight.dtype)
        for channel, own in enumerate(weight):
            first = channel % BLOCK // size * size
            wide[channel, first : first + size] = own
        node.input[1] = editor.set_constant(editor.fresh("weight"), wide)
        next(item for item in node.attribute if item.name == "group").i = len(weight) // BLOCK
        widened += 1
    return widened
