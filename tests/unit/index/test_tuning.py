from __future__ import annotations

import numpy as np
import pytest

from facematch.errors import VectorIndexError
from facematch.index.approximate import ApproximateIndex
from facematch.index.coarse import KINDS, Coarse, CoarseKind, Effort, can_code
from facematch.index.fastscan import Scanned
from facematch.index.learning import coded, learn
from facematch.index.rows import Rows
from facematch.index.tuning import efforts, gallery_probes, measured_recall, tuned
from facematch.types import FloatArray
from tests.unit.index.support import clusters, units

SIZE, DIMENSION = 2000, 32


def _rows(seed: int = 0) -> Rows:
    vectors = clusters(SIZE, DIMENSION, centers=200, seed=seed)
    return Rows(DIMENSION).adding(np.random.default_rng(1).permutation(SIZE).astype(np.int64), vectors)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("effort", [Effort(1, 2), Effort(2, 6)])
def test_the_recall_measured_is_that_of_a_count_by_hand(kind: CoarseKind, effort: Effort) -> None:
    moment = _rows()
    probes = gallery_probes(moment, 0.4, 700, np.random.default_rng(3))
    vectors = moment.segments[0].vectors.astype(np.float64)
    scores = (vectors @ probes.T.astype(np.float64)).astype(np.float32)
    codes = coded(moment, kind, fine=True)
    measured = measured_recall(moment, codes, moment.row_numbers(), effort, (probes, scores.max(axis=0)))
    labels = codes.propose(probes, effort.rerank, effort)
    found = [bool((labels[query] == np.argmax(scores[:, query])).any()) for query in range(700)]
    assert 0 < sum(found) < 700
    assert measured == pytest.approx(sum(found) / 700, abs=2 / 700)  # but for ties and last bits
    asked = (probes, scores.max(axis=0))
    for wanted in (measured, measured + 1e-12, 1.0):  # given up, it is never enough
        again = measured_recall(moment, codes, moment.row_numbers(), effort, asked, wanted=wanted)
        assert (again >= wanted) == (measured >= wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_effort_that_reaches_the_recall_is_taken(kind: CoarseKind) -> None:
    moment = _rows()
    found = tuned(moment, kind, recall=0.95, threshold=0.4)
    assert found is not None
    assert found.recall is not None
    assert found.recall >= 0.95
    assert found.probes > SIZE / 2
    assert found.threshold >= 0.4
    fine = kind != "pq" or found.codes.nbytes > SIZE * DIMENSION // 6
    smaller = [each for each in efforts(found.codes, fine=fine) if each < found.effort]
    probes = gallery_probes(moment, found.threshold, 1000, np.random.default_rng(9))
    best = (moment.segments[0].vectors @ probes.T).max(axis=0)
    again = measured_recall(moment, found.codes, moment.row_numbers(), found.effort, (probes, best - 1e-6))
    assert again >= 0.92
    for effort in smaller:
        assert measured_recall(moment, found.codes, moment.row_numbers(), effort, (probes, best - 1e-6)) <= again + 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_the_recall_in_the_figures_is_what_other_probes_find_too(kind: CoarseKind) -> None:
    vectors = clusters(4000, DIMENSION, centers=400, seed=5)
    index = ApproximateIndex(DIMENSION, kind=kind, exact_below=0, recall=0.97, threshold=0.5, background=False)
    index.add(np.arange(4000, dtype=np.int64), vectors)
    assert index.rebuild()
    details = index.stats().details
    assert details["recall_at_1"] >= 0.97
    moment = Rows(DIMENSION).adding(np.arange(4000, dtype=np.int64), vectors)
    probes = gallery_probes(moment, details["recall_above"], 1500, np.random.default_rng(77))
    truth = vectors.astype(np.float64) @ probes.T.astype(np.float64)
    found = index.search(probes, 1)[1][:, 0]
    hits = truth[found, np.arange(1500)] >= truth.max(axis=0) - 1e-7
    counted = truth.max(axis=0) >= details["recall_above"]
    assert counted.sum() > 700
    assert hits[counted].mean() >= details["recall_at_1"] - 0.02


def test_probes_lie_between_the_threshold_and_half_its_angle() -> None:
    moment = _rows()
    probes = gallery_probes(moment, 0.5, 400, np.random.default_rng(4))
    np.testing.assert_allclose(np.linalg.norm(probes, axis=1), 1.0, atol=1e-6)
    best = (moment.segments[0].vectors @ probes.T).max(axis=0)
    assert float(best.min()) >= 0.5 - 1e-6
    assert float(np.median(best)) < float(np.cos(0.75 * np.arccos(0.5))) + 0.05


def test_a_graph_can_only_be_made_anew() -> None:
    assert coded(_rows(), "hnsw").without(np.arange(3)) is None


def _decoded(codes: Scanned) -> FloatArray:
    return np.concatenate([[index.reconstruct(n) for n in range(index.ntotal)] for index in codes._indexes])


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("fine", [False, True])
def test_scanned_codes_that_are_taken_out_are_overwritten_and_no_others(parts: int, fine: bool) -> None:
    vectors = units(1003, DIMENSION)
    codes = Scanned.learn(vectors, 1003, parts, fine=fine)
    for start in range(0, 1003, 100):  # over the bounds of parts
        codes.add(vectors[start : start + 100])
    assert (len(codes), codes.parts) == (1003, parts)
    before = _decoded(codes)
    np.testing.assert_allclose((before * vectors).sum(axis=1).mean(), 0.8, atol=0.15)  # each in its own place
    labels = np.array([1002, 0, 31, 32, 334, 335, 336, 670], dtype=np.int64)
    after = _decoded(codes.without(labels))
    kept = np.setdiff1d(np.arange(1003), labels)
    np.testing.assert_array_equal(after[kept], before[kept])
    assert (after[labels] != before[labels]).any(axis=1).all()
    np.testing.assert_array_equal(
        _decoded(codes), before
    )  # whoever still searches the old ones finds them as they were


def test_every_part_proposes_its_own_labels() -> None:
    vectors = units(1003, DIMENSION)
    one, three = (Scanned.learn(vectors, 1003, parts, fine=True) for parts in (1, 3))
    for codes in (one, three):
        codes.add(vectors)
    effort = Effort(1, 30)
    for part in range(3):
        labels = three.propose_in(part, vectors[part * 335 : part * 335 + 20], 5, effort)
        np.testing.assert_array_equal(labels[:, 0], part * 335 + np.arange(20))
    proposed = three.propose(vectors[:50], 30, effort)
    assert proposed.shape == (50, 30)
    everything = three.propose(vectors[:9], 1003, effort)
    np.testing.assert_array_equal([np.unique(row[row >= 0]).size for row in everything], 1003)
    best = one.propose(vectors[:50], 10, effort)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(best.tolist(), proposed.tolist(), strict=True)]) > 9


def test_lists_that_something_is_taken_out_of_propose_it_no_more() -> None:
    moment = _rows()
    codes = coded(moment, "ivf")
    labels = np.arange(0, SIZE, 3, dtype=np.int64)
    less = codes.without(labels)
    assert less is not None
    assert (len(less), len(codes)) == (SIZE - labels.size, SIZE)
    queries = moment.segments[0].vectors[:40]
    proposed = less.propose(queries, 100, Effort(1000, 1))
    assert set(proposed.ravel().tolist()).isdisjoint(labels.tolist())
    before = codes.propose(queries, SIZE, Effort(1000, 1))
    kept = [[label for label in row.tolist() if label % 3][:20] for row in before]
    assert (
        float(np.mean([len(set(row[:20].tolist()) & set(own)) for row, own in zip(proposed, kept, strict=True)])) > 18
    )


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_a_selector_leaves_out_what_a_scope_leaves_out(kind: CoarseKind) -> None:
    moment = _rows()
    codes = coded(moment, kind)
    inside = np.random.default_rng(5).random(SIZE) < 0.5
    proposed = codes.propose(moment.segments[0].vectors[:30], 50, Effort(1000, 1), Coarse.selector(inside))
    assert bool(inside[proposed[proposed >= 0]].all())
    assert (proposed >= 0).mean() > 0.95


def test_what_cannot_be_coded_is_refused() -> None:
    assert [can_code(dimension, 16) for dimension in (6, 8, 9, 10, 128)] == [False, True, False, True, True]
    assert not can_code(128, 15)
    with pytest.raises(VectorIndexError, match="cannot be coded"):
        learn("pq", units(15, 16), 15)
