"""Producing side of the Merkle tree: nodes that an append reads, and paths of proofs.

A node at (level, position) is the root of the perfect subtree over the leaves ``position << level`` to
``((position + 1) << level) - 1``, counted from 0. Nodes are stored once their subtree is complete and never change,
so every root and every path follows from stored nodes with a logarithmic number of reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from facematch.governance.audit.verifier import EMPTY_ROOT, node_hash

__all__ = ["NodeGetter", "consistency_path", "inclusion_path", "peaks", "range_root"]

NodeGetter: TypeAlias = Callable[[int, int], bytes]
"""Gives the stored hash (32 bytes) at (level, position)."""


def peaks(size: int) -> list[tuple[int, int]]:
    """Places of the perfect subtrees that a tree of ``size`` leaves consists of, the largest first."""
    return [(level, (size >> level) - 1) for level in reversed(range(size.bit_length())) if size >> level & 1]


def range_root(start: int, end: int, node: NodeGetter) -> bytes:
    """Root over the leaves ``start`` to ``end - 1``, where ``start`` is a multiple of the largest power of two below.

    Args:
        start: First leaf, from 0.
        end: Leaf after the last.
        node: Reads stored nodes; called at most ``log2(end - start) + 1`` times.
    """
    if start == end:
        return EMPTY_ROOT
    places = [(level, (start >> level) + position) for level, position in peaks(end - start)]
    hashes = [node(level, position) for level, position in places]
    root = hashes.pop()
    while hashes:
        root = node_hash(hashes.pop(), root)
    return root


def inclusion_path(index: int, size: int, node: NodeGetter) -> list[bytes]:
    """Path that proves leaf ``index`` (from 0) in a tree of ``size`` leaves (RFC 9162, section 2.1.3.1)."""
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_root(middle, end, node))
            end = middle
        else:
            path.append(range_root(start, middle, node))
            start = middle
    return path[::-1]


def consistency_path(old: int, new: int, node: NodeGetter) -> list[bytes]:
    """Path that proves that a tree of ``new`` leaves begins with the tree of ``old`` (RFC 9162, section 2.1.4.1)."""
    if old in {0, new}:
        return []
    path: list[bytes] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_root(middle, end, node))
            end = middle
        else:
            path.append(range_root(start, middle, node))
            start = middle
    if start:
        path.append(range_root(start, end, node))
    return path[::-1]


def _split(width: int) -> int:
    """Largest power of two smaller than ``width``, for ``width`` > 1."""
    return 1 << (width - 1).bit_length() - 1
