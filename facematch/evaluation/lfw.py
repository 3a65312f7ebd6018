"""The LFW protocol: 6,000 pairs in ten folds, and all pairs of the same pictures for a threshold.

Huang, Ramesh, Berg, Learned-Miller: "Labeled Faces in the Wild", UMass Amherst TR 07-49, 2007. The 3,000 non-mated
pairs of the protocol are too few to place a threshold at a false match rate of 1e-3 (three errors decide); all
non-mated pairs of the same pictures are tens of millions of comparisons, though of no more people.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.evaluation.cache import EmbeddingCache
from facematch.evaluation.pictures import check_pictures, embed_folder, read_folder
from facematch.evaluation.verification import ScoreHistogram, det_curve, fold_accuracies, pairwise_histogram
from facematch.protocols import Analyzer, Progress

__all__ = ["LfwResult", "evaluate_lfw", "read_pairs"]

_FMRS: Final = (1e-2, 1e-3, 1e-4)
_TPR_FMRS: Final = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True, slots=True, eq=False)
class LfwResult:
    """Result of the LFW protocol.

    Attributes:
        accuracy: Mean accuracy over the ten folds, in ``[0, 1]``.
        std: Standard deviation over the folds, as published figures state it.
        standard_error: Standard error of the mean accuracy.
        auc: Area under the ROC of the pairs.
        eer: Equal error rate of the pairs.
        tpr_at_fmr: 1 - FNMR of the pairs by FMR; only rates that so many pairs can show.
        n_pairs: Number of pairs that were scored.
        failures: Pictures in which no face was found; their pairs count as non-matches.
        thresholds: Threshold, measured FMR and FNMR by nominal FMR, over all pairs of the pictures; only
            rates that so many comparisons can show.
        n_images: Number of pictures.
        n_people: Number of people in them.
        n_non_mated: Non-mated comparisons behind ``thresholds``.
        contract: Digest of the embedding contract.
        data_digest: SHA-256 over the pictures' digests.
        n_cached: Pictures whose embeddings came from the cache.
        seconds: How long it took.
        scores: ``(n_pairs,)`` cosines, for figures; not part of :meth:`to_dict`, nor is what follows.
        same: ``(n_pairs,)``, whether a pair is mated.
        pictures: Digests of each pair's pictures.
        histogram: Scores of all pairs of the pictures.
    """

    accuracy: float
    std: float
    standard_error: float
    auc: float
    eer: float
    tpr_at_fmr: dict[str, float]
    n_pairs: int
    failures: tuple[str, ...]
    thresholds: dict[str, dict[str, float]]
    n_images: int
    n_people: int
    n_non_mated: int
    contract: str
    data_digest: str
    n_cached: int
    seconds: float
    scores: NDArray[np.float64] = field(repr=False)
    same: NDArray[np.bool_] = field(repr=False)
    pictures: tuple[tuple[str, str], ...] = field(repr=False)
    histogram: ScoreHistogram = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "accuracy": round(self.accuracy, 6),
            "std": round(self.std, 6),
            "standard_error": round(self.standard_error, 6),
            "auc": round(self.auc, 6),
            "eer": round(self.eer, 6),
            "tpr_at_fmr": {fmr: round(rate, 6) for fmr, rate in self.tpr_at_fmr.items()},
            "n_pairs": self.n_pairs,
            "failures": list(self.failures),
            "thresholds": self.thresholds,
            "n_images": self.n_images,
            "n_people": self.n_people,
            "n_non_mated": self.n_non_mated,
            "contract": self.contract,
            "data_digest": self.data_digest,
            "n_cached": self.n_cached,
            "seconds": round(self.seconds, 1),
        }


def read_pairs(path: Path) -> list[tuple[int, str, str, bool]]:
    """Read ``pairs.txt``.

    Returns:
        ``(fold, picture, picture, same)`` a pair; pictures as ``Name/Name_0001.jpg``.

    Raises:
        InvalidArgument: The file cannot be read or is not in LFW's format.
    """
    try:
        header, *lines = path.read_text("utf-8").splitlines()
        folds, per_half = (int(number) for number in header.split())
        pairs = []
        for number, line in enumerate(line for line in lines if line.strip()):
            fields = line.split("\t") if "\t" in line else line.split()
            first, second = (
                ((fields[0], fields[1]), (fields[0], fields[2]))
                if len(fields) == 3
                else ((fields[0], fields[1]), (fields[2], fields[3]))
            )
            names = [f"{who}/{who}_{int(which):04d}.jpg" for who, which in (first, second)]
            pairs.append((number // (2 * per_half), names[0], names[1], len(fields) == 3))
    except (OSError, ValueError, IndexError) as error:
        raise InvalidArgument(f"{path} is not a pairs file of LFW: {error}", hint="give LFW's own pairs.txt") from error
    if len(pairs) != folds * 2 * per_half:
        raise InvalidArgument(
            f"{path} announces {folds * 2 * per_half} pairs and holds {len(pairs)}", hint="the file may be cut off"
        )
    return pairs


def evaluate_lfw(
    analyzer: Analyzer,
    images: Path,
    pairs: Path,
    *,
    cache: EmbeddingCache | None = None,
    progress: Progress | None = None,
) -> LfwResult:
    """Run the LFW protocol.

    In every picture the face nearest the center counts, as the data set means it.

    Args:
        analyzer: The models to evaluate.
        images: Folder with a folder a person.
        pairs: LFW's ``pairs.txt``.
        cache: Where embeddings are looked up and kept, opened for this analyzer; default: nowhere.
        progress: Called with pictures done and pictures in all.

    Raises:
        InvalidArgument: ``pairs`` is not in LFW's format, or a picture it names is missing.
    """
    began = time.perf_counter()
    protocol = read_pairs(pairs)
    named = sorted({name for _, first, second, _ in protocol for name in (first, second)})
    check_pictures([images / name for name in named], named)
    folder = read_folder(images)
    faces = embed_folder(analyzer, folder, cache=cache, progress=progress)
    row = {name: number for number, name in enumerate(folder.names)}
    scores = np.array([faces.score(row[first], row[second]) for _, first, second, _ in protocol])
    same = np.array([same for *_, same in protocol])
    accuracies = fold_accuracies(scores, same, np.array([fold for fold, *_ in protocol]))
    curve = det_curve(scores[same], scores[~same])
    people = np.unique(folder.people[faces.found], return_inverse=True)[1]
    histogram = pairwise_histogram(faces.embeddings[faces.found], people)
    thresholds = {}
    n_non_mated = int(histogram.non_mated.sum())
    for fmr in (rate for rate in _FMRS if rate * n_non_mated >= 1):
        threshold = histogram.threshold_at_fmr(fmr)
        measured_fmr, fnmr = histogram.rates_at(threshold)
        thresholds[f"{fmr:g}"] = {"threshold": round(threshold, 6), "fmr": measured_fmr, "fnmr": fnmr}
    return LfwResult(
        accuracy=float(accuracies.mean()),
        std=float(accuracies.std()),
        standard_error=float(accuracies.std(ddof=1) / np.sqrt(len(accuracies))),
        auc=curve.auc,
        eer=curve.eer,
        tpr_at_fmr={f"{fmr:g}": curve.tpr_at_fmr(fmr) for fmr in _TPR_FMRS if fmr * np.count_nonzero(~same) >= 1},
        n_pairs=len(protocol),
        failures=faces.failures,
        thresholds=thresholds,
        n_images=len(folder.names),
        n_people=int(people.max()) + 1,
        n_non_mated=n_non_mated,
        contract=analyzer.contract.digest,
        data_digest=faces.data_digest,
        n_cached=faces.cached,
        seconds=time.perf_counter() - began,
        scores=scores,
        same=same,
        pictures=tuple((faces.digests[row[first]], faces.digests[row[second]]) for _, first, second, _ in protocol),
        histogram=histogram,
    )
