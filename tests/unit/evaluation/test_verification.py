"""Verification figures against hand-made cases and a brute-force count."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import auc, roc_curve

from facematch.errors import InvalidArgument
from facematch.evaluation import evaluate_lfw
from facematch.evaluation.lfw import read_pairs
from facematch.evaluation.verification import (
    accuracy,
    best_threshold,
    det_curve,
    fmr,
    fnmr,
    fold_accuracies,
    pairwise_histogram,
)
from facematch.faces import FaceAnalyzer
from facematch.types import Image


def test_rates_by_hand() -> None:
    mated, non_mated = np.array([0.9, 0.6, 0.4]), np.array([0.5, 0.4, 0.1, 0.0])
    thresholds = np.array([-1, 0.1, 0.4, 0.41, 0.6, 1])
    np.testing.assert_allclose(fmr(non_mated, thresholds), [1, 0.75, 0.5, 0.25, 0, 0])
    np.testing.assert_allclose(fnmr(mated, thresholds), [0, 0, 0, 1 / 3, 1 / 3, 1])
    assert accuracy(np.concatenate([mated, non_mated]), np.arange(7) < 3, 0.45) == pytest.approx(5 / 7)
    curve = det_curve(mated, non_mated)
    np.testing.assert_allclose(curve.thresholds, [np.inf, 0.9, 0.6, 0.5, 0.4, 0.1, 0.0])
    assert curve.auc == pytest.approx((4 + 4 + 2.5) / 12)  # pairs won, the tie at 0.4 counting half
    assert (curve.tpr_at_fmr(0), curve.tpr_at_fmr(0.3), curve.tpr_at_fmr(0.5)) == pytest.approx((2 / 3, 2 / 3, 1))
    assert (curve.threshold_at_fmr(0.5), curve.threshold_at_fmr(0.3)) == (0.4, 0.5)


def test_the_curve_equals_scikit_learns() -> None:
    rng = np.random.default_rng(3)
    same = rng.random(6000) < 0.5
    scores = np.round(np.where(same, rng.normal(0.5, 0.2, 6000), rng.normal(0.1, 0.2, 6000)), 2)  # with many ties
    began = time.process_time()
    curve = det_curve(scores[same], scores[~same])
    eer, area = curve.eer, curve.auc
    assert time.process_time() - began < 0.1
    fpr, tpr, thresholds = roc_curve(same, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.fmr, fpr)
    np.testing.assert_allclose(1 - curve.fnmr, tpr)
    np.testing.assert_array_equal(curve.thresholds, thresholds)
    assert area == pytest.approx(auc(fpr, tpr), abs=1e-12)
    grid = np.linspace(0, 1, 2_000_001)
    meeting = grid[np.argmin(np.abs(1 - np.interp(grid, fpr, tpr) - grid))]
    assert eer == pytest.approx(meeting, abs=1e-6)


@pytest.mark.parametrize(("mated", "non_mated", "eer"), [([0.8, 0.9], [0.1, 0.2], 0.0), ([0.1], [0.9], 1.0)])
def test_the_eer_of_separated_scores(mated: list[float], non_mated: list[float], eer: float) -> None:
    assert det_curve(np.array(mated), np.array(non_mated)).eer == eer


def test_scores_that_are_missing_or_no_numbers_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least one mated"):
        det_curve(np.empty(0), np.ones(1))
    with pytest.raises(InvalidArgument, match="must be numbers"):
        det_curve(np.array([np.nan]), np.ones(1))


def test_separable_scores_are_all_right_in_every_fold() -> None:
    scores = np.array([0.9, 0.8, 0.1, 0.0] * 3)
    same = np.array([True, True, False, False] * 3)
    assert 0.1 < best_threshold(scores, same) <= 0.8
    np.testing.assert_array_equal(fold_accuracies(scores, same, np.repeat([0, 1, 2], 4)), [1, 1, 1])


def test_a_fold_is_judged_by_the_others_threshold() -> None:
    scores = np.array([0.9, 0.8, 0.9, 0.8, 0.5, 0.4])
    same = np.array([True, False, True, False, True, False])
    accuracies = fold_accuracies(scores, same, np.array([0, 0, 1, 1, 2, 2]))
    assert accuracies[2] == 0.5  # the other folds' best threshold is above 0.8, and misses the pair at 0.5


def test_best_threshold_equals_a_scan_of_the_grid() -> None:
    rng = np.random.default_rng(5)
    same = rng.random(500) < 0.5
    scores = np.where(same, rng.normal(0.5, 0.2, 500), rng.normal(0.1, 0.2, 500))
    grid = np.arange(-100, 100) / 100
    accuracies = [np.mean((scores >= threshold) == same) for threshold in grid]
    assert best_threshold(scores, same) == grid[int(np.argmax(accuracies))]


def test_pairwise_counts_equal_brute_force() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(700, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    people = rng.integers(0, 60, 700)
    histogram = pairwise_histogram(vectors, people, bins=200)
    first, second = np.triu_indices(700, k=1)
    scores = (vectors @ vectors.T)[first, second]
    mated = people[first] == people[second]
    assert histogram.mated.sum() == mated.sum()
    assert histogram.non_mated.sum() == (~mated).sum()
    threshold = histogram.threshold_at_fmr(0.01)
    fmr, fnmr = histogram.rates_at(threshold)
    assert fmr == pytest.approx(np.mean(scores[~mated] >= threshold), abs=1e-5)
    assert fnmr == pytest.approx(np.mean(scores[mated] < threshold), abs=1e-5)
    assert fmr <= 0.01 < histogram.rates_at(threshold - 0.01)[0]


def test_an_fmr_finer_than_the_data_is_refused() -> None:
    histogram = pairwise_histogram(np.eye(4, dtype=np.float32), np.arange(4))
    with pytest.raises(InvalidArgument, match="cannot be measured"):
        histogram.threshold_at_fmr(0.1)


def test_fold_arguments_are_checked() -> None:
    with pytest.raises(InvalidArgument, match="equally many"):
        fold_accuracies(np.zeros(3), np.zeros(2, bool), np.zeros(3, int))
    with pytest.raises(InvalidArgument, match="two folds"):
        fold_accuracies(np.zeros(3), np.zeros(3, bool), np.zeros(3, int))


@pytest.mark.parametrize("text", ["", "10\t300\n", "1\t1\nA\t1\t2\n", "nonsense"])
def test_files_that_are_no_pairs_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(InvalidArgument):
        read_pairs(path)


def test_the_protocol_runs_on_a_small_folder(
    tmp_path: Path, analyzer: FaceAnalyzer, group: Image, astronaut: Image
) -> None:
    """Three people, two pictures each: two folds of two mated and two non-mated pairs."""
    (faces,) = analyzer.detect([group])
    people = {"Ann": faces[0], "Ben": faces[4]}
    for name, face in people.items():
        (tmp_path / name).mkdir()
        box = face.box.expanded(0.4).clipped(group.shape[1], group.shape[0])
        crop = np.ascontiguousarray(group[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)])
        cv2.imwrite(str(tmp_path / name / f"{name}_0001.jpg"), crop)
        cv2.imwrite(str(tmp_path / name / f"{name}_0002.jpg"), np.ascontiguousarray(crop[:, ::-1]))
    (tmp_path / "Eve").mkdir()
    cv2.imwrite(str(tmp_path / "Eve" / "Eve_0001.jpg"), astronaut)
    cv2.imwrite(str(tmp_path / "Eve" / "Eve_0002.jpg"), (astronaut * 0.5).astype(np.uint8))
    fold = "Ann\t1\t2\nBen\t1\t2\nAnn\t1\tBen\t1\nBen\t2\tEve\t1\n"
    (tmp_path / "pairs.txt").write_text("2\t2\n" + fold + fold.replace("Ben\t1\t2", "Eve\t1\t2"), "utf-8")
    calls: list[tuple[int, int | None]] = []
    result = evaluate_lfw(analyzer, tmp_path, tmp_path / "pairs.txt", progress=lambda n, t: calls.append((n, t)))
    assert calls == [(6, 6)]
    assert (result.accuracy, result.n_pairs, result.n_images, result.n_people) == (1.0, 8, 6, 3)
    assert result.n_non_mated == 12
    assert result.thresholds == {}  # twelve non-mated pairs show no FMR of 1 %
