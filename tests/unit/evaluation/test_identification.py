"""Identification figures against hand-made tables and a brute-force search that holds the matrix."""

from __future__ import annotations

import time

import numpy as np
import pytest

from facematch.errors import InvalidArgument
from facematch.evaluation.identification import (
    SearchScores,
    concatenated,
    dir_at_fpir,
    dir_at_fpir_interval,
    fnir,
    fpir,
    rank_rate,
    search,
    threshold_at_fpir,
)
from facematch.matching.subjects import SubjectGallery, SubjectRule
from facematch.types import FloatArray

INF = np.inf


def unit(count: int, dimension: int, seed: int) -> FloatArray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    normalized: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normalized


@pytest.fixture
def table() -> SearchScores:
    """Four mated searches (the last without a face) and five non-mated ones, by hand."""
    return SearchScores(
        mate=np.array([0.9, 0.5, 0.3, -INF, *[-INF] * 5]),
        other=np.array([0.2, 0.6, 0.1, -INF, 0.1, 0.2, 0.4, 0.4, 0.7]),
        rank=np.array([1, 2, 1, 11, 0, 0, 0, 0, 0]),
        people=np.arange(9),
        gallery_size=10,
    )


def test_fpir_by_hand(table: SearchScores) -> None:
    np.testing.assert_allclose(fpir(table, np.array([0.0, 0.2, 0.4, 0.41, 0.7, 0.71])), [1, 0.8, 0.6, 0.2, 0.2, 0])
    assert float(fpir(table, 0.4)) == pytest.approx(0.6)


def test_fnir_by_hand(table: SearchScores) -> None:
    np.testing.assert_allclose(fnir(table, np.array([0.0, 0.3, 0.31, 0.9, 0.91])), [0.5, 0.5, 0.75, 0.75, 1])
    np.testing.assert_allclose(fnir(table, np.array([0.0, 0.5, 0.51]), rank=2), [0.25, 0.5, 0.75])
    np.testing.assert_allclose(fnir(table, np.array([0.0, 0.5]), rank=None), [0.25, 0.5])


def test_rank_rates_by_hand(table: SearchScores) -> None:
    assert [rank_rate(table, rank) for rank in (1, 2, 10)] == [0.5, 0.75, 0.75]


def test_dir_at_fpir_by_hand(table: SearchScores) -> None:
    rate, threshold = dir_at_fpir(table, 0.2)  # one of five may be above: just above the second highest, 0.4
    assert threshold == np.nextafter(0.4, 1)
    assert rate == 0.25
    assert float(fpir(table, threshold)) == pytest.approx(0.2)
    rate, threshold = dir_at_fpir(table, 0.1)
    assert (rate, threshold) == (0.25, np.nextafter(0.7, 1))
    assert float(fpir(table, threshold)) == 0
    with pytest.raises(InvalidArgument):
        threshold_at_fpir(table, 0.0)


@pytest.mark.parametrize("rule", ["max", "mean_template", "mean_top_2", "mean_top_3", "mean_top_9"])
def test_subject_rules_equal_their_definition(rule: str) -> None:
    random = np.random.default_rng(2)
    templates, probes = unit(90, 8, 1), unit(40, 8, 2)
    subjects = random.integers(0, 30, 90) * 7
    gallery = SubjectGallery(templates, subjects, SubjectRule.parse(rule))
    assert str(gallery.rule) == rule
    expected = np.empty((40, len(gallery)))
    for column, subject in enumerate(gallery.subjects):
        own = templates[subjects == subject].astype(np.float64)
        scores = np.sort(probes @ own.T, axis=1)[:, ::-1]
        if rule == "max":
            expected[:, column] = scores[:, 0]
        elif rule == "mean_template":
            mean = own.mean(axis=0)
            expected[:, column] = probes @ (mean / np.linalg.norm(mean))
        else:
            expected[:, column] = scores[:, : int(rule[-1])].mean(axis=1)
    np.testing.assert_allclose(gallery.scores(probes), expected, atol=1e-6)


@pytest.mark.parametrize(("kind", "top"), [("median", 1), ("max", 2), ("mean_top", 0)])
def test_unknown_rules_are_refused(kind: str, top: int) -> None:
    with pytest.raises(InvalidArgument):
        SubjectRule(kind, top)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument):
        SubjectRule.parse("mean_top_x")


def test_a_search_in_blocks_equals_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facematch.matching.subjects._BLOCK_BYTES", 4 * 120 * 7)  # seven probes a block
    random = np.random.default_rng(9)
    gallery = SubjectGallery(unit(120, 6, 3), np.repeat(np.arange(60), 2))
    probes, people, found = unit(200, 6, 4), random.integers(0, 90, 200), random.random(200) < 0.9
    result = search(gallery, probes, people, found=found)
    matrix = gallery.scores(probes)
    for row in range(200):
        mated = people[row] < 60
        assert result.mated[row] == mated
        if not found[row]:
            assert (result.mate[row], result.other[row]) == (-INF, -INF)
            assert result.rank[row] == (61 if mated else 0)
            continue
        own = matrix[row, people[row]] if mated else -INF
        others = np.delete(matrix[row], people[row]) if mated else matrix[row]
        assert result.mate[row] == pytest.approx(own, abs=1e-6)
        assert result.other[row] == pytest.approx(others.max(), abs=1e-6)
        assert result.rank[row] == (1 + np.sum(others > own) if mated else 0)


def test_equal_scores_of_others_come_before_the_mate() -> None:
    twice = np.array([[1, 0], [1, 0]], dtype=np.float32)
    result = search(SubjectGallery(twice, np.array([4, 8])), twice[:1], np.array([8]))
    assert (result.rank[0], result.mate[0], result.other[0]) == (2, 1.0, 1.0)


def test_a_gallery_of_one_has_nobody_else() -> None:
    result = search(SubjectGallery(unit(1, 4, 0), np.array([5])), unit(1, 4, 0), np.array([5]))
    assert (result.rank[0], result.other[0]) == (1, -INF)
    with pytest.raises(InvalidArgument, match="non-mated"):
        fpir(result, 0.5)


def test_intervals_of_dir_cover_the_truth() -> None:
    """Known truth: mated scores N(2, 1), non-mated tops N(0, 1), a threshold at FPIR 10 %, one probe a person."""
    from scipy import stats

    truth = stats.norm.sf(stats.norm.isf(0.1) - 2)
    random = np.random.default_rng(8)
    covered = 0
    for _ in range(120):
        mate = np.concatenate([random.normal(2, 1, 150), np.full(300, -INF)])
        other = np.concatenate([np.full(150, -INF), random.normal(0, 1, 300)])
        draw = SearchScores(mate, other, np.repeat([1, 0], [150, 300]), np.arange(450), 1)
        covered += truth in dir_at_fpir_interval([draw], 0.1, replicates=200)
    assert 0.88 <= covered / 120 <= 1.0


def test_the_interval_holds_the_estimate_over_draws(table: SearchScores) -> None:
    assert dir_at_fpir(table, 0.2)[0] in dir_at_fpir_interval([table, table], 0.2, replicates=300)


def test_searches_are_joined_and_selected(table: SearchScores) -> None:
    twice = concatenated([table, table])
    assert len(twice.rank) == 18
    assert float(fpir(twice, 0.4)) == float(fpir(table, 0.4))
    assert rank_rate(table.select(table.mate > 0.8)) == 1.0
    with pytest.raises(InvalidArgument):
        concatenated([])


def test_ten_thousand_subjects_are_searched_without_the_matrix() -> None:
    """2,000 x 10,000: the full sizes scale from here; memory is bounded by the block."""
    gallery = SubjectGallery(unit(10_000, 64, 1), np.arange(10_000))
    assert gallery.block * 10_000 * 4 <= 64 << 20
    began = time.process_time()
    result = search(gallery, unit(2_000, 64, 2), np.arange(9_000, 11_000))
    assert time.process_time() - began < 20
    assert int(result.mated.sum()) == 1_000


def test_arguments_are_checked() -> None:
    with pytest.raises(InvalidArgument):
        SubjectGallery(unit(3, 4, 0), np.arange(2))
    with pytest.raises(InvalidArgument):
        search(SubjectGallery(unit(3, 4, 0), np.arange(3)), unit(3, 4, 0), np.arange(2))
