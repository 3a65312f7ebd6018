"""Coarse codes of vectors: they propose candidates whose scores are then computed exactly.

Three kinds: ``pq`` compares with every 4-bit product code (fast scan), ``ivf`` only with those in the nearest lists,
``hnsw`` walks a graph over 8-bit codes. Vectors are known by labels, which count from 0 in the order in which they
were added. Codes lie in one part or in several, which may be searched at the same time.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from facematch.types import FloatArray

__all__ = ["KINDS", "Coarse", "CoarseKind", "Effort", "Graph", "Lists", "can_code", "in_one_thread", "product_bits"]

CoarseKind: TypeAlias = Literal["pq", "ivf", "hnsw"]
KINDS: tuple[CoarseKind, ...] = ("pq", "ivf", "hnsw")

Ints = NDArray[np.int64]

CENTROIDS = 16
"""Values of a 4-bit code, each of which must be learnt from a vector."""
_ONE_THREAD = 12
"""FAISS's way of searching lists that does not share one query among threads: where a machine does something else as
well, such a search waits for longer than it takes."""
_LINK_BYTES = 4 * 2 * 32 * 32 // 31
"""Links of a vector in the graph: 64 on the lowest level, 32 on each further one, which one in 32 reaches."""
_SEED = 1234

if hasattr(os, "register_at_fork"):  # OpenMP waits for ever for the threads that a forked child has not got
    os.register_at_fork(after_in_child=lambda: faiss.omp_set_num_threads(1))


@dataclass(frozen=True, slots=True, order=True)
class Effort:
    """How hard a search tries.

    Attributes:
        probes: Lists that ``ivf`` reads, or the breadth of the walk of ``hnsw``; of no meaning for ``pq``.
        rerank: Candidates whose scores are computed exactly, over all parts.
    """

    probes: int
    rerank: int


def can_code(dimension: int, size: int) -> bool:
    """Whether so many vectors of that length can be coded: at least 16, and an even number of at least 8."""
    return size >= CENTROIDS and dimension >= 8 and dimension % 2 == 0


def product_bits(dimension: int, *, fine: bool) -> int:
    """How many 4-bit numbers code a vector: one for each two of its numbers if ``fine``, else for each four."""
    return dimension // 2 if fine or dimension % 4 else dimension // 4


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


class Coarse(ABC):
    """Codes of vectors under their labels.

    Attributes:
        kind: Kind of codes.
        selects: Whether a search can be limited to what a selector holds before anything is compared. Where it cannot,
            more candidates are asked for and those outside are left out afterwards.
    """

    kind: CoarseKind
    selects: bool

    @property
    def parts(self) -> int:
        """How many parts there are, at least one."""
        return 1

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Memory in bytes: codes, labels, lists and links."""

    @property
    def most_probes(self) -> int:
        """The largest useful number of probes."""
        return 1

    @abstractmethod
    def __len__(self) -> int:
        """Number of labels that can be proposed, those of forgotten vectors included where their place stays."""

    @abstractmethod
    def add(self, vectors: FloatArray) -> None:
        """Code more vectors, while nobody searches yet."""

    @abstractmethod
    def without(self, labels: Ints) -> Coarse | None:
        """Codes that know nothing of ``labels (N,)``; other labels stay. ``None`` where they must be made anew."""

    @abstractmethod
    def propose_in(self, part: int, queries: FloatArray, count: int, effort: Effort, selector: Any = None) -> Ints:
        """Labels ``(Q, count)`` of one part that may be the best, best first by their codes; -1 for no more.

        Args:
            part: Number of the part.
            queries: ``(Q, D)`` ``float32``.
            count: Labels wanted a query.
            effort: How hard to try.
            selector: What :meth:`selector` gave, to compare with no others; only where codes select.
        """

    def propose(self, queries: FloatArray, count: int, effort: Effort, selector: Any = None) -> Ints:
        """Labels ``(Q, P)`` of all parts, at least ``count`` a query where there are as many; -1 where there are not.

        See :meth:`propose_in`.
        """
        each = -(-count // self.parts)
        found = [self.propose_in(part, queries, each, effort, selector) for part in range(self.parts)]
        return np.concatenate(found, axis=1)

    @staticmethod
    def selector(inside: NDArray[np.bool_]) -> Any:
        """What limits a search to the labels that are set in ``inside (N,)``."""
        selector: Any = faiss.IDSelectorBitmap  # it keeps the memory that it reads
        return selector(np.packbits(inside, bitorder="little"))


class _Whole(Coarse):
    """Codes in one FAISS index, which nobody else may change."""

    selects = True
    parameters: str

    def __init__(self, index: Any) -> None:
        self._index = index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, vectors: FloatArray) -> None:
        self._index.add(np.ascontiguousarray(vectors))

    def _found(self, queries: FloatArray, count: int, selector: Any, **settings: int) -> Ints:
        made: Any = getattr(faiss, self.parameters)  # by name: FAISS's types do not know what it takes
        chosen = made(**settings) if selector is None else made(sel=selector, **settings)
        return np.asarray(self._index.search(queries, count, params=chosen)[1], dtype=np.int64)


class Lists(_Whole):
    """Product codes in lists by direction; see :class:`Coarse`.

    Args:
        sample: ``(S, D)`` ``float32`` to learn from.
        lists: Number of lists, at most ``S``.
        fine: Whether product codes take two bits a number instead of one.
        index: The FAISS index; ``None`` to learn one.
    """

    kind = "ivf"
    parameters = "SearchParametersIVF"

    def __init__(self, sample: FloatArray, lists: int, *, fine: bool, index: Any = None) -> None:
        if index is None:
            dimension = int(sample.shape[1])
            made = f"IVF{lists},PQ{product_bits(dimension, fine=fine)}x4fs"
            index = faiss.index_factory(dimension, made, faiss.METRIC_INNER_PRODUCT)
            index.cp.seed = _SEED
            index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1
            index.cp.spherical = True  # lists by direction: a quarter fewer codes to read for the same recall
            index.train(sample)
        index.implem = _ONE_THREAD
        super().__init__(index)

    @staticmethod
    def count(expected: int, learnt_from: int) -> int:
        """Number of lists for a gallery: about the square root of its size, as a power of two."""
        wanted = 1 << round(math.log2(max(expected, 4)) / 2)
        return max(min(wanted, learnt_from // 4), 1)

    @property
    def nbytes(self) -> int:
        """Memory in bytes: codes, labels and lists."""
        centers = 4 * int(self._index.d) * (int(self._index.nlist) + CENTROIDS)
        return len(self) * (int(self._index.code_size) + 8) + centers

    @property
    def most_probes(self) -> int:
        """Number of lists."""
        return int(self._index.nlist)

    def without(self, labels: Ints) -> Lists:
        """The codes of all but ``labels (N,)``."""
        index: Any = faiss.clone_index(self._index)
        index.remove_ids(np.ascontiguousarray(labels))
        return Lists(np.empty((0, int(index.d)), dtype=np.float32), 0, fine=False, index=index)

    def propose_in(self, part: int, queries: FloatArray, count: int, effort: Effort, selector: Any = None) -> Ints:  # noqa: ARG002 - there is one part
        """See :meth:`Coarse.propose_in`."""
        return self._found(queries, count, selector, nprobe=min(effort.probes, self.most_probes))


class Graph(_Whole):
    """A graph over 8-bit codes; see :class:`Coarse`.

    Args:
        sample: ``(S, D)`` ``float32`` to learn the codes from.
    """

    kind = "hnsw"
    parameters = "SearchParametersHNSW"

    def __init__(self, sample: FloatArray) -> None:
        index: Any = faiss.index_factory(int(sample.shape[1]), "HNSW32,SQ8", faiss.METRIC_INNER_PRODUCT)
        index.train(sample)
        super().__init__(index)

    @property
    def nbytes(self) -> int:
        """Memory in bytes: codes and links."""
        return len(self) * (int(self._index.d) + _LINK_BYTES)

    @property
    def most_probes(self) -> int:
        """Number of codes."""
        return max(len(self), 1)

    def without(self, labels: Ints) -> None:
        """Made anew."""

    def propose_in(self, part: int, queries: FloatArray, count: int, effort: Effort, selector: Any = None) -> Ints:  # noqa: ARG002 - there is one part
        """See :meth:`Coarse.propose_in`."""
        return self._found(queries, count, selector, efSearch=max(effort.probes, count))
