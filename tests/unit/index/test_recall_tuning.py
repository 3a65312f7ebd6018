from __future__ import annotations

import numpy as np
import pytest

from facematch.index.approximate import ApproximateIndex
from facematch.index.recall_tuning import gallery_probes, measured_recall, rerank_counts, tuned
from facematch.index.rows import Rows
from facematch.index.training import encoded
from tests.unit.index.support import clusters

SIZE, DIMENSION = 2000, 32


def _rows(seed: int = 0) -> Rows:
    vectors = clusters(SIZE, DIMENSION, centers=200, seed=seed)
    return Rows(DIMENSION).adding(np.random.default_rng(1).permutation(SIZE).astype(np.int64), vectors)


@pytest.mark.parametrize("rerank", [2, 6])
def test_the_recall_measured_is_that_of_a_count_by_hand(rerank: int) -> None:
    moment = _rows()
    probes = gallery_probes(moment, 0.4, 700, np.random.default_rng(3))
    vectors = moment.segments[0].vectors.astype(np.float64)
    scores = (vectors @ probes.T.astype(np.float64)).astype(np.float32)
    codes = encoded(moment, fine=True)
    measured = measured_recall(moment, codes, moment.row_numbers(), rerank, (probes, scores.max(axis=0)))
    labels = codes.propose(probes, rerank)
    found = [bool((labels[query] == np.argmax(scores[:, query])).any()) for query in range(700)]
    assert 0 < sum(found) < 700
    assert measured == pytest.approx(sum(found) / 700, abs=2 / 700)  # but for ties and last bits
    asked = (probes, scores.max(axis=0))
    for wanted in (measured, measured + 1e-12, 1.0):  # given up, it is never enough
        again = measured_recall(moment, codes, moment.row_numbers(), rerank, asked, wanted=wanted)
        assert (again >= wanted) == (measured >= wanted)


def test_the_fewest_candidates_that_reach_the_recall_are_taken() -> None:
    moment = _rows()
    found = tuned(moment, recall=0.95, threshold=0.4)
    assert found is not None
    assert found.recall is not None
    assert found.recall >= 0.95
    assert found.probes > SIZE / 2
    assert found.threshold >= 0.4
    fine = found.codes.nbytes > SIZE * DIMENSION // 6
    smaller = [each for each in rerank_counts(fine=fine) if each < found.rerank]
    probes = gallery_probes(moment, found.threshold, 1000, np.random.default_rng(9))
    best = (moment.segments[0].vectors @ probes.T).max(axis=0)
    again = measured_recall(moment, found.codes, moment.row_numbers(), found.rerank, (probes, best - 1e-6))
    assert again >= 0.92
    for rerank in smaller:
        assert measured_recall(moment, found.codes, moment.row_numbers(), rerank, (probes, best - 1e-6)) <= again + 0.01


def test_the_recall_in_the_figures_is_what_other_probes_find_too() -> None:
    vectors = clusters(4000, DIMENSION, centers=400, seed=5)
    index = ApproximateIndex(DIMENSION, exact_below=0, recall=0.97, threshold=0.5, background=False)
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
