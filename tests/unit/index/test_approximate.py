from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from facematch.errors import VectorIndexError
from facematch.index import approximate, coded_rows, recall_tuning
from facematch.index.approximate import ApproximateIndex
from facematch.index.candidates import Candidates
from facematch.index.checks import exact_scores
from facematch.index.recall_tuning import TunedCodes, rerank_counts, tuned
from facematch.testing import OracleIndex
from facematch.types import FloatArray, IdSet
from tests.unit.index.support import clusters, ids_of, normal, units

SIZE = 3000


def _pair(vectors: FloatArray) -> tuple[OracleIndex, ApproximateIndex]:
    oracle = OracleIndex(vectors.shape[1])
    index = ApproximateIndex(vectors.shape[1], exact_below=0, rerank=48, background=False)
    for each in (oracle, index):
        each.add(np.arange(len(vectors), dtype=np.int64), vectors)
    assert index.rebuild()
    assert index.stats().kind == "pq"
    return oracle, index


def _recall(
    oracle: OracleIndex, index: ApproximateIndex, queries: FloatArray, k: int, scope: IdSet | None = None
) -> float:
    """Share of the true results found; whatever is found has the very score that the oracle gives it."""
    scores, ids = index.search(queries, k, allowed=scope)
    right, best = oracle.search(queries, k, allowed=scope)
    for query, own_scores, own_ids in zip(queries, scores, ids, strict=True):
        there = own_ids >= 0
        np.testing.assert_array_equal(own_scores[there], exact_scores(oracle.vectors(own_ids[there]), query))
        assert scope is None or bool(scope.contains(own_ids[there]).all())
    assert bool(((ids >= 0).sum(axis=1) == (best >= 0).sum(axis=1)).all())
    return float((scores >= right[:, -1:]).mean())


def _queries(vectors: FloatArray, count: int = 60) -> FloatArray:
    return normal(vectors[:count] + 0.4 * units(count, vectors.shape[1], 99))


@pytest.fixture
def codes_for_scopes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Codes answer for small scopes too; what they were asked for is written down."""
    monkeypatch.setattr(coded_rows, "_SELECTIVE", 200)
    asked: list[int] = []
    asked_for = Candidates.asked_for

    def counted(candidates: Candidates, wanted: int) -> int:
        asked.append(asked_for(candidates, wanted))
        return asked[-1]

    monkeypatch.setattr(Candidates, "asked_for", counted)
    return asked


@pytest.mark.parametrize("dimension", [32, 128])
def test_codes_find_nearly_everything_and_scores_are_exact(dimension: int, codes_for_scopes: list[int]) -> None:
    vectors = clusters(SIZE, dimension)
    oracle, index = _pair(vectors)
    queries = _queries(vectors)
    half = IdSet(np.arange(0, SIZE, 2, dtype=np.int64))
    assert _recall(oracle, index, queries, 1) >= 0.95
    assert _recall(oracle, index, queries, 10) >= 0.95
    assert _recall(oracle, index, queries, 10, half) >= 0.95
    halved = int(1.1 * (48 + 36) * 2) + 4  # half of what is found is outside
    assert codes_for_scopes == [48, 48 + 36, halved]
    gone = np.arange(0, SIZE, 5, dtype=np.int64)
    new = clusters(100, dimension, seed=4)
    for each in (oracle, index):
        each.remove(gone)
        each.add(gone[:100], new)
    assert _recall(oracle, index, queries, 5) >= 0.95
    assert _recall(oracle, index, queries, 5, half) >= 0.95
    assert index.compact() == gone.size
    assert index.stats().kind == "pq"
    assert _recall(oracle, index, queries, 5) >= 0.95
    assert _recall(oracle, index, queries, 5, half) >= 0.95
    assert index.rebuild()
    assert index.stats().details["rest"] == 0
    assert _recall(oracle, index, queries, 5, half) >= 0.95
    assert _recall(oracle, index, new[:20], 1) == 1.0


def test_everything_above_a_threshold_is_found_through_codes(codes_for_scopes: list[int]) -> None:
    vectors = clusters(SIZE, 32, centers=100, spread=0.6)
    oracle, index = _pair(vectors)
    half = IdSet(np.arange(1, SIZE, 2, dtype=np.int64))
    queries = _queries(vectors, 20)
    codes_for_scopes.clear()
    for scope in (None, half):
        found, right = (each.search_above(queries, 0.6, allowed=scope) for each in (index, oracle))
        inside = [set(found.of(row)[1].tolist()) <= set(right.of(row)[1].tolist()) for row in range(20)]
        assert all(inside)
        assert right.ids.size > 20
        assert found.ids.size >= 0.95 * right.ids.size
        assert bool((found.scores >= 0.6).all())
    assert len(codes_for_scopes) >= 40


def test_removed_neighbors_hide_nobody() -> None:
    """A subject with hundreds of templates goes; who resembles it is still found beside it."""
    vectors = units(SIZE, 32)
    vectors[:310] = normal(vectors[:1] + np.where(np.arange(310) < 300, 0.1, 0.4)[:, None] * units(310, 32, 1))
    oracle, index = _pair(vectors)
    for each in (oracle, index):
        each.remove(np.arange(300, dtype=np.int64))
    for k in (1, 12):
        for found, right in zip(index.search(vectors[:2], k), oracle.search(vectors[:2], k), strict=True):
            np.testing.assert_array_equal(found, right)
    above, right_above = index.search_above(vectors[:2], 0.6), oracle.search_above(vectors[:2], 0.6)
    assert right_above.ids.size >= 20
    np.testing.assert_array_equal(above.ids, right_above.ids)


def test_a_view_keeps_its_moment_through_everything() -> None:
    vectors = clusters(SIZE, 16)
    _, index = _pair(vectors)
    view = index.view()
    expected = [view.search(vectors[:5], k) for k in (1, 5, 1000)]
    index.remove(np.arange(0, SIZE, 2, dtype=np.int64))
    index.compact()
    index.add(ids_of(0, 2, 4), units(3, 16, 5))
    index.rebuild()
    index.remove(np.arange(0, SIZE, dtype=np.int64))
    index.compact()
    for k, (scores, ids) in zip((1, 5, 1000), expected, strict=True):
        np.testing.assert_array_equal(view.search(vectors[:5], k)[0], scores)
        np.testing.assert_array_equal(view.search(vectors[:5], k)[1], ids)
    assert len(view) == SIZE
    np.testing.assert_array_equal(view.vectors(ids_of(4, 0)), vectors[[4, 0]])
    assert len(index) == 0


# --- building


def _blocked(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """A build that has learnt its codes stands still until it is told to go on."""
    reached, go_on = threading.Event(), threading.Event()

    def slow(*args: object, **more: object) -> TunedCodes | None:
        made = tuned(*args, **more)  # type: ignore[arg-type]
        reached.set()
        assert go_on.wait(60)
        return made

    monkeypatch.setattr(approximate, "tuned", slow)
    return reached, go_on


def test_what_changes_during_a_build_is_as_changed_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, other = clusters(SIZE, 16), units(40, 16, 8)
    oracle, index = _pair(vectors)
    for each in (oracle, index):
        each.add(np.arange(SIZE, SIZE + 20, dtype=np.int64), other[:20])
    reached, go_on = _blocked(monkeypatch)
    results: list[bool] = []
    builder = threading.Thread(target=lambda: results.append(index.rebuild()))
    builder.start()
    assert reached.wait(60)
    for each in (oracle, index):
        each.remove(ids_of(0, 1, 2, SIZE, SIZE + 1))  # coded and waiting ones
        each.add(ids_of(1, SIZE, 5000), other[20:23])  # two come back as others, one is new
        each.remove(ids_of(SIZE))
        each.add(ids_of(SIZE), other[30:31])  # and one of them as yet another
        each.remove(ids_of(5000))
    go_on.set()
    builder.join()
    assert results == [True]
    assert len(index) == len(oracle)
    assert index.stats().details["rest"] == 2
    everything = np.concatenate([vectors[:5], other])
    assert _recall(oracle, index, everything, 1) >= 0.98
    for found, right in zip(index.search(everything, SIZE), oracle.search(everything, SIZE), strict=True):
        np.testing.assert_array_equal(found, right)
    for gone in (0, 2, SIZE + 1, 5000):
        with pytest.raises(VectorIndexError):
            index.vectors(ids_of(gone))
    np.testing.assert_array_equal(index.vectors(ids_of(SIZE, 1, 7)), np.stack([other[30], other[20], vectors[7]]))


def test_codes_are_learnt_again_when_people_change_and_their_number_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "_REST", 200)
    index = ApproximateIndex(16, exact_below=500, rerank=32)
    vectors = clusters(4000, 16)
    index.add(np.arange(1000, dtype=np.int64), vectors[:1000])
    assert index.wait(60)
    assert index.stats().details["coded"] == 1000
    for start in range(1000, 4000, 150):
        index.remove(np.arange(start - 1000, start - 850, dtype=np.int64))
        index.add(np.arange(start, start + 150, dtype=np.int64), vectors[start : start + 150])
        assert index.wait(60)
    stats = index.stats()
    assert stats.vectors == 1000
    assert stats.details["rest"] + stats.removed <= 500
    assert stats.total_bytes < 3 * stats.vector_bytes


@pytest.mark.parametrize("compacted", [False, True])
def test_codes_are_learnt_again_when_many_have_gone(compacted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "_REST", 200)
    index = ApproximateIndex(16, exact_below=500, rerank=32)
    index.add(np.arange(2000, dtype=np.int64), clusters(2000, 16))
    assert index.wait(60)
    for start in range(0, 400, 20):
        assert index.remove(np.arange(start, start + 20, dtype=np.int64)) == 20
        if compacted:
            index.compact()
        assert index.wait(60)
    codes = index._state.coded
    assert codes is not None
    assert 1600 <= len(codes.codes) <= 1800  # not the 2,000 of before
    assert index.stats().details["coded"] == 1600


def test_a_build_that_fails_is_not_tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "_REST", 100)
    tried: list[int] = []

    def failing(moment: object, *_: object, **__: object) -> None:
        tried.append(len(moment.ids()))  # type: ignore[attr-defined]

    monkeypatch.setattr(approximate, "tuned", failing)
    index = ApproximateIndex(8, exact_below=0)
    vectors = units(2000, 8)
    for start in range(0, 2000, 20):
        index.add(np.arange(start, start + 20, dtype=np.int64), vectors[start : start + 20])
        assert index.wait(60)
    assert 1 < len(tried) < 40
    assert all(later > 1.1 * earlier for earlier, later in itertools.pairwise(tried))
    assert index.stats().kind == "exact"
    assert "recall" in index.stats().details["not_coded_because"]


def test_an_index_whose_codes_reach_no_recall_goes_on_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []

    def poor(moment: object, codes: object, rows: object, rerank: int, asked: object, *, wanted: float) -> float:
        measured.append(rerank)
        return wanted - 0.0001

    monkeypatch.setattr(recall_tuning, "measured_recall", poor)
    index = ApproximateIndex(16, exact_below=0, background=False)
    vectors = clusters(600, 16)
    index.add(np.arange(600, dtype=np.int64), vectors)
    assert not index.rebuild()
    assert len(measured) > 3
    assert measured == [*rerank_counts(fine=False), *rerank_counts(fine=True)]
    assert index.stats().kind == "exact"
    assert "0.999" in index.stats().details["not_coded_because"]
    assert index.search(vectors[:9], 1)[1][:, 0].tolist() == list(range(9))
    monkeypatch.setattr(recall_tuning, "measured_recall", lambda *_, **__: 0.9999)
    assert index.rebuild()
    assert index.stats().kind == "pq"
    assert "not_coded_because" not in index.stats().details


def test_an_ending_interpreter_stops_a_build_between_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    builders = approximate._Builders()
    monkeypatch.setattr(approximate, "_BUILDERS", builders)
    monkeypatch.setattr(approximate, "_REST", 100)
    started = threading.Event()

    def endless(*_: object, between: object, **__: object) -> None:
        started.set()
        while True:
            between()  # type: ignore[operator]

    monkeypatch.setattr(approximate, "tuned", endless)
    index = ApproximateIndex(8, exact_below=0)
    index.add(np.arange(500, dtype=np.int64), units(500, 8))
    assert started.wait(60)
    assert not index.wait(0)
    builders.end()
    assert index.wait(0)
    assert index.remove(ids_of(3)) == 1
    assert index.search(units(500, 8)[:1], 1)[1].tolist() == [[0]]


def test_removing_goes_on_while_builds_begin_and_end() -> None:
    _, index = _pair(clusters(SIZE, 8))
    failures: list[BaseException] = []
    stop = threading.Event()

    def build() -> None:
        try:
            while not stop.is_set():
                index.rebuild()
        except BaseException as error:  # noqa: BLE001 - the test shows whatever it was
            failures.append(error)

    builder = threading.Thread(target=build)
    builder.start()
    vectors = units(1, 8)
    for number in range(1500):
        index.add(ids_of(10_000 + number), vectors)
        assert index.remove(ids_of(10_000 + number, number)) == 2
    stop.set()
    builder.join()
    assert failures == []
    assert len(index) == SIZE - 1500


@pytest.mark.parametrize("bad", [{"recall": 0.0}, {"recall": 1.1}, {"threshold": float("nan")}, {"rerank": 0}])
def test_arguments_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(VectorIndexError):
        ApproximateIndex(8, **bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("dimension", [1, 3, 7, 9])
def test_vectors_that_cannot_be_coded_are_searched_exactly(dimension: int) -> None:
    index = ApproximateIndex(dimension, exact_below=0, background=False)
    index.add(np.arange(100, dtype=np.int64), units(100, dimension))
    assert not index.rebuild()
    assert index.stats().kind == "exact"
