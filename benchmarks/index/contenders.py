"""Searches by other people's libraries, each as its own documentation shows it, behind one small interface.

Whatever is not installed is left out: FAISS and NumPy are always there, ``make bench-peers`` installs the others into
an environment of their own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from timing import timed

from facematch.index.approximate import ApproximateIndex
from facematch.index.exact import ExactIndex
from facematch.types import FloatArray

Ints = NDArray[np.int64]
Search = Callable[[FloatArray, int], Ints]


@dataclass(frozen=True)
class Built:
    """An index with a gallery.

    Attributes:
        name: What tables call it.
        settings: How it was made.
        search: Rows ``(Q, k)`` of the best results of probes ``(Q, D)``.
        exact: Whether it compares with everything.
        seconds: How long it took to build.
        total_bytes: Memory that it holds; ``None`` where it does not say.
        dials: Settings of its search from quick to thorough, and what turns to them.
        turn_to: Sets one of the dials.
    """

    name: str
    settings: str
    search: Search
    exact: bool
    seconds: float
    total_bytes: int | None
    dials: Sequence[int] = ()
    turn_to: Callable[[int], None] = field(default=lambda _: None)


def installed(module: str) -> bool:
    """Whether a library is there."""
    return importlib.util.find_spec(module) is not None


def ours_exact(vectors: FloatArray) -> Built:
    """The exact index."""
    index = ExactIndex(vectors.shape[1])
    seconds = timed(lambda: index.add(np.arange(len(vectors)), vectors))
    return Built("facematch exact", "", lambda q, k: index.search(q, k)[1], True, seconds, index.stats().total_bytes)


def ours_coded(vectors: FloatArray) -> Built:
    """The approximate index, first at the number of candidates that it finds for a recall of 99.9 %; its dial."""
    index = ApproximateIndex(vectors.shape[1], exact_below=0, background=False)

    def build() -> None:
        index.add(np.arange(len(vectors)), vectors)
        index.rebuild()

    seconds = timed(build)
    stats = index.stats()
    state: Any = index._state  # noqa: SLF001 - the frontier turns what a user leaves to the index
    coded = state.coded is not None

    def turn_to(dial: int) -> None:
        index._state = replace(state, coded=replace(state.coded, rerank=dial))  # noqa: SLF001

    return Built(
        "facematch pq",
        f"would take {state.coded.rerank} scored" if coded else "found no number of candidates",
        lambda q, k: index.search(q, k)[1],
        not coded,
        seconds,
        stats.total_bytes,
        tuple(dial for dial in (32, 64, 128, 256, 512, 1024) if coded and dial <= len(vectors)),
        turn_to,
    )


def faiss_flat(vectors: FloatArray) -> Built:
    """FAISS's ``IndexFlatIP``, none of its settings touched."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    seconds = timed(lambda: index.add(vectors))
    return Built("FAISS IndexFlatIP", "", lambda q, k: index.search(q, k)[1], True, seconds, vectors.nbytes)


def faiss_hnsw(vectors: FloatArray) -> Built:
    """FAISS's graph, 32 links, construction at its default."""
    import faiss

    index = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    seconds = timed(lambda: index.add(vectors))

    def turn_to(breadth: int) -> None:
        index.hnsw.efSearch = breadth

    size = vectors.nbytes + len(vectors) * 4 * 2 * 32
    dials = (16, 32, 64, 128, 256, 512)
    return Built(
        "FAISS IndexHNSWFlat", "M 32", lambda q, k: index.search(q, k)[1], False, seconds, size, dials, turn_to
    )


def numpy_search(vectors: FloatArray) -> Built:
    """What one writes without a library: a matrix product and ``argpartition``."""

    def search(queries: FloatArray, k: int) -> Ints:
        scores = queries @ vectors.T
        best = np.argpartition(scores, -k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1)

    return Built("NumPy argpartition", "", search, True, 0.0, vectors.nbytes)


def hnswlib_graph(vectors: FloatArray) -> Built:
    """hnswlib: 16 links, construction breadth 200, as its README has it."""
    import hnswlib  # type: ignore[import-not-found, import-untyped, unused-ignore]

    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=200, M=16)
    seconds = timed(lambda: index.add_items(vectors, np.arange(len(vectors))))

    def search(queries: FloatArray, k: int) -> Ints:
        return np.asarray(index.knn_query(queries, k=k)[0], dtype=np.int64)

    def turn_to(breadth: int) -> None:
        index.set_ef(breadth)

    dials = (16, 32, 64, 128, 256, 512)
    return Built(
        "hnswlib", "M 16, ef_construction 200", search, False, seconds, index.index_file_size(), dials, turn_to
    )


def usearch_graph(vectors: FloatArray) -> Built:
    """USearch's graph in float32, otherwise at its defaults."""
    from usearch.index import Index  # type: ignore[import-not-found, import-untyped, unused-ignore]

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32")
    seconds = timed(lambda: index.add(np.arange(len(vectors)), vectors))

    def search(queries: FloatArray, k: int) -> Ints:
        return np.asarray(index.search(queries, k).keys, dtype=np.int64).reshape(len(queries), -1)

    def turn_to(breadth: int) -> None:
        index.expansion_search = breadth

    dials = (16, 32, 64, 128, 256, 512)
    return Built("USearch", "float32, defaults", search, False, seconds, int(index.memory_usage), dials, turn_to)


def usearch_exact(vectors: FloatArray) -> Built:
    """USearch's exhaustive search."""
    from usearch.index import MetricKind, search  # type: ignore[import-not-found, import-untyped, unused-ignore]

    def find(queries: FloatArray, k: int) -> Ints:
        found = search(vectors, queries, k, MetricKind.IP, exact=True)
        return np.asarray(found.keys, dtype=np.int64).reshape(len(queries), -1)

    return Built("USearch exact", "float32", find, True, 0.0, vectors.nbytes)


def deepface_find(vectors: FloatArray) -> Built:
    """The loop of ``DeepFace.find`` over its stored embeddings, through deepface's own distance function.

    Left out, in its favor: detection, embedding, the data frame that it iterates over, and its confidences.
    """
    from deepface.modules.verification import find_distance  # type: ignore[import-not-found, import-untyped, unused-ignore]

    def search(queries: FloatArray, k: int) -> Ints:
        rows = []
        for query in queries:
            distances = np.array([float(find_distance(vector, query, "cosine")) for vector in vectors])
            rows.append(np.argsort(distances, kind="stable")[:k])
        return np.stack(rows).astype(np.int64)

    return Built("deepface find", "the distances alone", search, True, 0.0, vectors.nbytes)


Maker = Callable[[FloatArray], Built]
PEERS: dict[str, tuple[str, Maker]] = {  # name: the library that it needs, and what makes it
    "numpy": ("numpy", numpy_search),
    "faiss_hnsw": ("faiss", faiss_hnsw),
    "hnswlib": ("hnswlib", hnswlib_graph),
    "usearch": ("usearch", usearch_graph),
    "usearch_exact": ("usearch", usearch_exact),
    "deepface": ("deepface", deepface_find),
}
