"""Calibrate on half of the people of ORL, validate on the other half."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facematch.evaluation.certify import calibrate
from facematch.evaluation.identification import fpir, search
from facematch.evaluation.pictures import EmbeddedPictures, read_folder
from facematch.evaluation.splits import one_picture_a_person, open_set_split
from facematch.matching.subjects import SubjectGallery


@pytest.mark.shared_data
def test_a_threshold_from_one_half_holds_on_the_other(shared: Path, orl: EmbeddedPictures) -> None:
    folder = read_folder(shared / "data" / "orl")
    assert len(folder.person_names) == 40
    pictures = orl
    assert pictures.found.mean() > 0.9
    first_half = folder.people < 20
    rows = np.flatnonzero(first_half)
    half = _rows(pictures, rows)
    run = calibrate(
        half, folder.people[rows], target_fpir=0.2, gallery_size=5, templates=3, models="default", data="ORL, half"
    )
    assert run.calibration.people == 15
    rates = []
    others = np.flatnonzero(~first_half)
    other_half, people = _rows(pictures, others), folder.people[others]
    for seed in range(20):  # many draws of gallery and strangers, all of people the calibration never saw
        random = np.random.default_rng(seed)
        split = open_set_split(people, 5, templates=3, random=random, usable=other_half.found)
        strangers = one_picture_a_person(people, split.non_mated, random)
        gallery = SubjectGallery(other_half.embeddings[split.gallery], people[split.gallery])
        scores = search(gallery, other_half.embeddings[strangers], people[strangers], found=other_half.found[strangers])
        rates.append(float(fpir(scores, run.calibration.threshold)))
    low, high = run.fpir_interval
    assert low <= np.mean(rates) <= high
    assert np.mean(rates) <= run.calibration.target_fpir


def _rows(pictures: EmbeddedPictures, rows: NDArray[np.int64]) -> EmbeddedPictures:
    picked = rows.tolist()
    return replace(
        pictures,
        names=tuple(pictures.names[row] for row in picked),
        digests=tuple(pictures.digests[row] for row in picked),
        embeddings=pictures.embeddings[rows],
        found=pictures.found[rows],
        boxes=pictures.boxes[rows],
        landmarks=pictures.landmarks[rows],
        detection_scores=pictures.detection_scores[rows],
        sizes=pictures.sizes[rows],
    )
