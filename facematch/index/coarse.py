"""Coarse codes of vectors, through FAISS: they propose candidates whose scores are then computed exactly.

Three kinds: ``pq`` compares with every 4-bit product code (fast scan), ``ivf`` only with those in the nearest lists,
``hnsw`` walks a graph over 8-bit codes. All three leave out what a scope leaves out before they compare (``pq`` is
``ivf`` with one list, because FAISS's plain fast scan cannot). Vectors are known by labels, which count from 0 in the
order in which they were added.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
from facematch.types import FloatArray

__all__ = ["KINDS", "Coarse", "CoarseKind", "Effort", "can_code"]

CoarseKind: TypeAlias = Literal["pq", "ivf", "hnsw"]
KINDS: tuple[CoarseKind, ...] = ("pq", "ivf", "hnsw")

Ints = NDArray[np.int64]

_ONE_THREAD = 12
"""FAISS's way of searching that does not share one query among threads: where a machine does something else as well,
such a search waits for longer than it takes."""
_LEARN_A_LIST = 64
"""Vectors that each list is learnt from."""
_LEARN_CODES = 65536
"""Vectors that product codes are learnt from at least."""
_CENTROIDS = 16
"""Values of a 4-bit code, each of which must be learnt from a vector."""
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
        rerank: Candidates whose scores are computed exactly, for each result wanted.
    """

    probes: int
    rerank: int


def can_code(dimension: int, size: int) -> bool:
    """Whether so many vectors of that length can be coded: at least 16, and an even number of at least 8."""
    return size >= _CENTROIDS and dimension >= 8 and dimension % 2 == 0


class Coarse:
    """Codes of vectors under their labels.

    Args:
        kind: Kind of codes.
        index: The FAISS index; nobody else may change it.
    """

    def __init__(self, kind: CoarseKind, index: Any) -> None:
        self.kind = kind
        self._index = index

    @classmethod
    def learn(cls, kind: CoarseKind, sample: FloatArray, expected: int, *, fine: bool = False) -> Coarse:
        """Codes with nothing in them yet, learnt from vectors.

        Args:
            kind: Kind of codes.
            sample: ``(S, D)`` ``float32``; see :meth:`sample_size`.
            expected: How many vectors will come.
            fine: Whether product codes take two bits a number instead of one.

        Raises:
            VectorIndexError: Vectors of that length cannot be coded.
        """
        dimension = int(sample.shape[1])
        if not can_code(dimension, len(sample)):
            raise VectorIndexError(
                f"{len(sample)} vectors of {dimension} numbers cannot be coded",
                hint="use the index kind exact; it needs no codes",
            )
        codes = f"PQ{dimension // 2 if fine or dimension % 4 else dimension // 4}x4fs"
        lists = 1 if kind == "pq" else cls.lists(expected, len(sample))
        made = "HNSW32,SQ8" if kind == "hnsw" else f"IVF{lists},{codes}"
        index: Any = faiss.index_factory(dimension, made, faiss.METRIC_INNER_PRODUCT)
        if kind != "hnsw":
            index.cp.seed = _SEED
            index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1
            index.cp.spherical = True  # lists by direction: a quarter fewer codes to read for the same recall
            index.implem = _ONE_THREAD
        index.train(sample)
        return cls(kind, index)

    @staticmethod
    def lists(expected: int, learnt_from: int) -> int:
        """Number of lists for a gallery: about the square root of its size, as a power of two."""
        wanted = 1 << round(math.log2(max(expected, 4)) / 2)
        return max(min(wanted, learnt_from // 4), 1)

    @classmethod
    def sample_size(cls, expected: int) -> int:
        """How many vectors to learn from."""
        return min(expected, max(_LEARN_A_LIST * cls.lists(expected, expected), _LEARN_CODES))

    def add(self, vectors: FloatArray) -> None:
        """Code more vectors, while nobody searches yet."""
        self._index.add(np.ascontiguousarray(vectors))

    def without(self, labels: Ints) -> Coarse | None:
        """The codes of all but ``labels``; the others keep theirs. ``None`` where this kind can only be made anew."""
        if self.kind == "hnsw":
            return None
        index: Any = faiss.clone_index(self._index)
        index.remove_ids(np.ascontiguousarray(labels))
        return Coarse(self.kind, index)

    def __len__(self) -> int:
        """Number of codes."""
        return int(self._index.ntotal)

    @property
    def nbytes(self) -> int:
        """Memory in bytes: codes, labels, lists and links."""
        dimension = int(self._index.d)
        if self.kind == "hnsw":
            return len(self) * (dimension + _LINK_BYTES)
        return len(self) * (int(self._index.code_size) + 8) + 4 * dimension * (int(self._index.nlist) + _CENTROIDS)

    @property
    def most_probes(self) -> int:
        """The largest useful number of probes."""
        return max(len(self), 1) if self.kind == "hnsw" else int(self._index.nlist)

    def propose(self, queries: FloatArray, count: int, effort: Effort, selector: Any = None) -> Ints:
        """Labels ``(Q, count)`` that may be the best, best first by their codes; -1 where there are no more.

        Args:
            queries: ``(Q, D)`` ``float32``.
            count: Labels wanted a query.
            effort: How hard to try.
            selector: What :meth:`selector` gave, to compare with no others.
        """
        parameters: dict[str, Any] = {} if selector is None else {"sel": selector}
        if self.kind == "hnsw":
            kind = "SearchParametersHNSW"  # by name: FAISS's types know only the other one
            parameters["efSearch"] = max(effort.probes, count)
        else:
            kind = "SearchParametersIVF"
            parameters["nprobe"] = min(effort.probes, self.most_probes)
        found = self._index.search(queries, count, params=getattr(faiss, kind)(**parameters))[1]
        return np.asarray(found, dtype=np.int64)

    @staticmethod
    def selector(inside: NDArray[np.bool_]) -> Any:
        """What limits :meth:`propose` to the labels that are set in ``inside (N,)``."""
        selector: Any = faiss.IDSelectorBitmap  # it keeps the memory that it reads
        return selector(np.packbits(inside, bitorder="little"))

    def to_bytes(self) -> NDArray[np.uint8]:
        """The codes as FAISS writes them: ``(B,)`` ``uint8``."""
        return np.asarray(faiss.serialize_index(self._index))

    @classmethod
    def from_bytes(cls, kind: CoarseKind, data: NDArray[np.uint8]) -> Coarse:
        """Undo :meth:`to_bytes`; only for bytes whose origin has been authenticated.

        Raises:
            VectorIndexError: FAISS cannot read them.
        """
        try:
            return cls(kind, faiss.deserialize_index(data))
        except RuntimeError as error:
            raise VectorIndexError("the codes of a saved index are damaged", hint="it is made anew") from error
