"""Open-set splits: disjoint people, the right counts, the same draw for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from facematch.errors import InvalidArgument
from facematch.evaluation.splits import one_picture_a_person, open_set_split, open_set_splits

PEOPLE = np.random.default_rng(0).permutation(np.repeat(np.arange(60), np.arange(60) % 5 + 1))


@pytest.mark.parametrize("templates", [1, 2, 3])
def test_people_are_disjoint_and_every_subject_has_a_mated_probe(templates: int) -> None:
    split = open_set_split(PEOPLE, 12, templates=templates, random=np.random.default_rng(1))
    inside = set(PEOPLE[split.gallery].tolist())
    assert len(inside) == 12
    assert len(split.gallery) == 12 * templates
    np.testing.assert_array_equal(np.unique(PEOPLE[split.gallery], return_counts=True)[1], templates)
    assert set(PEOPLE[split.mated].tolist()) == inside
    assert not inside & set(PEOPLE[split.non_mated].tolist())
    everything = np.concatenate([split.gallery, split.mated, split.non_mated])
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(PEOPLE)))
    np.testing.assert_array_equal(split.probes, np.concatenate([split.mated, split.non_mated]))


def test_draws_repeat_with_the_seed_and_differ_within_it() -> None:
    first, second = (list(open_set_splits(PEOPLE, 10, draws=3, seed=5)) for _ in range(2))
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.gallery, two.gallery)
    assert set(first[0].gallery.tolist()) != set(first[1].gallery.tolist())


def test_pictures_without_a_face_are_no_templates_but_stay_probes() -> None:
    usable = np.random.default_rng(3).random(len(PEOPLE)) < 0.7
    split = open_set_split(PEOPLE, 10, random=np.random.default_rng(3), usable=usable)
    assert usable[split.gallery].all()
    assert not usable[split.probes].all()
    assert len(split.gallery) + len(split.probes) == len(PEOPLE)


def test_distractors_fill_a_gallery_that_is_too_large() -> None:
    with pytest.raises(InvalidArgument, match="too large"):
        open_set_split(PEOPLE, 50, random=np.random.default_rng(0))
    split = open_set_split(PEOPLE, 50, random=np.random.default_rng(0), distractors=True)
    assert len(set(PEOPLE[split.gallery].tolist())) == 50
    assert len(set(PEOPLE[split.mated].tolist())) == 48


def test_one_picture_a_person() -> None:
    split = open_set_split(PEOPLE, 10, random=np.random.default_rng(1))
    drawn = one_picture_a_person(PEOPLE, split.non_mated, np.random.default_rng(2))
    assert len(drawn) == 50 == len(set(PEOPLE[drawn].tolist()))
    assert set(drawn.tolist()) <= set(split.non_mated.tolist())


@pytest.mark.parametrize(("size", "templates", "draws"), [(0, 1, 1), (5, 0, 1), (5, 1, 0)])
def test_arguments_are_checked(size: int, templates: int, draws: int) -> None:
    with pytest.raises(InvalidArgument):
        list(open_set_splits(PEOPLE, size, templates=templates, draws=draws))
