"""The open-set protocol: galleries drawn from a labeled folder, searched by their own people and by strangers.

Each draw takes some people as the gallery with ``templates`` pictures each; their other pictures are mated probes and
the pictures of all others are non-mated probes. Definitions in :mod:`facematch.evaluation.identification`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.evaluation.cache import EmbeddingCache
from facematch.evaluation.identification import SearchScores, dir_at_fpir, dir_at_fpir_interval, rank_rate, search
from facematch.evaluation.intervals import Interval, Rate, bootstrap_people, percentile_interval
from facematch.evaluation.pictures import EmbeddedPictures, FaceChoice, embed_folder, read_folder
from facematch.evaluation.splits import OpenSetSplit, open_set_splits
from facematch.matching.subjects import MAX, SubjectGallery, SubjectRule
from facematch.protocols import Analyzer, Progress

__all__ = [
    "DirAtFpir",
    "FalsePositive",
    "OpenSetResult",
    "default_gallery_size",
    "evaluate_openset",
    "search_splits",
]

FPIRS: Final = (0.1, 0.01, 0.001)
_DEFAULT_SIZE: Final = 1000
_WORST: Final = 12


@dataclass(frozen=True, slots=True)
class DirAtFpir:
    """Detection and identification rate at one FPIR, averaged over the draws.

    Attributes:
        rate: Mated searches whose mate comes first and reaches the threshold.
        ci95: Its interval, resampling people.
        threshold: Raw cosine, mean over the draws.
    """

    rate: float
    ci95: Interval
    threshold: float


@dataclass(frozen=True, slots=True)
class FalsePositive:
    """A non-mated search with a high score: a look-alike, or a wrong label.

    Attributes:
        probe: SHA-256 (hex) of the probe's picture.
        template: SHA-256 (hex) of the template's picture that it resembles most.
        score: Raw cosine of the two.
    """

    probe: str
    template: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class OpenSetResult:
    """Result of the open-set protocol.

    Attributes:
        rank1: Mated searches whose mate comes first, whatever its score.
        rank1_ci95: Its interval, resampling people.
        dir_at_fpir: By nominal FPIR; ``None`` where there are too few non-mated searches to see it.
        gallery_size: Subjects in each gallery.
        templates: Templates a subject.
        rule: How a subject's score comes from its templates.
        n_mated: Mated probes a draw, on average.
        n_non_mated: Non-mated probes a draw, on average.
        n_non_mated_people: People whom the non-mated probes of a draw show.
        draws: Number of draws.
        seed: Seed of the draws.
        n_people: People in the folder.
        fta: Pictures without a face; mated ones count as missed.
        failures: Their names.
        contract: Digest of the embedding contract.
        data_digest: SHA-256 over the pictures' digests.
        n_cached: Pictures whose embeddings came from the cache.
        seconds: How long it took.
        searches: The searches of each draw; not part of :meth:`to_dict`.
        worst: Non-mated searches with the highest scores; not part of :meth:`to_dict`.
    """

    rank1: float
    rank1_ci95: Interval
    dir_at_fpir: dict[str, DirAtFpir | None]
    gallery_size: int
    templates: int
    rule: str
    n_mated: int
    n_non_mated: int
    n_non_mated_people: int
    draws: int
    seed: int
    n_people: int
    fta: Rate
    failures: tuple[str, ...]
    contract: str
    data_digest: str
    n_cached: int
    seconds: float
    searches: tuple[SearchScores, ...] = field(repr=False)
    worst: tuple[FalsePositive, ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        points = self.dir_at_fpir.items()
        return {
            "rank1": round(self.rank1, 6),
            "rank1_ci95": self.rank1_ci95.to_list(),
            "dir_at_fpir": {
                fpir: {
                    "dir": None if point is None else round(point.rate, 6),
                    "ci95": None if point is None else point.ci95.to_list(),
                }
                for fpir, point in points
            },
            "thresholds": {fpir: None if point is None else round(point.threshold, 6) for fpir, point in points},
            "gallery_size": self.gallery_size,
            "templates": self.templates,
            "rule": self.rule,
            "n_mated": self.n_mated,
            "n_nonmated": self.n_non_mated,
            "n_nonmated_people": self.n_non_mated_people,
            "draws": self.draws,
            "seed": self.seed,
            "n_people": self.n_people,
            "fta": self.fta.to_dict(),
            "failures": list(self.failures),
            "contract": self.contract,
            "data_digest": self.data_digest,
            "n_cached": self.n_cached,
            "seconds": round(self.seconds, 1),
        }


def default_gallery_size(people: NDArray[np.integer], templates: int = 1) -> int:
    """1,000 subjects, or two thirds of those with a picture to spare where they are fewer."""
    there = np.unique(people, return_counts=True)[1]
    eligible = int(np.count_nonzero(there > templates))
    return max(1, min(_DEFAULT_SIZE, eligible * 2 // 3, len(there) - 1))


def search_splits(
    faces: EmbeddedPictures, people: NDArray[np.integer], splits: Sequence[OpenSetSplit], rule: SubjectRule = MAX
) -> list[SearchScores]:
    """Search the probes of each split, the mated ones first.

    Args:
        faces: Embeddings of all pictures.
        people: ``(N,)``, whom each picture shows.
        splits: Which pictures play which part.
        rule: How a subject's score comes from its templates.
    """
    out = []
    for split in splits:
        gallery = SubjectGallery(faces.embeddings[split.gallery], people[split.gallery], rule)
        probes = split.probes
        out.append(search(gallery, faces.embeddings[probes], people[probes], found=faces.found[probes]))
    return out


def evaluate_openset(
    analyzer: Analyzer,
    images: Path,
    *,
    gallery_size: int | None = None,
    templates: int = 1,
    draws: int = 10,
    rule: SubjectRule = MAX,
    seed: int = 0,
    choice: FaceChoice = "central",
    cache: EmbeddingCache | None = None,
    progress: Progress | None = None,
) -> OpenSetResult:
    """Run the open-set protocol on a folder that holds a folder a person.

    Args:
        analyzer: The models.
        images: The folder.
        gallery_size: Subjects in each gallery; default: :func:`default_gallery_size`.
        templates: Pictures that a subject is enrolled with.
        draws: How many times the roles are drawn.
        rule: How a subject's score comes from its templates.
        seed: Seed of the draws and of the intervals.
        choice: Which face of a picture counts.
        cache: Where embeddings are looked up and kept, opened for this analyzer and ``choice``.
        progress: Called with pictures done and pictures in all.

    Raises:
        InvalidArgument: The folder holds no pictures, or too few people for such a gallery.
    """
    began = time.perf_counter()
    folder = read_folder(images)
    size = default_gallery_size(folder.people, templates) if gallery_size is None else gallery_size
    if size < 1 or templates < 1 or draws < 1:
        raise InvalidArgument(
            f"a gallery, templates and draws of at least 1 are needed, got {size}, {templates}, {draws}"
        )
    faces = embed_folder(analyzer, folder, choice=choice, cache=cache, progress=progress)
    splits = list(open_set_splits(folder.people, size, draws=draws, templates=templates, seed=seed, usable=faces.found))
    searches = search_splits(faces, folder.people, splits, rule)
    return OpenSetResult(
        rank1=float(np.mean([rank_rate(scores) for scores in searches])),
        rank1_ci95=_rank1_interval(searches, seed),
        dir_at_fpir={f"{fpir:g}": _point(searches, fpir, seed) for fpir in FPIRS},
        gallery_size=size,
        templates=templates,
        rule=str(rule),
        n_mated=round(float(np.mean([len(split.mated) for split in splits]))),
        n_non_mated=round(float(np.mean([len(split.non_mated) for split in splits]))),
        n_non_mated_people=len(folder.person_names) - size,
        draws=draws,
        seed=seed,
        n_people=len(folder.person_names),
        fta=Rate(int(np.count_nonzero(~faces.found)), len(faces)),
        failures=faces.failures,
        contract=analyzer.contract.digest,
        data_digest=faces.data_digest,
        n_cached=faces.cached,
        seconds=time.perf_counter() - began,
        searches=tuple(searches),
        worst=_worst(faces, splits, searches),
    )


def _point(searches: Sequence[SearchScores], fpir: float, seed: int) -> DirAtFpir | None:
    if any(len(scores.non_mated_tops) * fpir < 1 for scores in searches):
        return None
    points = [dir_at_fpir(scores, fpir) for scores in searches]
    return DirAtFpir(
        rate=float(np.mean([rate for rate, _ in points])),
        ci95=dir_at_fpir_interval(searches, fpir, seed=seed),
        threshold=float(np.mean([threshold for _, threshold in points])),
    )


def _rank1_interval(searches: Sequence[SearchScores], seed: int) -> Interval:
    people = np.concatenate([scores.people[scores.mated] for scores in searches])
    draws = np.repeat(np.arange(len(searches)), [int(scores.mated.sum()) for scores in searches])
    first = np.concatenate([scores.rank[scores.mated] == 1 for scores in searches])
    names, who = np.unique(people, return_inverse=True)

    def mean_rate(weights: NDArray[np.int64]) -> float:
        drawn = weights[who]
        hits, trials = np.bincount(draws, weights=drawn * first), np.bincount(draws, weights=drawn)
        return float(np.mean(hits[trials > 0] / trials[trials > 0]))

    return percentile_interval(bootstrap_people(mean_rate, len(names), seed=seed))


def _worst(
    faces: EmbeddedPictures, splits: Sequence[OpenSetSplit], searches: Sequence[SearchScores]
) -> tuple[FalsePositive, ...]:
    """The highest non-mated scores of all draws, each pair of pictures once."""
    found: dict[tuple[str, str], float] = {}
    for split, scores in zip(splits, searches, strict=True):
        tops = scores.non_mated_tops
        for row in np.argsort(-tops, kind="stable")[:_WORST]:
            probe = split.non_mated[row]
            if not faces.found[probe]:
                continue
            cosines = faces.embeddings[split.gallery] @ faces.embeddings[probe]
            template = split.gallery[int(np.argmax(cosines))]
            pair = (faces.digests[probe], faces.digests[template])
            if pair[::-1] not in found:
                found[pair] = float(cosines.max())
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple(FalsePositive(probe, template, score) for (probe, template), score in ordered[:_WORST])
