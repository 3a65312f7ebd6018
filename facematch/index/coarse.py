"""Coarse codes of vectors, through FAISS: they propose candidates whose scores are then computed exactly.

Three kinds: ``pq`` compares with every 4-bit product code (fast scan), ``ivf`` only with those in the nearest lists,
``hnsw`` walks a graph over 8-bit codes. A :class:`Coarse` never changes; it knows ids, not rows, so rows may move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
from facematch.types import FloatArray, IdSet

__all__ = ["KINDS", "Coarse", "CoarseKind", "Effort", "can_code"]

CoarseKind: TypeAlias = Literal["pq", "ivf", "hnsw"]
KINDS: tuple[CoarseKind, ...] = ("pq", "ivf", "hnsw")

Ints = NDArray[np.int64]

_LEARN_A_LIST = 64
"""Vectors that each list is learnt from."""
_LEARN_CODES = 65536
"""Vectors that product codes are learnt from at least."""
_CENTROIDS = 16
"""Values of a 4-bit code, each of which must be learnt from a vector."""
_SEED = 1234


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
    """Codes of vectors under their ids.

    Args:
        kind: Kind of codes.
        index: The FAISS index; nobody else may change it.
    """

    def __init__(self, kind: CoarseKind, index: Any) -> None:
        self.kind = kind
        self._index = index

    @classmethod
    def learn(cls, kind: CoarseKind, sample: FloatArray, expected: int) -> Coarse:
        """Codes with nothing in them yet, learnt from vectors.

        Args:
            kind: Kind of codes.
            sample: ``(S, D)`` ``float32``; see :meth:`sample_size`.
            expected: How many vectors will come.

        Raises:
            VectorIndexError: Vectors of that length cannot be coded.
        """
        dimension = int(sample.shape[1])
        if not can_code(dimension, len(sample)):
            raise VectorIndexError(
                f"{len(sample)} vectors of {dimension} numbers cannot be coded",
                hint="use the index kind exact; it needs no codes",
            )
        codes = f"PQ{dimension // 2}x4fs"
        lists = cls.lists(expected, len(sample))
        made = {"pq": f"IDMap,{codes}", "ivf": f"IVF{lists},{codes}", "hnsw": "IDMap,HNSW32,SQ8"}[kind]
        index: Any = faiss.index_factory(dimension, made, faiss.METRIC_INNER_PRODUCT)
        if kind == "ivf":
            index.cp.seed = _SEED
            index.cp.min_points_per_centroid = 1
        if kind != "hnsw":
            coder: Any = faiss.downcast_index(index.index if kind == "pq" else index).pq
            coder.cp.min_points_per_centroid = 1
        index.train(sample)
        return cls(kind, index)

    @staticmethod
    def lists(expected: int, learnt_from: int) -> int:
        """Number of lists for a gallery: about twice the square root of its size, as a power of two."""
        wanted = 1 << max(int(2 * expected**0.5).bit_length() - 1, 0)
        return max(min(wanted, max(learnt_from // 4, 1)), 1)

    @classmethod
    def sample_size(cls, expected: int) -> int:
        """How many vectors to learn from."""
        return min(expected, max(_LEARN_A_LIST * cls.lists(expected, expected), _LEARN_CODES))

    def add(self, ids: Ints, vectors: FloatArray) -> None:
        """Code more vectors, while nobody searches yet."""
        self._index.add_with_ids(np.ascontiguousarray(vectors), np.ascontiguousarray(ids))

    def without(self, ids: Ints) -> Coarse | None:
        """The codes of all but ``ids``; ``None`` where this kind can only be made anew."""
        if self.kind == "hnsw":
            return None
        index: Any = faiss.clone_index(self._index)
        index.remove_ids(np.ascontiguousarray(ids))
        return Coarse(self.kind, index)

    def __len__(self) -> int:
        """Number of codes."""
        return int(self._index.ntotal)

    @property
    def nbytes(self) -> int:
        """Memory in bytes, counted from what FAISS would write to a file."""
        dimension = int(self._index.d)
        code = {"pq": dimension // 4, "ivf": dimension // 4, "hnsw": dimension + 2 * 32 * 4 * 17 // 16}[self.kind]
        lists = int(self._index.nlist) if self.kind == "ivf" else 0
        return len(self) * (code + 8) + 4 * dimension * (lists + 16)

    @property
    def most_probes(self) -> int:
        """The largest useful number of probes."""
        return {"pq": 1, "ivf": int(getattr(self._index, "nlist", 1)), "hnsw": max(len(self), 1)}[self.kind]

    def can_filter(self) -> bool:
        """Whether a scope is applied before scoring; ``pq`` reads everything."""
        return self.kind != "pq"

    def propose(self, queries: FloatArray, count: int, effort: Effort, scope: IdSet | None) -> Ints:
        """Ids ``(Q, count)`` that may be the best, best first by their codes; -1 where there are no more.

        Args:
            queries: ``(Q, D)`` ``float32``.
            count: Ids wanted a query.
            effort: How hard to try.
            scope: Only these ids are compared; only where :meth:`can_filter`.
        """
        parameters: dict[str, Any] = {}
        if scope is not None:
            parameters["sel"] = scope.remembered(self, _selector)
        if self.kind == "ivf":
            params: Any = faiss.SearchParametersIVF
            parameters["nprobe"] = min(effort.probes, self.most_probes)
        elif self.kind == "hnsw":
            params = faiss.SearchParametersHNSW
            parameters["efSearch"] = max(effort.probes, count)
        else:
            params = faiss.SearchParameters
        found = self._index.search(queries, count, params=params(**parameters) if parameters else None)[1]
        return np.asarray(found, dtype=np.int64)

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


def _selector(scope: IdSet) -> Any:
    """A FAISS selector; it keeps the memory that it reads."""
    bitmap = scope.bitmap()
    kind: Any
    if bitmap is None:
        kind = faiss.IDSelectorBatch
        return kind(scope.ids)
    kind = faiss.IDSelectorBitmap
    return kind(np.packbits(bitmap, bitorder="little"))
