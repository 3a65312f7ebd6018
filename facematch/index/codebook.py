"""Product codes that propose candidates: FAISS's fast scan over 4-bit codes, in one part for each core.

The codebook is learnt once and shared by all parts. Vectors are known by labels, which count from 0 in the order in
which they were added. Each part is searched in the thread that asks: FAISS's own way of sharing one search among
OpenMP's threads waits for the slowest of them, which on a machine that does something else as well is many times the
search.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from facematch.types import FloatArray

__all__ = ["ProductCodes", "can_code", "in_one_thread"]

Ints = NDArray[np.int64]

_CENTROIDS = 16
"""Values of a 4-bit code, each of which must be learnt from a vector."""
_RESERVOIR = 13
"""FAISS's way of keeping the best that costs least where hundreds are wanted."""
_SEED = 7

if hasattr(os, "register_at_fork"):  # OpenMP waits for ever for the threads that a forked child has not got
    os.register_at_fork(after_in_child=lambda: faiss.omp_set_num_threads(1))


def can_code(dimension: int, size: int) -> bool:
    """Whether so many vectors of that length can be coded: at least 16, and an even number of at least 8."""
    return size >= _CENTROIDS and dimension >= 8 and dimension % 2 == 0


@contextmanager
def in_one_thread() -> Iterator[None]:
    """Have OpenMP, as far as the calling thread starts it, work in that thread alone."""
    before = faiss.omp_get_max_threads()
    if before == 1:
        yield
        return
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


class ProductCodes:
    """Product codes of vectors under their labels, all of which a search compares with.

    A search cannot be limited to a scope: more candidates are asked for and those outside are left out afterwards.

    Args:
        indexes: A FAISS index for each part; nothing else may change them.
        capacity: Labels in each part but the last.
    """

    kind = "pq"

    def __init__(self, indexes: Sequence[Any], capacity: int) -> None:
        for index in indexes:
            index.implem = _RESERVOIR
        self._indexes = tuple(indexes)
        self._capacity = capacity

    @classmethod
    def trained(cls, sample: FloatArray, expected: int, parts: int, *, fine: bool) -> ProductCodes:
        """Codes with nothing in them yet.

        Args:
            sample: ``(S, D)`` ``float32`` to learn the codebook from, at least 16.
            expected: How many vectors will come, at least one.
            parts: How many parts to have, at least one.
            fine: Whether codes take two bits a number instead of one.
        """
        dimension = int(sample.shape[1])
        index: Any = faiss.IndexPQFastScan(dimension, _subcodes(dimension, fine=fine), 4, faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.min_points_per_centroid = 1
        index.train(sample)
        return cls([index, *(faiss.clone_index(index) for _ in range(parts - 1))], -(-expected // parts))

    @property
    def parts(self) -> int:
        """Number of parts, at least one."""
        return len(self._indexes)

    @property
    def nbytes(self) -> int:
        """Memory in bytes: codes and codebooks."""
        first = self._indexes[0]
        return len(self) * int(first.code_size) + self.parts * 4 * int(first.d) * _CENTROIDS

    def __len__(self) -> int:
        """Number of labels that can be proposed, those of removed vectors included, whose places stay."""
        return sum(int(index.ntotal) for index in self._indexes)

    def add(self, vectors: FloatArray) -> None:
        """Code more vectors, before the first search; what comes beyond the last part's capacity goes there, too."""
        start = 0
        for number, index in enumerate(self._indexes):
            room = len(vectors) if number == self.parts - 1 else self._capacity - int(index.ntotal)
            some = vectors[start : start + room]
            if len(some):
                index.add(np.ascontiguousarray(some))
            start += len(some)

    def without(self, labels: Ints) -> ProductCodes:
        """Codes that know nothing of ``labels (N,)``: another code stands in their place and may be proposed."""
        indexes = list(self._indexes)
        of_part = np.minimum(labels // self._capacity, self.parts - 1)
        for part in np.unique(of_part).tolist():
            indexes[part] = _overwritten(indexes[part], labels[of_part == part] - part * self._capacity)
        return ProductCodes(indexes, self._capacity)

    def propose_in(self, part: int, queries: FloatArray, count: int) -> Ints:
        """Labels ``(Q, P)`` of one part that may be the best, best first by their codes; -1 for no more.

        Args:
            part: Number of the part.
            queries: ``(Q, D)`` ``float32``.
            count: Labels wanted a query; ``P`` is less where the part holds less.
        """
        index = self._indexes[part]
        with in_one_thread():
            found = np.asarray(index.search(queries, max(min(count, int(index.ntotal)), 1))[1], dtype=np.int64)
        return found if part == 0 else np.where(found < 0, found, found + part * self._capacity)

    def propose(self, queries: FloatArray, count: int) -> Ints:
        """Labels ``(Q, P)`` of all parts, at least ``count`` a query where there are as many; -1 where there are not.

        See :meth:`propose_in`.
        """
        each = -(-count // self.parts)
        return np.concatenate([self.propose_in(part, queries, each) for part in range(self.parts)], axis=1)


def _subcodes(dimension: int, *, fine: bool) -> int:
    """Number of 4-bit numbers that code a vector: one for each two of its numbers if ``fine``, else for each four."""
    return dimension // 2 if fine or dimension % 4 else dimension // 4


def _overwritten(index: Any, places: Ints) -> Any:
    """A copy of the index in which the codes at ``places (N,)`` are of chance.

    One code for all of them would be proposed all at once by a query that it resembles.
    """
    copy: Any = faiss.clone_index(index)
    packer = copy.get_CodePacker()
    blocks = -(-int(copy.ntotal) // packer.nvec)
    packed = np.asarray(faiss.rev_swig_ptr(copy.codes.get(), blocks * packer.block_size)).reshape(blocks, -1)
    chance = np.random.default_rng(_SEED).integers(256, size=(places.size, packer.code_size), dtype=np.uint8)
    for code, place in zip(chance, places.tolist(), strict=True):
        block, own = divmod(place, packer.nvec)
        packer.pack_1(code, own, packed[block : block + 1])
    return copy
