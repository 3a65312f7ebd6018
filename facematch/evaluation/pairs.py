"""Verification on a list of pairs: a CSV ``image_a,image_b,same``, judged at the pack's tested threshold."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.errors import ContractMismatch, InvalidArgument
from facematch.evaluation.cache import EmbeddingCache
from facematch.evaluation.intervals import Rate
from facematch.evaluation.pictures import FaceChoice, embed_pictures
from facematch.evaluation.tables import read_table
from facematch.evaluation.verification import DetCurve, accuracy, det_curve
from facematch.matching.threshold import check_threshold
from facematch.protocols import Analyzer, Progress

__all__ = ["Pair", "VerificationResult", "evaluate_verification", "read_pair_list"]


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of the list.

    Attributes:
        first: A picture, as the list names it.
        second: Another one.
        same: Whether both show the same person.
    """

    first: str
    second: str
    same: bool


@dataclass(frozen=True, slots=True, eq=False)
class VerificationResult:
    """Result of the comparison of a list of pairs.

    Attributes:
        threshold: Raw cosine that decided; ``None`` where the pack has no tested one and none was given.
        accuracy_at_threshold: Share of pairs decided rightly; ``None`` without a threshold.
        accuracy_best: Share at the best threshold for these very pairs: an upper end, not a promise.
        fmr: Non-mated pairs at or above the threshold; ``None`` without a threshold.
        fnmr: Mated pairs below the threshold; ``None`` without a threshold.
        curve: DET curve; ``None`` unless there are mated and non-mated pairs.
        n_pairs: Number of pairs.
        failures: Pictures without a face; their pairs score -1 and count as non-matches.
        contract: Digest of the embedding contract.
        data_digest: SHA-256 over the pictures' digests.
        n_cached: Pictures whose embeddings came from the cache.
        seconds: How long it took.
        scores: ``(n_pairs,)`` cosines; not part of :meth:`to_dict`, nor is what follows.
        same: ``(n_pairs,)``, whether a pair is mated.
        pictures: Digests of each pair's pictures.
    """

    threshold: float | None
    accuracy_at_threshold: float | None
    accuracy_best: float
    fmr: Rate | None
    fnmr: Rate | None
    curve: DetCurve | None
    n_pairs: int
    failures: tuple[str, ...]
    contract: str
    data_digest: str
    n_cached: int
    seconds: float
    scores: NDArray[np.float64] = field(repr=False)
    same: NDArray[np.bool_] = field(repr=False)
    pictures: tuple[tuple[str, str], ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data; intervals take pairs as independent."""
        fmr, fnmr = (None if rate is None else rate.to_dict() for rate in (self.fmr, self.fnmr))
        right = self.accuracy_at_threshold
        return {
            "accuracy_at_threshold": None if right is None else round(right, 6),
            "threshold": self.threshold,
            "accuracy_best": round(self.accuracy_best, 6),
            "fmr": None if fmr is None else fmr["rate"],
            "fmr_ci95": None if fmr is None else fmr["ci95"],
            "fnmr": None if fnmr is None else fnmr["rate"],
            "fnmr_ci95": None if fnmr is None else fnmr["ci95"],
            "auc": None if self.curve is None else round(self.curve.auc, 6),
            "eer": None if self.curve is None else round(self.curve.eer, 6),
            "n_pairs": self.n_pairs,
            "n_mated": int(np.count_nonzero(self.same)),
            "n_non_mated": int(np.count_nonzero(~self.same)),
            "failures": list(self.failures),
            "contract": self.contract,
            "data_digest": self.data_digest,
            "n_cached": self.n_cached,
            "seconds": round(self.seconds, 1),
        }


def read_pair_list(path: Path) -> list[Pair]:
    """Read a CSV with the header ``image_a,image_b,same``; further columns are ignored.

    Raises:
        InvalidArgument: It cannot be read, lacks a column or a value, or ``same`` is neither 0 nor 1.
    """
    return [_pair(path, number, row) for number, row in _rows(path)]


def evaluate_verification(
    analyzer: Analyzer,
    pairs: Path,
    *,
    images: Path | None = None,
    threshold: float | None = None,
    choice: FaceChoice = "central",
    cache: EmbeddingCache | None = None,
    progress: Progress | None = None,
) -> VerificationResult:
    """Judge a list of pairs.

    Args:
        analyzer: The models.
        pairs: The list, see :func:`read_pair_list`.
        images: Folder that the list's paths are relative to; default: the list's own.
        threshold: Raw cosine that decides; default: the pack's operating point.
        choice: Which face of a picture counts.
        cache: Where embeddings are looked up and kept, opened for this analyzer and ``choice``.
        progress: Called with pictures done and pictures in all.

    Raises:
        InvalidArgument: The list is malformed, or pictures are missing.
        ContractMismatch: The pack's operating point is of another embedding contract.
    """
    began = time.perf_counter()
    decided = operational_threshold(analyzer, threshold)
    listed = read_pair_list(pairs)
    root = pairs.parent if images is None else images
    names = sorted({name for pair in listed for name in (pair.first, pair.second)})
    faces = embed_pictures(
        analyzer, [root / name for name in names], names=names, choice=choice, cache=cache, progress=progress
    )
    row = {name: number for number, name in enumerate(names)}
    scores = np.array([faces.score(row[pair.first], row[pair.second]) for pair in listed])
    same = np.array([pair.same for pair in listed])
    both = bool(same.any() and not same.all())
    curve = det_curve(scores[same], scores[~same]) if both else None
    return VerificationResult(
        threshold=decided,
        accuracy_at_threshold=None if decided is None else accuracy(scores, same, decided),
        accuracy_best=1.0 if curve is None else _best_accuracy(curve, same),
        fmr=_rate(scores[~same], decided, False),
        fnmr=_rate(scores[same], decided, True),
        curve=curve,
        n_pairs=len(listed),
        failures=faces.failures,
        contract=analyzer.contract.digest,
        data_digest=faces.data_digest,
        n_cached=faces.cached,
        seconds=time.perf_counter() - began,
        scores=scores,
        same=same,
        pictures=tuple((faces.digests[row[pair.first]], faces.digests[row[pair.second]]) for pair in listed),
    )


def operational_threshold(analyzer: Analyzer, threshold: float | None = None) -> float | None:
    """The threshold to judge by: the one given, else the pack's tested one, else ``None``.

    An evaluation may try any threshold, also a lower one; only searches of a watchlist may not.

    Raises:
        InvalidArgument: ``threshold`` is no raw cosine.
        ContractMismatch: The pack's operating point is of another embedding contract.
    """
    if threshold is not None:
        return check_threshold(threshold)
    point = analyzer.operating_point
    if point is None:
        return None
    if point.contract != analyzer.contract.digest:
        raise ContractMismatch(
            f"the tested threshold belongs to the embedding contract {point.contract[:12]}…, "
            f"the embeddings to {analyzer.contract.digest[:12]}…",
            hint="give a threshold",
        )
    return point.threshold


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    return read_table(path, ("image_a", "image_b", "same"))


def _pair(path: Path, number: int, row: Mapping[str, str]) -> Pair:
    if row["same"] not in {"0", "1"}:
        raise InvalidArgument(f"{path}, line {number}: same is 0 or 1, got {row['same']!r}")
    return Pair(row["image_a"], row["image_b"], row["same"] == "1")


def _rate(scores: NDArray[np.float64], threshold: float | None, mated: bool) -> Rate | None:
    if threshold is None or len(scores) == 0:
        return None
    return Rate(int(np.count_nonzero((scores >= threshold) != mated)), len(scores))


def _best_accuracy(curve: DetCurve, same: NDArray[np.bool_]) -> float:
    mated = float(np.mean(same))
    return float(np.max(mated * (1 - curve.fnmr) + (1 - mated) * (1 - curve.fmr)))
