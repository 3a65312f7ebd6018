"""The LFW protocol: 6,000 pairs in ten folds, and all pairs of the same pictures for a threshold.

Huang, Ramesh, Berg, Learned-Miller: "Labeled Faces in the Wild", UMass Amherst TR 07-49, 2007. The 3,000 non-mated
pairs of the protocol are too few to place a threshold at a false match rate of 1e-3 (three errors decide); all
non-mated pairs of the same pictures are tens of millions of comparisons, though of no more people.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.evaluation.verification import fold_accuracies, pairwise_histogram
from facematch.imaging import decode
from facematch.protocols import Analyzer, Progress
from facematch.types import Face, FloatArray, Image

__all__ = ["LfwResult", "evaluate_lfw", "read_pairs"]

_BATCH: Final = 32
_FMRS: Final = (1e-2, 1e-3, 1e-4)


@dataclass(frozen=True, slots=True)
class LfwResult:
    """What the LFW protocol measured.

    Attributes:
        accuracy: Mean accuracy over the ten folds, in ``[0, 1]``.
        std: Standard deviation over the folds.
        n_pairs: Number of pairs that were scored.
        failures: Pictures in which no face was found; their pairs count as non-matches.
        thresholds: Threshold, measured FMR and FNMR by nominal FMR, over all pairs of the pictures; only
            rates that so many comparisons can show.
        n_images: Number of pictures.
        n_people: Number of people in them.
        n_non_mated: Non-mated comparisons behind ``thresholds``.
        contract: Digest of the embedding contract.
        seconds: How long it took.
    """

    accuracy: float
    std: float
    n_pairs: int
    failures: tuple[str, ...]
    thresholds: dict[str, dict[str, float]]
    n_images: int
    n_people: int
    n_non_mated: int
    contract: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "accuracy": round(self.accuracy, 6),
            "std": round(self.std, 6),
            "n_pairs": self.n_pairs,
            "failures": list(self.failures),
            "thresholds": self.thresholds,
            "n_images": self.n_images,
            "n_people": self.n_people,
            "n_non_mated": self.n_non_mated,
            "contract": self.contract,
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


def evaluate_lfw(analyzer: Analyzer, images: Path, pairs: Path, *, progress: Progress | None = None) -> LfwResult:
    """Run the LFW protocol.

    In every picture the face nearest the centre counts, as the data set means it.

    Args:
        analyzer: The models to evaluate.
        images: Folder with a folder a person.
        pairs: LFW's ``pairs.txt``.
        progress: Called with pictures done and pictures in all.

    Raises:
        InvalidArgument: ``pairs`` is not in LFW's format, or a picture it names is missing.
    """
    began = time.perf_counter()
    protocol = read_pairs(pairs)
    named = {name for _, first, second, _ in protocol for name in (first, second)}
    if missing := sorted(name for name in named if not (images / name).is_file()):
        raise InvalidArgument(f"{len(missing)} pictures of {pairs} are not in {images}, first {missing[0]}")
    names = sorted(str(path.relative_to(images)) for path in images.glob("*/*.jpg"))
    embeddings, failures = _embed(analyzer, images, names, progress)
    people = np.unique([name.split("/")[0] for name in embeddings], return_inverse=True)[1]
    histogram = pairwise_histogram(np.stack(list(embeddings.values())), people)
    scores = np.array([_score(embeddings, first, second) for _, first, second, _ in protocol])
    accuracies = fold_accuracies(
        scores, np.array([same for *_, same in protocol]), np.array([fold for fold, *_ in protocol])
    )
    thresholds = {}
    n_non_mated = int(histogram.non_mated.sum())
    for fmr in (rate for rate in _FMRS if rate * n_non_mated >= 1):
        threshold = histogram.threshold_at_fmr(fmr)
        measured_fmr, fnmr = histogram.rates_at(threshold)
        thresholds[f"{fmr:g}"] = {"threshold": round(threshold, 6), "fmr": measured_fmr, "fnmr": fnmr}
    return LfwResult(
        accuracy=float(accuracies.mean()),
        std=float(accuracies.std()),
        n_pairs=len(protocol),
        failures=failures,
        thresholds=thresholds,
        n_images=len(names),
        n_people=int(people.max()) + 1,
        n_non_mated=n_non_mated,
        contract=analyzer.contract.digest,
        seconds=time.perf_counter() - began,
    )


def _embed(
    analyzer: Analyzer, images: Path, names: Sequence[str], progress: Progress | None
) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    embeddings: dict[str, FloatArray] = {}
    failures = []
    for start in range(0, len(names), _BATCH):
        batch = names[start : start + _BATCH]
        pictures = [decode(images / name).pixels for name in batch]
        chosen = [_central(faces, picture) for faces, picture in zip(analyzer.detect(pictures), pictures, strict=True)]
        found = [(name, picture, face) for name, picture, face in zip(batch, pictures, chosen, strict=True) if face]
        failures += [name for name, face in zip(batch, chosen, strict=True) if face is None]
        if found:
            crops: NDArray[np.uint8] = np.concatenate([analyzer.align(picture, [face]) for _, picture, face in found])
            embeddings |= {name: e for (name, _, _), e in zip(found, analyzer.embed(crops), strict=True)}
        if progress is not None:
            progress(start + len(batch), len(names))
    return embeddings, tuple(failures)


def _central(faces: Sequence[Face], picture: Image) -> Face | None:
    height, width = picture.shape[:2]
    return min(
        faces,
        key=lambda face: (face.box.center[0] - width / 2) ** 2 + (face.box.center[1] - height / 2) ** 2,
        default=None,
    )


def _score(embeddings: dict[str, FloatArray], first: str, second: str) -> float:
    if first not in embeddings or second not in embeddings:
        return -1.0
    return float(embeddings[first] @ embeddings[second])
