from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from facematch import registry
from facematch.errors import VectorIndexError
from facematch.index import coded_rows
from facematch.index.approximate import ApproximateIndex
from facematch.index.candidates import Candidates
from facematch.index.codebook import can_code
from facematch.index.exact import ExactIndex
from facematch.protocols import VectorIndex
from facematch.testing import OracleIndex, check_vector_index
from tests.unit.index.support import CodedIndex, Factory, Ints
from tests.unit.index.support import ids_of as _ids
from tests.unit.index.support import units as _units


@pytest.fixture(params=[OracleIndex, ExactIndex, ApproximateIndex, CodedIndex])
def factory(request: pytest.FixtureRequest) -> Factory:
    chosen: Factory = request.param
    return chosen


@pytest.mark.parametrize("chosen", [OracleIndex, ExactIndex, ApproximateIndex])
@pytest.mark.parametrize("dimension", [1, 3, 8, 16, 128, 512])
def test_every_index_keeps_the_contract(chosen: Factory, dimension: int) -> None:
    check_vector_index(chosen, dimension=dimension, seed=dimension)


@pytest.mark.parametrize(("chosen", "dimension"), [(OracleIndex, 3), (ExactIndex, 3), (ExactIndex, 128)])
def test_every_index_keeps_the_contract_with_thousands_of_vectors(chosen: Factory, dimension: int) -> None:
    check_vector_index(chosen, dimension=dimension, seed=7, thorough=True)


@pytest.mark.parametrize("dimension", [1, 3, 8, 16, 128, 512])
def test_an_index_keeps_the_contract_while_codes_answer(dimension: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _codes_everywhere(monkeypatch)
    check_vector_index(CodedIndex, dimension=dimension, seed=dimension, recall=0.99)
    assert bool(asked) == can_code(dimension, 16)


def test_an_index_keeps_the_contract_while_codes_answer_for_thousands_of_vectors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = _codes_everywhere(monkeypatch)
    check_vector_index(CodedIndex, dimension=16, seed=7, thorough=True, recall=0.98)
    assert max(asked) == 600


def _codes_everywhere(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have codes answer also where the exact search would be the better one; counts the queries of each call."""
    monkeypatch.setattr(coded_rows, "_SELECTIVE", 0)
    monkeypatch.setattr(coded_rows, "_SHARE", 1)
    asked: list[int] = []
    take = Candidates.take

    def counted(candidates: Candidates, labels: Ints) -> None:
        asked.append(len(labels))
        take(candidates, labels)

    monkeypatch.setattr(Candidates, "take", counted)
    return asked


@pytest.mark.parametrize("name", ["exact", "auto"])
def test_the_built_in_indexes_are_registered_and_keep_the_protocol(name: str) -> None:
    index = registry.load("facematch.indexes", name)(4)
    assert isinstance(index, VectorIndex)
    assert index.dimension == 4


@pytest.mark.parametrize("dimension", [0, -1, 2.5, "3", True, None])
def test_bad_dimensions_are_refused(factory: Factory, dimension: int) -> None:
    with pytest.raises(VectorIndexError):
        factory(dimension)


@pytest.mark.parametrize("chosen", [OracleIndex, ExactIndex, ApproximateIndex])
def test_a_tie_over_the_boundary_is_settled_by_id_whatever_the_order_of_insertion(chosen: Factory) -> None:
    index = chosen(8)
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


@pytest.mark.parametrize("chosen", [ExactIndex, ApproximateIndex])
def test_every_index_gives_the_very_same_scores(chosen: Factory) -> None:
    vectors, queries = _units(3000, 64), _units(20, 64, seed=1)
    vectors[1500:1600] = vectors[:100]
    ids = np.arange(3000, dtype=np.int64)
    oracle, other = OracleIndex(64), chosen(64)
    oracle.add(ids, vectors)
    other.add(ids, vectors)
    for allowed in (None, ids[::3].copy()):
        for left, right in zip(
            oracle.search(queries, 10, allowed=allowed), other.search(queries, 10, allowed=allowed), strict=True
        ):
            np.testing.assert_array_equal(left, right)


def test_what_is_removed_is_found_no_more(factory: Factory) -> None:
    index = factory(4)
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


@pytest.mark.parametrize("threshold", [0.7, np.float32(0.7), float(np.float32(0.7)), 0.5, 0.5 + 1e-9, 1e300, -1e300])
def test_a_threshold_is_met_to_the_last_bit_of_what_was_given(factory: Factory, threshold: float) -> None:
    index = factory(1)
    scores = np.asarray([0.7, 0.5], dtype=np.float32)
    index.add(_ids(0, 1), scores.reshape(2, 1))
    expected = [place for place, score in enumerate(scores.tolist()) if score >= float(threshold)]
    assert index.search_above(np.ones((1, 1), np.float32), threshold).ids.tolist() == expected


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), "0.5", None, True])
def test_bad_thresholds_are_refused(factory: Factory, threshold: float) -> None:
    with pytest.raises(VectorIndexError, match="threshold"):
        factory(4).search_above(_units(1, 4), threshold)


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


@pytest.mark.parametrize("chosen", [OracleIndex, ExactIndex, ApproximateIndex])
def test_searching_while_another_thread_adds_and_removes(chosen: Factory) -> None:
    index = chosen(8)
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


@pytest.mark.parametrize("ids", [np.asarray([1.9]), np.asarray([[1]]), [1], np.asarray([1], dtype=np.int32)])
def test_vectors_are_given_for_whole_numbers_only(factory: Factory, ids: Any) -> None:
    index = factory(8)
    index.add(_ids(1), _units(1, 8))
    with pytest.raises(VectorIndexError):
        index.vectors(ids)
    assert index.vectors(_ids(1, 1)).shape == (2, 8)
