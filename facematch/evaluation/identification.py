"""Identification (1:N) figures: searches in blocks, FPIR, FNIR, rank rates and DIR at an FPIR.

Definitions after ISO/IEC 19795-1: FPIR(N, T) is the share of non-mated searches of a gallery of ``N`` subjects that
return any subject at threshold ``T``; FNIR(N, R, T) the share of mated searches whose mate is not among the first ``R``
candidates at or above ``T``. DIR (detection and identification rate) is 1 - FNIR(N, 1, T) (P. J. Phillips, P. Grother,
R. Micheals, "Evaluation methods in face recognition", Handbook of Face Recognition, 2011). A probe in which no face
was found is a search without a candidate: a miss where it is mated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.evaluation.intervals import LEVEL, REPLICATES, Interval, bootstrap_people, percentile_interval
from facematch.matching.subjects import SubjectGallery
from facematch.types import FloatArray

__all__ = [
    "SearchScores",
    "concatenated",
    "dir_at_fpir",
    "dir_at_fpir_interval",
    "effective_mates",
    "fnir",
    "fpir",
    "rank_rate",
    "search",
    "threshold_at_fpir",
]


@dataclass(frozen=True, slots=True, eq=False)
class SearchScores:
    """Scores of searches, kept small: no matrix, three numbers a probe.

    Attributes:
        mate: ``(P,)`` ``float64`` score of the probe's own subject; ``-inf`` where it is not in the gallery or no face
            was found.
        other: ``(P,)`` ``float64`` highest score among all other subjects; ``-inf`` where there is none.
        rank: ``(P,)`` ``int64`` rank of the mate, 1 is best; equal scores of others come before it. 0 where it is not
            in the gallery, ``S + 1`` where no face was found.
        people: ``(P,)`` whom each probe is of.
        gallery_size: Number of subjects searched, ``S``.
    """

    mate: NDArray[np.float64]
    other: NDArray[np.float64]
    rank: NDArray[np.int64]
    people: NDArray[np.int64]
    gallery_size: int

    @property
    def mated(self) -> NDArray[np.bool_]:
        """``(P,)``, whether the probe's subject is in the gallery."""
        return self.rank > 0

    @property
    def top(self) -> NDArray[np.float64]:
        """``(P,)`` highest score of any subject: it decides whether a search returns a candidate."""
        return np.maximum(self.mate, self.other)

    @property
    def non_mated_tops(self) -> NDArray[np.float64]:
        """Highest score of each non-mated probe."""
        return self.other[~self.mated]

    def select(self, keep: NDArray[np.bool_]) -> SearchScores:
        """The probes where ``keep (P,)`` is true."""
        return SearchScores(self.mate[keep], self.other[keep], self.rank[keep], self.people[keep], self.gallery_size)


def search(
    gallery: SubjectGallery,
    probes: FloatArray,
    people: NDArray[np.integer],
    *,
    found: NDArray[np.bool_] | None = None,
) -> SearchScores:
    """Search probes in blocks; memory stays bounded whatever the sizes.

    Args:
        gallery: Whom to search.
        probes: ``(P, D)`` ``float32`` unit vectors.
        people: ``(P,)`` whom each probe is of, in the gallery's integers; others are non-mated.
        found: ``(P,)`` whether a face was found; default: in all.

    Raises:
        InvalidArgument: The arrays do not fit.
    """
    if probes.ndim != 2 or people.shape != (len(probes),):
        raise InvalidArgument(f"probes (P, D) and people (P,) are expected, got {probes.shape} and {people.shape}")
    columns = gallery.columns(people)
    mate, other = np.full(len(probes), -np.inf), np.full(len(probes), -np.inf)
    rank = np.where(columns >= 0, len(gallery) + 1, 0).astype(np.int64)
    seen = np.arange(len(probes)) if found is None else np.flatnonzero(found)
    for start in range(0, len(seen), gallery.block):
        rows = seen[start : start + gallery.block]
        scores = gallery.scores(probes[rows])
        (with_mate,) = np.nonzero(columns[rows] >= 0)
        own = columns[rows[with_mate]]
        mate_scores = scores[with_mate, own]
        scores[with_mate, own] = -np.inf
        mate[rows[with_mate]] = mate_scores
        other[rows] = scores.max(axis=1)
        rank[rows[with_mate]] = 1 + np.count_nonzero(scores[with_mate] >= mate_scores[:, None], axis=1)
    return SearchScores(mate, other, rank, people.astype(np.int64), len(gallery))


def concatenated(parts: Sequence[SearchScores]) -> SearchScores:
    """Searches of galleries of one size as one.

    Raises:
        InvalidArgument: There are none, or the galleries differ in size.
    """
    sizes = {part.gallery_size for part in parts}
    if len(sizes) != 1:
        raise InvalidArgument(f"searches of galleries of one size are expected, got sizes {sorted(sizes)}")
    return SearchScores(
        np.concatenate([part.mate for part in parts]),
        np.concatenate([part.other for part in parts]),
        np.concatenate([part.rank for part in parts]),
        np.concatenate([part.people for part in parts]),
        sizes.pop(),
    )


def fpir(scores: SearchScores, thresholds: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """FPIR(N, T): the share of non-mated searches that return a candidate at each threshold.

    Args:
        scores: Searches; the mated ones are left out.
        thresholds: ``(K,)`` or one raw cosine.

    Returns:
        ``(K,)`` or ``()`` in ``[0, 1]``.

    Raises:
        InvalidArgument: There is no non-mated search.
    """
    tops = np.sort(scores.non_mated_tops)
    if tops.size == 0:
        raise InvalidArgument("FPIR needs at least one non-mated search")
    return np.asarray(1 - np.searchsorted(tops, np.asarray(thresholds, dtype=np.float64), side="left") / tops.size)


def fnir(
    scores: SearchScores, thresholds: NDArray[np.floating] | float, *, rank: int | None = 1
) -> NDArray[np.float64]:
    """FNIR(N, R, T): the share of mated searches that miss the mate at each threshold.

    Args:
        scores: Searches; the non-mated ones are left out.
        thresholds: ``(K,)`` or one raw cosine.
        rank: The mate must be among this many candidates; ``None``: anywhere.

    Returns:
        ``(K,)`` or ``()`` in ``[0, 1]``.

    Raises:
        InvalidArgument: There is no mated search.
    """
    mated = scores.mated
    if not mated.any():
        raise InvalidArgument("FNIR needs at least one mated search")
    hits = np.sort(effective_mates(scores, rank)[mated])
    return np.asarray(np.searchsorted(hits, np.asarray(thresholds, dtype=np.float64), side="left") / hits.size)


def effective_mates(scores: SearchScores, rank: int | None = 1) -> NDArray[np.float64]:
    """``(P,)`` the threshold up to which each probe's mate is returned: its score, or ``-inf`` beyond the rank."""
    if rank is None:
        return scores.mate
    return np.where((scores.rank > 0) & (scores.rank <= rank), scores.mate, -np.inf)


def rank_rate(scores: SearchScores, rank: int = 1) -> float:
    """The share of mated searches whose mate is among the first ``rank``, whatever its score (closed set).

    Raises:
        InvalidArgument: There is no mated search.
    """
    mated = scores.rank[scores.mated]
    if mated.size == 0:
        raise InvalidArgument("a rank rate needs at least one mated search")
    return float(np.mean(mated <= rank))


def threshold_at_fpir(scores: SearchScores, target: float) -> float:
    """The lowest threshold at which at most ``target`` of the non-mated searches return a candidate.

    It lies just above the ``(k+1)``-th highest top score, ``k = floor(target * n)``. This is the measured rate on these
    searches; a threshold that *certifies* a rate needs its confidence bound (see calibration).

    Raises:
        InvalidArgument: ``target`` is not in ``(0, 1)``, or there is no non-mated search.
    """
    tops = scores.non_mated_tops
    if not 0 < target < 1 or tops.size == 0:
        raise InvalidArgument(f"an FPIR in (0, 1) and non-mated searches are needed, got {target} and {tops.size}")
    return _just_above(-np.sort(-tops), target)


def dir_at_fpir(scores: SearchScores, target: float) -> tuple[float, float]:
    """``(DIR, threshold)`` at :func:`threshold_at_fpir`: mated searches whose mate comes first, at the threshold.

    Raises:
        InvalidArgument: As :func:`threshold_at_fpir` and :func:`fnir`.
    """
    threshold = threshold_at_fpir(scores, target)
    return 1 - float(fnir(scores, threshold)), threshold


def dir_at_fpir_interval(
    draws: Sequence[SearchScores],
    target: float,
    *,
    level: float = LEVEL,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval:
    """Interval of the mean DIR at an FPIR over repeated draws, resampling people.

    Each replicate draws people with replacement, once for all draws; probes count as often as their person was drawn;
    the threshold is found anew in each draw, so its uncertainty is part of the interval. Galleries stay as they are.

    Args:
        draws: Searches of each draw; ``people`` must mean the same people in all.
        target: FPIR in ``(0, 1)``.
        level: Confidence level.
        replicates: Number of bootstrap replicates.
        seed: Seed of the random numbers.

    Raises:
        InvalidArgument: There are no draws.
    """
    names = np.unique(np.concatenate([draw.people for draw in draws])) if draws else np.empty(0, dtype=np.int64)
    prepared = []
    for draw in draws:
        who, mated = np.searchsorted(names, draw.people), draw.mated
        order = np.argsort(-draw.other[~mated], kind="stable")
        prepared.append((draw.other[~mated][order], who[~mated][order], effective_mates(draw)[mated], who[mated]))

    def mean_dir(weights: NDArray[np.int64]) -> float:
        rates = []
        for tops, non_mated, mates, mated in prepared:
            above = np.cumsum(weights[non_mated])
            hits = weights[mated]
            if above[-1] == 0 or hits.sum() == 0:
                continue
            first_over = int(np.searchsorted(above, target * above[-1], side="right"))
            rates.append(float(hits[mates > tops[first_over]].sum() / hits.sum()))
        return float(np.mean(rates)) if rates else float("nan")

    return percentile_interval(bootstrap_people(mean_dir, len(names), replicates=replicates, seed=seed), level)


def _just_above(descending: NDArray[np.float64], target: float) -> float:
    allowed = int(np.floor(target * len(descending) + 1e-9))
    return float(np.nextafter(descending[allowed], np.inf))
