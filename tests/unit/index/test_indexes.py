from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from facematch import registry
from facematch.errors import VectorIndexError
from facematch.index.oracle import OracleIndex
from facematch.index.approximate import ApproximateIndex
from facematch.protocols import VectorIndex
from facematch.testing import check_vector_index
from facematch.types import FloatArray

Factory = Callable[[int], VectorIndex]


@pytest.fixture(params=[OracleIndex, ApproximateIndex])
def factory(request: pytest.FixtureRequest) -> Factory:
    chosen: Factory = request.param
    return chosen


def _units(count: int, dimension: int, seed: int = 0) -> FloatArray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension))
    units: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return units


def _ids(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(values, dtype=np.int64)


@pytest.mark.parametrize(("dimension", "seed"), [(1, 1), (3, 2), (16, 3), (128, 4)])
def test_every_index_keeps_the_contract(factory: Factory, dimension: int, seed: int) -> None:
    check_vector_index(factory, dimension=dimension, seed=seed)


@pytest.mark.parametrize("name", ["exact", "faiss"])
def test_the_built_in_indexes_are_registered_and_keep_the_protocol(name: str) -> None:
    index = registry.load("facematch.indexes", name)(4)
    assert isinstance(index, VectorIndex)
    assert index.dimension == 4


@pytest.mark.parametrize("dimension", [0, -1, 2.5, "3", True, None])
def test_bad_dimensions_are_refused(factory: Factory, dimension: int) -> None:
    with pytest.raises(VectorIndexError):
        factory(dimension)


def test_a_tie_over_the_boundary_is_settled_by_id_whatever_the_order_of_insertion(factory: Factory) -> None:
    index = factory(8)
    same = np.repeat(_units(1, 8), 500, axis=0)
    ids = np.random.default_rng(3).permutation(500).astype(np.int64)
    index.add(ids, same)
    scores, found = index.search(same[:1], 7)
    assert found[0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert len(set(scores[0].tolist())) == 1


def test_a_filter_can_reach_any_part_of_a_tie(factory: Factory) -> None:
    index = factory(8)
    same = np.repeat(_units(1, 8), 300, axis=0)
    index.add(np.arange(300, dtype=np.int64), same)
    _, found = index.search(same[:1], 3, allowed=_ids(299, 7, 150, 1000))
    assert found[0].tolist() == [7, 150, 299]


def test_faiss_and_exact_give_the_very_same_scores() -> None:
    vectors, queries = _units(3000, 64), _units(20, 64, seed=1)
    vectors[1500:1600] = vectors[:100]
    ids = np.arange(3000, dtype=np.int64)
    exact, flat = OracleIndex(64), ApproximateIndex(64)
    exact.add(ids, vectors)
    flat.add(ids, vectors)
    for allowed in (None, ids[::3].copy()):
        for left, right in zip(
            exact.search(queries, 10, allowed=allowed), flat.search(queries, 10, allowed=allowed), strict=True
        ):
            np.testing.assert_array_equal(left, right)


def test_removed_vectors_are_overwritten_in_faiss() -> None:
    index = ApproximateIndex(4)
    index.add(_ids(1, 2, 3), _units(3, 4))
    assert index.remove(_ids(1, 3)) == 2
    assert index.remove(_ids(1, 3)) == 0
    scores, ids = index.search(_units(3, 4), 3)
    assert ids.tolist() == [[2, -1, -1]] * 3
    assert np.isneginf(scores[:, 1:]).all()


def test_an_id_can_come_back_after_removal(factory: Factory) -> None:
    index = factory(4)
    index.add(_ids(1, 2), _units(2, 4))
    index.remove(_ids(1))
    index.add(_ids(1), _units(1, 4, seed=9))
    scores, ids = index.search(_units(1, 4, seed=9), 1)
    assert ids.tolist() == [[1]]
    assert scores[0, 0] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("allowed", [np.asarray([1.0]), np.asarray([[1]]), [1], np.asarray([1, 1]), np.asarray([-2])])
def test_bad_filters_are_refused(factory: Factory, allowed: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    index = factory(4)
    index.add(_ids(1), _units(1, 4))
    with pytest.raises(VectorIndexError, match="allowed"):
        index.search(_units(1, 4), 1, allowed=allowed)


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "1"])
def test_bad_k_is_refused(factory: Factory, k: int) -> None:
    with pytest.raises(VectorIndexError, match="k must be"):
        factory(4).search(_units(1, 4), k)


def test_the_caller_may_change_its_arrays_afterwards(factory: Factory) -> None:
    index = factory(4)
    ids, vectors = _ids(1, 2), _units(2, 4)
    index.add(ids, vectors)
    query = vectors[:1].copy()
    ids[:], vectors[:] = 77, 0.0
    assert index.search(query, 1)[1].tolist() == [[1]]


def test_vectors_that_are_not_contiguous_are_taken(factory: Factory) -> None:
    index = factory(4)
    wide = _units(6, 8)
    index.add(_ids(1, 2, 3), wide[::2, ::2])
    assert index.search(wide[:1, ::2], 1)[0][0, 0] == pytest.approx(float((wide[0, ::2] ** 2).sum()), abs=1e-6)


def test_searching_while_another_thread_adds_and_removes(factory: Factory) -> None:
    index = factory(8)
    vectors = _units(200, 8)
    index.add(_ids(1000), vectors[:1])
    failures: list[str] = []
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            _, ids = index.search(vectors[:1], 1, allowed=_ids(1000))
            if ids.tolist() != [[1000]]:
                failures.append(str(ids))

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for start in range(0, 200, 10):
        ids = np.arange(start, start + 10, dtype=np.int64)
        index.add(ids, vectors[start : start + 10])
        if start % 20:
            index.remove(ids)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(index) == 101
