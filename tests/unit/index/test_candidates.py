from __future__ import annotations

import threading

import numpy as np
import pytest

from facematch.index import candidates, coded_rows, pair_scores, rows, scan, training
from facematch.index.approximate import ApproximateIndex
from facematch.index.codebook import ProductCodes
from facematch.index.pair_scores import pair_products
from facematch.index.rows import Rows
from facematch.index.scan import scan_best
from facematch.testing import OracleIndex
from facematch.types import FloatArray, IdSet
from tests.unit.index.support import Ints, clusters, normal, units

SIZE, DIMENSION = 3000, 32


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> ApproximateIndex:
    """Codes in four parts over seven segments, some vectors removed, some not coded."""
    for module in (rows, scan):
        monkeypatch.setattr(module, "segment_rows", lambda _: 512)
    monkeypatch.setattr(training, "_A_PART", 700)
    monkeypatch.setattr(training, "helpers", lambda: 7)
    monkeypatch.setattr(coded_rows, "_SELECTIVE", 100)
    made = ApproximateIndex(DIMENSION, exact_below=0, rerank=160, background=False)
    made.add(np.arange(SIZE, dtype=np.int64) * 3, clusters(SIZE, DIMENSION))
    assert made.rebuild()
    made.remove(np.arange(0, 3 * SIZE, 51, dtype=np.int64))
    made.add(np.arange(40, dtype=np.int64) * 3 + 1, units(40, DIMENSION, 5))
    codes = made._state.coded
    assert codes is not None
    assert codes.codes.parts == 4
    return made


def _oracle(index: ApproximateIndex) -> OracleIndex:
    oracle = OracleIndex(DIMENSION)
    state = index._state
    for moment in (state.main, state.rest):
        oracle.add(moment.ids(), moment.take(moment.find(moment.ids())))
    return oracle


def _queries(count: int) -> FloatArray:
    return normal(clusters(SIZE, DIMENSION)[:count] + 0.4 * units(count, DIMENSION, 99))


SCOPES = {
    "all": None,
    "half": IdSet(np.arange(0, 3 * SIZE, 6, dtype=np.int64)),
    "tenth": IdSet(np.arange(3, 3 * SIZE, 30, dtype=np.int64)),
}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("k", [1, 7])
def test_little_and_much_work_give_the_same_answers(
    index: ApproximateIndex, scope: str, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = _queries(50)
    at_once = index.search(queries, k, allowed=SCOPES[scope])
    monkeypatch.setattr(candidates, "_KEPT", 0)
    monkeypatch.setattr(pair_scores, "_PAIRS", 37)
    shared = index.search(queries, k, allowed=SCOPES[scope])
    single = [index.search(query[None], k, allowed=SCOPES[scope]) for query in queries]
    for one, other, alone in zip(at_once, shared, zip(*single, strict=True), strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, np.concatenate(alone))
    right = _oracle(index).search(queries, k, allowed=SCOPES[scope])
    assert (at_once[0] >= right[0][:, -1:]).mean() > 0.97
    same = at_once[1] == right[1]
    assert same.mean() > 0.95
    np.testing.assert_array_equal(at_once[0][same], right[0][same])


def test_many_threads_get_what_one_gets(index: ApproximateIndex) -> None:
    queries = _queries(200)
    right = index.search(queries, 3)
    found: dict[int, list[Ints]] = {}

    def work(number: int) -> None:
        found[number] = [index.search(query[None], 3)[1][0] for query in queries]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    for own in found.values():
        np.testing.assert_array_equal(np.stack(own), right[1])


def test_nobody_is_searched_exactly_only_because_of_a_removal_elsewhere(
    index: ApproximateIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []

    def counted(moment: Rows, queries: FloatArray, k: int, scope: IdSet | None) -> tuple[FloatArray, Ints]:
        if moment.size > SIZE / 2:
            searched.append(len(queries))
        return scan_best(moment, queries, k, scope)

    monkeypatch.setattr(coded_rows, "scan_best", counted)
    index.search(_queries(200), 3)
    index.search(_queries(200), 3, allowed=SCOPES["half"])
    assert sum(searched) < 40


def test_what_was_compacted_away_is_proposed_no_more(index: ApproximateIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = np.arange(3, 3 * SIZE, 6, dtype=np.int64)[:400]
    vectors = index.vectors(np.setdiff1d(gone, np.arange(0, 3 * SIZE, 51)))
    index.remove(gone)
    index.compact()
    labels: list[Ints] = []
    propose = ProductCodes.propose_in

    def counted(codes: ProductCodes, part: int, queries: FloatArray, count: int) -> Ints:
        proposed = propose(codes, part, queries, count)
        labels.append(proposed.ravel())
        return proposed

    monkeypatch.setattr(ProductCodes, "propose_in", counted)
    numbers = index._state.rows
    for vector in vectors[:50]:
        labels.clear()
        index.search(vector[None], 1)
        proposed = np.concatenate(labels)
        assert proposed.size >= 160
        assert (numbers[proposed] < 0).mean() < 0.5
        assert set(index.search(vector[None], 5)[1][0].tolist()).isdisjoint(gone.tolist())


@pytest.mark.parametrize("dimension", [1, 8, 128])
def test_products_are_those_of_each_pair(dimension: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "segment_rows", lambda _: 64)
    monkeypatch.setattr(pair_scores, "_PAIRS", 29)
    vectors = units(300, dimension)
    moment = Rows(dimension).adding(np.arange(300, dtype=np.int64) + 7, vectors)
    wanted = np.random.default_rng(2).integers(-1, 300, size=(5, 40))
    for queries, own in ((units(5, dimension, 9), wanted), (units(1, dimension, 9), wanted[:1])):
        found = pair_products(moment, queries, own)
        right = np.einsum("qpd,qd->qp", vectors[own].astype(np.float64), queries.astype(np.float64))
        np.testing.assert_array_equal(np.isneginf(found), own < 0)
        np.testing.assert_allclose(found[own >= 0], right[own >= 0], atol=1e-6)
    in_order = np.sort(wanted.ravel())
    taken, ids = moment.take_with_ids(in_order)
    np.testing.assert_array_equal(taken, moment.take_in_runs(in_order))
    there = in_order >= 0
    np.testing.assert_array_equal(ids[there], in_order[there] + 7)
    np.testing.assert_array_equal(taken[there], vectors[in_order[there]])
    assert (ids[~there] == -1).all()
    assert not taken[~there].any()
