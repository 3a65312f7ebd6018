"""A memory budget refuses what does not fit and leaves the index as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facematch.errors import VectorIndexError
from facematch.index.approximate import ApproximateIndex
from facematch.index.exact import ExactIndex
from facematch.settings import Settings
from facematch.types import FloatArray
from tests.unit.watchlist.support import open_bench

DIMENSION = 32


def _units(count: int, seed: int = 0) -> FloatArray:
    drawn = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


@pytest.mark.parametrize("kind", [ExactIndex, ApproximateIndex])
def test_more_than_the_budget_is_refused_and_nothing_is_added(kind: type[ExactIndex] | type[ApproximateIndex]) -> None:
    each = 4 * DIMENSION + 20
    index = kind(DIMENSION, memory_budget=1000 * each)
    vectors = _units(1001)
    index.add(np.arange(900), vectors[:900])
    with pytest.raises(VectorIndexError, match="memory budget"):
        index.add(np.arange(900, 1001), vectors[900:])
    assert len(index) == 900
    index.add(np.arange(900, 1000), vectors[900:1000])
    assert index.stats().total_bytes <= 1000 * each
    assert index.search(vectors[950:951], 1)[1].tolist() == [[950]]


@pytest.mark.parametrize(("spare", "coded"), [(0.05, False), (0.5, True)])
def test_codes_that_do_not_fit_beside_the_vectors_are_not_kept(spare: float, coded: bool) -> None:
    count = 4000
    budget = round(count * (4 * DIMENSION + 20) * (1 + spare))
    index = ApproximateIndex(DIMENSION, exact_below=0, rerank=64, background=False, memory_budget=budget)
    index.add(np.arange(count), _units(count))
    assert index.rebuild() is coded
    assert (index.stats().kind == "pq") is coded
    assert index.stats().total_bytes <= budget
    assert ("not_coded_because" in index.stats().details) is not coded


def test_the_settings_budget_reaches_the_gallery_of_a_watchlist(tmp_path: Path) -> None:
    with open_bench(tmp_path / "a.db", settings=Settings(memory_budget="50B")) as bench:
        bench.enroll("s", 1)
        with pytest.raises(VectorIndexError, match="memory budget"):
            bench.found(1)
    with open_bench(tmp_path / "a.db", clock=bench.clock) as bench:
        assert bench.found(1) == ["s"]
