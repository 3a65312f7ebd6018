"""Exact search beside a user's plain FAISS index, equal answers first."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from peers import median_ratio

from facematch.index.flat import FaissFlatIndex


@pytest.mark.parametrize("queries", [1, 16])
def test_search_of_50_000_templates(benchmark: Any, queries: int) -> None:
    rng = np.random.default_rng(11)
    vectors = rng.normal(size=(50_000, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    probes = vectors[rng.choice(len(vectors), queries, replace=False)]
    plain = faiss.IndexFlatIP(128)
    plain.add(vectors)
    ours = FaissFlatIndex(128)
    ours.add(np.arange(len(vectors)), vectors)
    _, ids = ours.search(probes, 5)
    np.testing.assert_array_equal(ids, plain.search(probes, 5)[1])
    benchmark.extra_info["times_faster_than_plain_faiss"] = median_ratio(
        lambda: plain.search(probes, 5), lambda: ours.search(probes, 5)
    )
    benchmark(lambda: ours.search(probes, 5))
