"""Calibration against known truth: the bound holds as often as it promises, and the rule is the textbook's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from facematch.errors import InvalidArgument, TooFewPeople
from facematch.evaluation.certify import calibrate, certified_threshold
from facematch.evaluation.pictures import EmbeddedPictures
from facematch.matching.subjects import SubjectRule
from facematch.types import FloatArray


def test_the_threshold_is_the_rule_spelt_out() -> None:
    """Against the definition with scipy's beta distribution, one k after the other."""
    tops = np.random.default_rng(3).normal(0.2, 0.1, 700)
    threshold, errors = certified_threshold(tops, 0.02)
    n = len(tops)
    bounds = [stats.beta.ppf(0.95, k + 1, n - k) for k in range(n)]
    expected = max(k for k in range(n) if bounds[k] <= 0.02)
    assert errors == expected == 7
    descending = np.sort(tops)[::-1]
    assert descending[errors] < threshold <= descending[errors - 1]
    assert np.count_nonzero(tops >= threshold) == errors
    assert threshold == np.nextafter(descending[errors], 1)


def test_too_few_people_are_refused_with_the_number_needed() -> None:
    with pytest.raises(TooFewPeople, match="299 are needed"):
        certified_threshold(np.zeros(298), 0.01)
    threshold, errors = certified_threshold(np.linspace(0, 0.5, 299), 0.01)
    assert errors == 0
    assert threshold == np.nextafter(0.5, 1)


def test_over_many_calibrations_the_true_rate_exceeds_the_target_as_rarely_as_promised() -> None:
    """The law of the top scores is known, so the true FPIR of each of 2,000 thresholds is too."""
    law = stats.norm(0.25, 0.08)
    random = np.random.default_rng(20)
    exceeded = 0
    for _ in range(2000):
        threshold, _ = certified_threshold(law.rvs(800, random_state=random), 0.02)
        exceeded += law.sf(threshold) > 0.02
    assert exceeded / 2000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
    assert exceeded / 2000 > 0.01  # and it does not hide behind a needlessly high threshold


def test_ties_keep_the_bound() -> None:
    tops = np.concatenate([np.full(50, 0.4), np.full(400, 0.1)])
    threshold, errors = certified_threshold(tops, 0.05)
    assert np.count_nonzero(tops >= threshold) == 0 <= errors


def test_searches_without_a_face_show_nothing_and_do_not_count() -> None:
    """A folder of pictures without a face would certify any rate at the threshold -1."""
    with pytest.raises(TooFewPeople, match=r"0 people \(100 more had no face found\)"):
        certified_threshold(np.full(100, -np.inf), 0.05)
    tops = np.linspace(0, 0.5, 299)
    assert certified_threshold(np.concatenate([tops, np.full(5000, -np.inf)]), 0.01) == certified_threshold(tops, 0.01)


@pytest.mark.parametrize("highest", [1.0, 1.0000001])
def test_a_stranger_who_scores_as_the_same_picture_leaves_no_threshold(highest: float) -> None:
    with pytest.raises(InvalidArgument, match="no threshold lies above"):
        certified_threshold(np.append(np.linspace(0, 0.5, 298), highest), 0.01)


def pictures_of(embeddings: FloatArray, found: bool = True) -> EmbeddedPictures:
    n = len(embeddings)
    return EmbeddedPictures(
        names=tuple(f"p{i}" for i in range(n)),
        digests=tuple(f"{i:064x}" for i in range(n)),
        embeddings=embeddings,
        found=np.full(n, found),
        boxes=np.zeros((n, 4), np.float32),
        landmarks=np.zeros((n, 5, 2), np.float32),
        detection_scores=np.ones(n, np.float32),
        sizes=np.ones((n, 2), np.int64),
        unreadable=(),
        contract="ab" * 32,
        cached=0,
    )


def crowd(people: int, each: int, seed: int) -> tuple[EmbeddedPictures, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """People as random directions, pictures as noisy copies."""
    random = np.random.default_rng(seed)
    centers = random.normal(size=(people, 32))
    vectors = np.repeat(centers, each, axis=0) + random.normal(scale=0.5, size=(people * each, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return pictures_of(vectors.astype(np.float32)), np.repeat(np.arange(people), each)


def test_a_calibration_holds_on_people_it_never_saw() -> None:
    pictures, people = crowd(900, 4, seed=1)
    run = calibrate(
        pictures, people, target_fpir=0.05, gallery_size=100, templates=3, models="m", data="synthetic", seed=5
    )
    artifact = run.calibration
    assert (artifact.people, artifact.gallery_size, artifact.templates) == (800, 100, 3)
    assert artifact.fpir_upper <= 0.05
    assert run.fpir == artifact.errors / 800
    assert run.mated_people == 100
    others, other_people = crowd(1100, 4, seed=2)
    centers = others.embeddings.reshape(1100, 4, 32)
    gallery = centers[:100, :3].reshape(-1, 32)
    tops = (centers[100:, 0] @ gallery.T).max(axis=1)
    measured = np.mean(tops >= artifact.threshold)
    assert measured <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
    assert other_people.size == 4400


def test_more_templates_raise_the_threshold_that_is_needed() -> None:
    pictures, people = crowd(700, 6, seed=9)
    thresholds = [
        calibrate(
            pictures, people, target_fpir=0.05, gallery_size=100, templates=k, models="m", data="d"
        ).calibration.threshold
        for k in (1, 5)
    ]
    assert thresholds[1] > thresholds[0] + 0.01


def test_the_same_draw_gives_the_same_artifact_and_another_seed_another() -> None:
    pictures, people = crowd(300, 3, seed=4)

    def digest(seed: int) -> str:
        rule = SubjectRule.parse("mean_template")
        run = calibrate(pictures, people, target_fpir=0.1, gallery_size=50, rule=rule, models="m", data="d", seed=seed)
        return run.calibration.data_digest

    assert digest(1) == digest(1) != digest(2)


def test_a_gallery_that_leaves_too_few_people_is_refused() -> None:
    pictures, people = crowd(120, 3, seed=4)
    with pytest.raises(TooFewPeople, match="20 people cannot certify"):
        calibrate(pictures, people, target_fpir=0.01, gallery_size=100, models="m", data="d")
    with pytest.raises(InvalidArgument, match="too large"):
        calibrate(pictures, people, target_fpir=0.5, gallery_size=120, models="m", data="d")


def test_people_without_a_face_do_not_count_as_searched() -> None:
    pictures, people = crowd(300, 3, seed=4)
    faceless = people >= 220
    unseen = dataclasses.replace(pictures, found=~faceless)
    run = calibrate(unseen, people, target_fpir=0.1, gallery_size=50, models="m", data="d")
    assert run.calibration.people == 170
    assert run.fpir == run.calibration.errors / 170
    with pytest.raises(TooFewPeople, match="80 more had no face"):
        calibrate(unseen, people, target_fpir=0.01, gallery_size=50, models="m", data="d")


def test_the_artifact_names_the_rule_that_it_was_measured_with_and_galleries_are_filled_up() -> None:
    pictures, people = crowd(300, 2, seed=4)
    keep = np.ones(600, dtype=bool)
    keep[1:300:2] = False  # half of the people have one picture, and no mated probe
    thin = pictures_of(pictures.embeddings[keep])
    run = calibrate(
        thin,
        people[keep],
        target_fpir=0.1,
        gallery_size=200,
        rule=SubjectRule.parse("mean_top_2"),
        models="m",
        data="d",
    )
    assert (run.calibration.rule, run.calibration.gallery_size) == ("mean_top_2", 200)
    assert run.mated_people == 150
