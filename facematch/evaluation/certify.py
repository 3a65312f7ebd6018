"""Calibration: the threshold that certifies a false-positive identification rate (FPIR) for a gallery.

The rule (after ISO/IEC 19795-1's treatment of rates near zero): run one search for each of ``n`` people who are not in
the gallery, and sort their top scores downwards. Take the largest ``k`` whose one-sided Clopper-Pearson bound
``Beta^-1(confidence; k+1, n-k)`` is at most the target. The threshold lies just above the ``(k+1)``-th score. People
count, not pictures: pictures of one person are not independent trials.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument, TooFewPeople
from facematch.evaluation.identification import SearchScores, fnir, search
from facematch.evaluation.intervals import clopper_pearson, trials_needed, upper_bound
from facematch.evaluation.pictures import EmbeddedPictures
from facematch.evaluation.splits import one_picture_a_person, open_set_split
from facematch.matching.calibration import Calibration
from facematch.matching.subjects import MAX, SubjectGallery, SubjectRule

__all__ = ["CONFIDENCE", "CalibrationRun", "calibrate", "certified_threshold"]

CONFIDENCE: Final = 0.95
"""Level of the one-sided bound."""


@dataclass(frozen=True, slots=True)
class CalibrationRun:
    """A calibration and what the same split showed beside it.

    Attributes:
        calibration: The artifact.
        fpir: Measured FPIR at the threshold.
        fpir_interval: Its two-sided 95 % Clopper-Pearson interval over people.
        fnir: FNIR at rank 1 and the threshold, over one probe a mated person.
        fnir_interval: Its two-sided 95 % interval over people.
        mated_people: People behind the FNIR.
    """

    calibration: Calibration
    fpir: float
    fpir_interval: tuple[float, float]
    fnir: float
    fnir_interval: tuple[float, float]
    mated_people: int

    def to_dict(self) -> dict[str, Any]:
        """The run as plain data."""
        return {
            "calibration": self.calibration.to_dict(),
            "fpir": self.fpir,
            "fpir_ci95": [round(v, 6) for v in self.fpir_interval],
            "fnir": self.fnir,
            "fnir_ci95": [round(v, 6) for v in self.fnir_interval],
            "mated_people": self.mated_people,
        }


def certified_threshold(
    tops: NDArray[np.floating], target: float, *, confidence: float = CONFIDENCE
) -> tuple[float, int]:
    """The lowest threshold whose FPIR bound is at most the target.

    Args:
        tops: ``(n,)`` highest score of each non-mated search, one search a person. Those without a comparison,
            because no face was found, are ``-inf``; they show nothing about a threshold and do not count as searches.
        target: FPIR in ``(0, 1)``.
        confidence: Level of the one-sided bound, in ``(0, 1)``.

    Returns:
        The threshold, just above the ``(k+1)``-th highest score, and ``k``.

    Raises:
        InvalidArgument: A number is out of range, or the threshold would lie above every cosine.
        TooFewPeople: Not even zero errors among so many people show the target; the message says how many are needed.
    """
    searched = tops[~np.isneginf(tops)]
    n, needed = len(searched), trials_needed(target, confidence)
    if n < needed:
        faceless = f" ({len(tops) - n} more had no face found)" if len(tops) > n else ""
        raise TooFewPeople(
            f"{n} people{faceless} cannot certify an FPIR of {target:g} at {confidence:.0%} confidence; "
            f"{needed} are needed",
            hint="bring pictures of more people who are not in the gallery, or aim at a higher FPIR",
        )
    low, high = 0, n - 1  # the bound grows with k: the largest k that keeps it
    while low < high:
        middle = (low + high + 1) // 2
        if upper_bound(middle, n, confidence) <= target:
            low = middle
        else:
            high = middle - 1
    highest = np.sort(np.asarray(searched, dtype=np.float64))[::-1]
    threshold = float(np.nextafter(np.float64(max(highest[low], -1.0)), np.inf))
    if not threshold <= 1.0:
        raise InvalidArgument(
            f"a search for a person outside the gallery scored {highest[low]:.6g}, and no threshold lies above that",
            hint="look for one picture, or one person, under two names",
        )
    return threshold, low


def calibrate(
    pictures: EmbeddedPictures,
    people: NDArray[np.integer],
    *,
    target_fpir: float,
    gallery_size: int,
    templates: int = 1,
    rule: SubjectRule = MAX,
    models: str,
    data: str,
    seed: int = 0,
    now: datetime | None = None,
) -> CalibrationRun:
    """Calibrate a threshold on labeled pictures.

    A gallery is drawn, all others are searched once with one drawn picture; people without a face in it do not count.
    People of the gallery who have pictures to spare give the FNIR beside it.

    Args:
        pictures: One embedding a picture.
        people: ``(N,)`` whom each picture shows.
        target_fpir: FPIR to certify, in ``(0, 1)``.
        gallery_size: Subjects in the gallery.
        templates: Templates a subject.
        rule: How a subject's score comes from its templates.
        models: The models in words, for the artifact.
        data: The data in words, for the artifact.
        seed: Seed of the draw; part of the data digest.
        now: When; default: now.

    Raises:
        TooFewPeople: Too few people are left outside the gallery; the message says how many are needed.
        InvalidArgument: The gallery cannot be drawn, or a number is out of range.
    """
    random = np.random.default_rng(seed)
    split = open_set_split(
        people, gallery_size, templates=templates, random=random, usable=pictures.found, distractors=True
    )
    outside = one_picture_a_person(people, split.non_mated, random)
    inside = one_picture_a_person(people, split.mated, random) if len(split.mated) else split.mated
    gallery = SubjectGallery(pictures.embeddings[split.gallery], people[split.gallery], rule)
    strangers = _searched(gallery, pictures, people, outside)
    threshold, errors = certified_threshold(strangers.non_mated_tops, target_fpir)
    n = int(np.count_nonzero(pictures.found[outside]))
    measured = int(np.count_nonzero(strangers.non_mated_tops >= threshold))
    if measured > errors:
        raise InvalidArgument(f"{measured} searches reach the threshold where {errors} were allowed")
    mates = _searched(gallery, pictures, people, inside)
    misses = round(float(fnir(mates, threshold)) * len(inside)) if len(inside) else 0
    missed = clopper_pearson(misses, len(inside)) if len(inside) else None
    around = clopper_pearson(measured, n)
    calibration = Calibration(
        contract=pictures.contract,
        models=models,
        rule=str(rule),
        gallery_size=gallery_size,
        templates=templates,
        people=n,
        target_fpir=target_fpir,
        threshold=threshold,
        errors=measured,
        fpir_upper=upper_bound(measured, n, CONFIDENCE),
        confidence=CONFIDENCE,
        data=data,
        seed=seed,
        data_digest=_data_digest(pictures, people, seed),
        measured_at=(now or datetime.now(UTC)).date().isoformat(),
        tool_version=version("facematch-watchlist"),
    ).sealed()
    return CalibrationRun(
        calibration=calibration,
        fpir=measured / n,
        fpir_interval=(around.low, around.high),
        fnir=misses / len(inside) if len(inside) else float("nan"),
        fnir_interval=(missed.low, missed.high) if missed else (0.0, 1.0),
        mated_people=len(inside),
    )


def _searched(
    gallery: SubjectGallery, pictures: EmbeddedPictures, people: NDArray[np.integer], chosen: NDArray[np.int64]
) -> SearchScores:
    return search(gallery, pictures.embeddings[chosen], people[chosen], found=pictures.found[chosen])


def _data_digest(pictures: EmbeddedPictures, people: NDArray[np.integer], seed: int) -> str:
    """SHA-256 over every picture's digest with its person's number in order of appearance, and the seed."""
    numbers: dict[int, int] = {}
    digest = hashlib.sha256(f"seed {seed}\n".encode("ascii"))
    for picture, person in sorted(zip(pictures.digests, people.tolist(), strict=True)):
        digest.update(f"{picture} {numbers.setdefault(int(person), len(numbers))}\n".encode("ascii"))
    return digest.hexdigest()
