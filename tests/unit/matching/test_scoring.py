from __future__ import annotations

import numpy as np
import pytest

from facematch.matching import best_subjects, places_for, ranked_subjects


def _best(scores: list[float], ids: list[int], subjects: list[int], top_k: int, threshold: float) -> object:
    return best_subjects(
        np.asarray(scores, dtype=np.float32),
        np.asarray(ids, dtype=np.int64),
        subjects,
        top_k=top_k,
        threshold=threshold,
    )


def test_a_subject_has_the_score_of_its_best_template() -> None:
    assert _best([0.75, 0.5, 0.25], [4, 2, 3], [7, 7, 8], 5, 0.0) == [(7, 0.75, 4), (8, 0.25, 3)]


def test_ties_go_to_the_smaller_template_id() -> None:
    assert _best([0.5, 0.5], [2, 9], [1, 0], 5, 0.0) == [(1, 0.5, 2), (0, 0.5, 9)]


def test_the_threshold_itself_counts() -> None:
    assert _best([0.5, 0.25], [1, 2], [1, 2], 5, 0.5) == [(1, 0.5, 1)]


def test_no_more_than_top_k() -> None:
    assert _best([0.9, 0.8, 0.7], [1, 2, 3], [1, 2, 3], 1, -1.0) == [(1, pytest.approx(0.9), 1)]


def test_empty_places_end_the_list_even_at_the_lowest_threshold() -> None:
    assert _best([-1.0, -np.inf], [1, -1], [1, 1], 5, -1.0) == [(1, -1.0, 1)]


def test_rounding_beyond_one_is_clipped() -> None:
    assert _best([1.0000002, -1.0000002], [1, 2], [1, 2], 5, -1.0) == [(1, 1.0, 1), (2, -1.0, 2)]


@pytest.mark.parametrize(
    ("top_k", "most", "available", "places"),
    [(1, 50, 100, 1), (5, 1, 100, 5), (5, 3, 100, 13), (5, 3, 10, 10), (3, 2, 0, 1)],
)
def test_places_are_enough_for_top_k_subjects(top_k: int, most: int, available: int, places: int) -> None:
    assert places_for(top_k, most, available) == places


def test_subjects_with_one_score_each_are_ranked_in_the_same_way() -> None:
    scores = np.full(40, 0.5, dtype=np.float32)  # more than sorting networks for a few keep in order by themselves
    scores[[3, 17]] = 1.0000001, 0.75
    assert ranked_subjects(scores, top_k=4, threshold=0.5) == [(3, 1.0), (17, 0.75), (0, 0.5), (1, 0.5)]
    assert [column for column, _ in ranked_subjects(scores, top_k=40, threshold=0.5)] == [
        3,
        17,
        *(column for column in range(40) if column not in {3, 17}),
    ]
    assert ranked_subjects(scores, top_k=4, threshold=0.6) == [(3, 1.0), (17, 0.75)]
    assert ranked_subjects(scores, top_k=1, threshold=0.5) == [(3, 1.0)]
