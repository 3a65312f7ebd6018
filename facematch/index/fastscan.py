"""Product codes that are all compared: FAISS's fast scan over 4-bit codes, in one part for each core.

Each part is searched in the thread that asks. FAISS's own way of sharing one search among OpenMP's threads waits for
the slowest of them, which on a machine that does something else as well is many times the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from facematch.index.coarse import CENTROIDS, Coarse, Effort, in_one_thread, product_bits
from facematch.types import FloatArray

__all__ = ["Scanned"]

Ints = NDArray[np.int64]

_RESERVOIR = 13
"""FAISS's way of keeping the best that costs least where hundreds are wanted."""
_SEED = 7


class Scanned(Coarse):
    """Product codes, every one of which a search reads; see :class:`~facematch.index.coarse.Coarse`.

    Args:
        indexes: A FAISS index for each part; nobody else may change them.
        capacity: Labels in each part but the last.
    """

    kind = "pq"
    selects = False

    def __init__(self, indexes: Sequence[Any], capacity: int) -> None:
        for index in indexes:
            index.implem = _RESERVOIR
        self._indexes = tuple(indexes)
        self._capacity = capacity

    @classmethod
    def learn(cls, sample: FloatArray, expected: int, parts: int, *, fine: bool) -> Scanned:
        """Codes with nothing in them yet.

        Args:
            sample: ``(S, D)`` ``float32`` to learn from, at least 16.
            expected: How many vectors will come, at least one.
            parts: How many parts to have, at least one.
            fine: Whether codes take two bits a number instead of one.
        """
        dimension = int(sample.shape[1])
        index: Any = faiss.IndexPQFastScan(dimension, product_bits(dimension, fine=fine), 4, faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.min_points_per_centroid = 1
        index.train(sample)
        return cls([index, *(faiss.clone_index(index) for _ in range(parts - 1))], -(-expected // parts))

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return len(self._indexes)

    @property
    def nbytes(self) -> int:
        """Memory in bytes: codes and what they stand for."""
        first = self._indexes[0]
        return len(self) * int(first.code_size) + self.parts * 4 * int(first.d) * CENTROIDS

    def __len__(self) -> int:
        return sum(int(index.ntotal) for index in self._indexes)

    def add(self, vectors: FloatArray) -> None:
        """Code more vectors, while nobody searches yet; what comes beyond the last part's capacity goes there, too."""
        start = 0
        for number, index in enumerate(self._indexes):
            room = len(vectors) if number == self.parts - 1 else self._capacity - int(index.ntotal)
            some = vectors[start : start + room]
            if len(some):
                index.add(np.ascontiguousarray(some))
            start += len(some)

    def without(self, labels: Ints) -> Scanned:
        """Codes that know nothing of ``labels (N,)``: another code stands in their place and may be proposed."""
        indexes = list(self._indexes)
        of_part = np.minimum(labels // self._capacity, self.parts - 1)
        for part in np.unique(of_part).tolist():
            indexes[part] = _overwritten(indexes[part], labels[of_part == part] - part * self._capacity)
        return Scanned(indexes, self._capacity)

    def propose_in(self, part: int, queries: FloatArray, count: int, effort: Effort, selector: Any = None) -> Ints:  # noqa: ARG002 - every code is read
        """See :meth:`~facematch.index.coarse.Coarse.propose_in`."""
        index = self._indexes[part]
        with in_one_thread():
            found = np.asarray(index.search(queries, max(min(count, int(index.ntotal)), 1))[1], dtype=np.int64)
        return found if part == 0 else np.where(found < 0, found, found + part * self._capacity)


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
