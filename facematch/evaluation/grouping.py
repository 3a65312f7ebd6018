"""Errors and trials a person or a pair of people, so that groups can be counted and people resampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.identification import SearchScores, effective_mates
from facematch.evaluation.intervals import Rate
from facematch.evaluation.pictures import EmbeddedPictures

__all__ = ["Comparisons", "GroupCounts", "comparison_counts", "search_counts"]

_BLOCK: Final = 512


@dataclass(frozen=True, slots=True, eq=False)
class GroupCounts:
    """Errors and trials of one metric, by person; for comparisons of two people, the errors by pair of people.

    Attributes:
        errors: ``(P,)`` errors of each person; for two people: ``(E,)`` errors of each pair in ``pairs``.
        trials: ``(P,)`` trials of each person; for two people: pictures of each, every two of which are compared.
        pairs: ``(E, 2)`` the two people of each entry of ``errors``, both of one group; ``None`` where trials are of
            one person.
        independent: Whether each person counts once, so that an exact binomial interval holds.
    """

    errors: NDArray[np.int64]
    trials: NDArray[np.int64]
    pairs: NDArray[np.int64] | None = None
    independent: bool = False

    @classmethod
    def of_people(cls, erred: NDArray[np.bool_]) -> Self:
        """One trial a person: ``erred (P,)``."""
        return cls(erred.astype(np.int64), np.ones(len(erred), dtype=np.int64), independent=True)

    def people(self, member: NDArray[np.bool_]) -> int:
        """Number of the people ``(P,)`` who have a trial."""
        return int(np.count_nonzero(self.trials[member]))

    def totals(self, member: NDArray[np.bool_]) -> tuple[int, int]:
        """``(errors, trials)`` of the people ``(P,)``, for two people: among them."""
        if self.pairs is None:
            return int(self.errors[member].sum()), int(self.trials[member].sum())
        inside = member[self.pairs].all(axis=1)
        pictures = self.trials[member]
        return int(self.errors[inside].sum()), int((pictures.sum() ** 2 - (pictures**2).sum()) // 2)

    def resampled(self, weights: NDArray[np.int64], member: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The rate of the people ``(P,)`` in each replicate ``(R, P)``; not a number where nothing was tried."""
        drawn = (weights * member).astype(np.float64)
        if self.pairs is None:
            errors, trials = drawn @ self.errors, drawn @ self.trials
        else:
            inside = member[self.pairs].all(axis=1)
            first, second = self.pairs[inside].T
            errors = np.array([(row[first] * row[second]) @ self.errors[inside] for row in drawn])
            pictures = drawn * self.trials
            trials = (pictures.sum(axis=1) ** 2 - (pictures**2).sum(axis=1)) / 2
        return np.asarray(np.divide(errors, trials, out=np.full(len(drawn), np.nan), where=trials > 0))


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """Every pair of pictures, decided at one threshold.

    Attributes:
        mated: Mated pairs below the threshold, by person.
        within_groups: Non-mated pairs within one group at or above it, by pair of people.
        across: ``across[g][h]``: all non-mated pairs of groups ``g`` and ``h``.
    """

    mated: GroupCounts
    within_groups: GroupCounts
    across: list[list[Rate]]


def search_counts(searches: SearchScores, threshold: float, n_people: int) -> dict[str, GroupCounts]:
    """False positives and misses of searches at a threshold, by the probe's person."""
    mated = searches.mated
    returned, missed = searches.other >= threshold, effective_mates(searches) < threshold

    def by_person(rows: NDArray[np.bool_], erred: NDArray[np.bool_]) -> GroupCounts:
        people = searches.people[rows]
        return GroupCounts(
            np.bincount(people[erred[rows]], minlength=n_people), np.bincount(people, minlength=n_people)
        )

    return {"fpir": by_person(~mated, returned), "fnir": by_person(mated, missed)}


def comparison_counts(
    faces: EmbeddedPictures, people: NDArray[np.integer], group: NDArray[np.integer], n_groups: int, threshold: float
) -> Comparisons:
    """Compare every two pictures with a face, in blocks, and keep only the errors.

    Args:
        faces: The pictures.
        people: ``(N,)``, whom each shows, ``0 … P-1``.
        group: ``(P,)``, the group of each person, ``0 … G-1``.
        n_groups: Number of groups ``G``.
        threshold: Raw cosine that decides.
    """
    vectors, who = faces.embeddings[faces.found], np.asarray(people[faces.found], dtype=np.int64)
    pictures = np.bincount(who, minlength=len(group))
    missed = np.zeros(len(group), dtype=np.int64)
    false: list[NDArray[np.int64]] = []
    for start in range(0, len(vectors), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(vectors)))
        scores = vectors[rows] @ vectors[start:].T
        later = np.arange(len(vectors) - start)[None] > np.arange(rows.stop - start)[:, None]
        same = who[rows, None] == who[None, start:]
        missed += np.bincount(who[rows][np.nonzero(later & same & (scores < threshold))[0]], minlength=len(group))
        first, second = np.nonzero(later & ~same & (scores >= threshold))
        false.append(np.sort(np.stack([who[rows][first], who[start:][second]], axis=1), axis=1))
    pairs, errors = np.unique(np.concatenate(false), axis=0, return_counts=True)
    inside = group[pairs[:, 0]] == group[pairs[:, 1]]
    return Comparisons(
        GroupCounts(missed, pictures * (pictures - 1) // 2),
        GroupCounts(errors[inside], pictures, pairs[inside]),
        _across(pairs, errors, pictures, group, n_groups),
    )


def _across(
    pairs: NDArray[np.int64],
    errors: NDArray[np.int64],
    pictures: NDArray[np.int64],
    group: NDArray[np.integer],
    n_groups: int,
) -> list[list[Rate]]:
    per_group = np.bincount(group, weights=pictures, minlength=n_groups).astype(np.int64)
    own = np.bincount(group, weights=pictures**2, minlength=n_groups).astype(np.int64)
    table = np.zeros((n_groups, n_groups), dtype=np.int64)
    np.add.at(table, (group[pairs[:, 0]], group[pairs[:, 1]]), errors)
    both = table + table.T - np.diag(np.diag(table))
    trials = np.outer(per_group, per_group)
    np.fill_diagonal(trials, (per_group**2 - own) // 2)
    return [[Rate(int(both[i, j]), int(trials[i, j])) for j in range(n_groups)] for i in range(n_groups)]
