"""Demographic differentials: error rates of groups of people at the one operational threshold, and their ratios.

After ISO/IEC 19795-10: every group is judged at the same threshold; a group's rates carry intervals; the differential
of a rate is the largest over the smallest group's, and the largest over the geometric mean of the groups. No ratio is
formed over a group without errors or with too few people: it would be a number about chance.

Groups come from a list that people wrote, for pictures of an evaluation set. They are never inferred from a face and
never stored with a watchlist, which this package cannot even reach.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument, ThresholdRequired
from facematch.evaluation.cache import EmbeddingCache
from facematch.evaluation.grouping import GroupCounts, comparison_counts, search_counts
from facematch.evaluation.identification import concatenated, threshold_at_fpir
from facematch.evaluation.intervals import Rate
from facematch.evaluation.openset import default_gallery_size, search_splits
from facematch.evaluation.pairs import operational_threshold
from facematch.evaluation.pictures import FaceChoice, LabeledFolder, embed_folder, read_folder
from facematch.evaluation.ratios import MIN_PEOPLE, Gate, GroupRate, Ratio, judge, rates_and_ratios
from facematch.evaluation.splits import open_set_splits
from facematch.evaluation.tables import read_table
from facematch.matching.subjects import MAX, SubjectRule
from facematch.protocols import Analyzer, Progress

__all__ = ["DifferentialsResult", "evaluate_differentials", "people_of_groups", "read_groups"]


@dataclass(frozen=True, slots=True, eq=False)
class DifferentialsResult:
    """Error rates by group, and what they differ by.

    Attributes:
        rates: By metric (``fpir``, ``fnir``, ``fmr``, ``fnmr``, ``fte``), then by group. FMR counts non-mated pairs
            within the group.
        max_min: Largest over smallest group's rate, by metric.
        max_geomean: Largest over the geometric mean of the groups' rates, by metric.
        cross_fmr: FMR by the two groups of a pair, same-group pairs included.
        threshold: Raw cosine that decided everything.
        fpir: FPIR of all people together at the threshold.
        gallery_size: Subjects in each gallery.
        templates: Templates a subject.
        rule: How a subject's score comes from its templates.
        draws: Number of draws.
        min_people: Fewest people of a group that a ratio rests on.
        groups: People by group.
        unlabeled: People left out because no picture of them is in the list.
        ambiguous: People left out because their pictures are in several groups.
        contract: Digest of the embedding contract.
        data_digest: SHA-256 over the pictures' digests.
        n_cached: Pictures whose embeddings came from the cache.
        seconds: How long it took.
        gate: The release gate, where one was asked for.
    """

    rates: dict[str, dict[str, GroupRate]]
    max_min: dict[str, Ratio]
    max_geomean: dict[str, Ratio]
    cross_fmr: dict[str, dict[str, Rate]]
    threshold: float
    fpir: float
    gallery_size: int
    templates: int
    rule: str
    draws: int
    min_people: int
    groups: dict[str, int]
    unlabeled: int
    ambiguous: int
    contract: str
    data_digest: str
    n_cached: int
    seconds: float
    gate: Gate | None = field(default=None)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "groups": self.groups,
            "rates": {
                metric: {group: rate.to_dict() for group, rate in by_group.items()}
                for metric, by_group in self.rates.items()
            },
            "max_min": {metric: ratio.to_dict() for metric, ratio in self.max_min.items()},
            "max_geomean": {metric: ratio.to_dict() for metric, ratio in self.max_geomean.items()},
            "cross_fmr": {
                one: {two: {"rate": rate.value if rate.trials else None, "errors": rate.errors, "trials": rate.trials}
                      for two, rate in row.items()}
                for one, row in self.cross_fmr.items()
            },
            "threshold": self.threshold,
            "fpir": round(self.fpir, 6),
            "gallery_size": self.gallery_size,
            "templates": self.templates,
            "rule": self.rule,
            "draws": self.draws,
            "min_people": self.min_people,
            "unlabeled_people": self.unlabeled,
            "ambiguous_people": self.ambiguous,
            "contract": self.contract,
            "data_digest": self.data_digest,
            "n_cached": self.n_cached,
            "seconds": round(self.seconds, 1),
            "gate": None if self.gate is None else self.gate.to_dict(),
        }  # fmt: skip


def read_groups(path: Path) -> dict[str, str]:
    """Read a CSV with the header ``image,group``.

    Returns:
        Group by picture.

    Raises:
        InvalidArgument: It cannot be read, lacks a column or a value, or gives a picture two groups.
    """
    groups: dict[str, str] = {}
    for line, row in read_table(path, ("image", "group")):
        if groups.setdefault(row["image"], row["group"]) != row["group"]:
            raise InvalidArgument(f"{path}, line {line}: {row['image']} is in two groups")
    return groups


def people_of_groups(
    folder: LabeledFolder, groups: Mapping[str, str]
) -> tuple[dict[int, str], NDArray[np.int64], NDArray[np.int64]]:
    """The group of each person, from the groups of their pictures.

    Args:
        folder: The pictures.
        groups: Group by picture; paths relative to the folder.

    Returns:
        Group by person; the people of whom no picture is listed; and those whose pictures are in several groups.

    Raises:
        InvalidArgument: Listed pictures are not in the folder.
    """
    row = {name: number for number, name in enumerate(folder.names)}
    if missing := sorted(set(groups) - set(row)):
        listed = ", ".join(missing[:20]) + (f" and {len(missing) - 20} more" if len(missing) > 20 else "")
        raise InvalidArgument(
            f"{len(missing)} pictures are missing: {listed}", hint="check --images and the names in the list"
        )
    found: dict[int, set[str]] = {}
    for name, group in groups.items():
        found.setdefault(int(folder.people[row[name]]), set()).add(group)
    clear = {person: next(iter(labels)) for person, labels in sorted(found.items()) if len(labels) == 1}
    ambiguous = sorted(person for person, labels in found.items() if len(labels) > 1)
    unlabeled = sorted(set(range(len(folder.person_names))) - set(found))
    return clear, np.array(unlabeled, dtype=np.int64), np.array(ambiguous, dtype=np.int64)


def evaluate_differentials(
    analyzer: Analyzer,
    images: Path,
    groups: Path,
    *,
    threshold: float | None = None,
    target_fpir: float | None = None,
    gallery_size: int | None = None,
    templates: int = 1,
    draws: int = 10,
    rule: SubjectRule = MAX,
    seed: int = 0,
    max_ratio: float | None = None,
    min_people: int = MIN_PEOPLE,
    choice: FaceChoice = "central",
    cache: EmbeddingCache | None = None,
    progress: Progress | None = None,
) -> DifferentialsResult:
    """Measure the error rates of groups in the open-set protocol and over all pairs.

    Galleries mix the groups, as a watchlist does, so searches meet people of their own group.

    Args:
        analyzer: The models.
        images: Folder with a folder a person.
        groups: The list, see :func:`read_groups`.
        threshold: The operational threshold, a raw cosine; default: the pack's operating point.
        target_fpir: Instead of ``threshold``: the one at which the FPIR of all people here is this.
        gallery_size: Subjects in each gallery; default as in the open-set protocol.
        templates: Pictures that a subject is enrolled with.
        draws: How many times the roles are drawn.
        rule: How a subject's score comes from its templates.
        seed: Seed of the draws and of the intervals.
        max_ratio: Judge a release: FPIR and FNIR must be comparable and their max/min ratios at most this.
        min_people: Fewest people of a group that a ratio rests on.
        choice: Which face of a picture counts.
        cache: Where embeddings are looked up and kept, opened for this analyzer and ``choice``.
        progress: Called with pictures done and pictures in all.

    Raises:
        InvalidArgument: A list or folder is malformed, there are fewer than two groups, or an option is out of range.
        ThresholdRequired: The pack has no tested threshold and none was given.
    """
    began = time.perf_counter()
    if threshold is not None and target_fpir is not None:
        raise InvalidArgument("a threshold and a target FPIR exclude each other", hint="give one of them")
    if max_ratio is not None and max_ratio < 1:
        raise InvalidArgument(f"a ratio of the largest to the smallest rate is at least 1, got {max_ratio}")
    folder = read_folder(images)
    group_of, unlabeled, ambiguous = people_of_groups(folder, read_groups(groups))
    names = sorted(set(group_of.values()))
    if len(names) < 2:
        raise InvalidArgument(f"at least two groups are needed, got {', '.join(names) or 'none'}")
    decided = operational_threshold(analyzer, threshold)
    if decided is None and target_fpir is None:
        raise ThresholdRequired("the pack has no tested threshold", hint="give a threshold or a target FPIR")
    folder = _labeled_only(folder, group_of)
    faces = embed_folder(analyzer, folder, choice=choice, cache=cache, progress=progress)
    people, who = np.unique(folder.people, return_inverse=True)
    group = np.array([names.index(group_of[int(person)]) for person in people])
    size = default_gallery_size(folder.people, templates) if gallery_size is None else gallery_size
    splits = open_set_splits(who, size, draws=draws, templates=templates, seed=seed, usable=faces.found)
    searches = concatenated(search_splits(faces, who, list(splits), rule))
    if target_fpir is not None:
        decided = threshold_at_fpir(searches, target_fpir)
    assert decided is not None
    comparisons = comparison_counts(faces, who, group, len(names), decided)
    counts = {
        **search_counts(searches, decided, len(people)),
        "fmr": comparisons.within_groups,
        "fnmr": comparisons.mated,
        "fte": GroupCounts.of_people(np.bincount(who[faces.found], minlength=len(people)) < templates),
    }
    rates, max_min, max_geomean = rates_and_ratios(counts, group, names, seed=seed, min_people=min_people)
    return DifferentialsResult(
        rates=rates,
        max_min=max_min,
        max_geomean=max_geomean,
        cross_fmr={one: {two: comparisons.across[i][j] for j, two in enumerate(names)} for i, one in enumerate(names)},
        threshold=decided,
        fpir=float(np.mean(searches.non_mated_tops >= decided)),
        gallery_size=size,
        templates=templates,
        rule=str(rule),
        draws=draws,
        min_people=min_people,
        groups={name: int(np.count_nonzero(group == number)) for number, name in enumerate(names)},
        unlabeled=len(unlabeled),
        ambiguous=len(ambiguous),
        contract=analyzer.contract.digest,
        data_digest=faces.data_digest,
        n_cached=faces.cached,
        seconds=time.perf_counter() - began,
        gate=None if max_ratio is None else judge(rates, max_min, max_ratio),
    )


def _labeled_only(folder: LabeledFolder, group_of: Mapping[int, str]) -> LabeledFolder:
    keep = np.isin(folder.people, list(group_of))
    names = tuple(name for name, kept in zip(folder.names, keep, strict=True) if kept)
    return LabeledFolder(folder.root, names, folder.people[keep], folder.person_names)
