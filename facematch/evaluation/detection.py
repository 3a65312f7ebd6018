"""Detection on a list in WIDER FACE's format: average precision, recall by height, false positives a picture.

Yang, Luo, Loy, Tang: "WIDER FACE: A Face Detection Benchmark", CVPR 2016. As there, detections are taken from the
highest score down and each is matched to the face that it overlaps most; true from an intersection over union of 0.5.
Faces flagged invalid or under 20 pixels of height neither count as missed nor make the detections on them false.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.evaluation.pictures import check_pictures
from facematch.faces import FaceAnalyzer
from facematch.faces.provenance import describe_detector
from facematch.protocols import Progress

__all__ = ["DetectionResult", "TrueFaces", "average_precision", "evaluate_detection", "match_detections", "read_wider"]

IOU: Final = 0.5
MIN_HEIGHT: Final = 20
HEIGHTS: Final = (20, 50, 100)
FLOOR: Final = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class TrueFaces:
    """The faces of one picture.

    Attributes:
        boxes: ``(N, 4)`` ``float64`` ``xyxy`` in pixels.
        ignored: ``(N,)``, whether a face neither counts nor punishes.
    """

    boxes: NDArray[np.float64]
    ignored: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class DetectionResult:
    """Result of the detection protocol.

    Attributes:
        ap: Average precision over all scores: the area under precision over recall.
        recall_at_height: Share of faces found among those at least so many pixels high, at ``score_threshold``;
            ``None`` where there are none.
        false_positives_per_image: Detections on no face, at ``score_threshold``.
        precision: Share of detections that are faces, at ``score_threshold``.
        score_threshold: The detector's own; detections down to 0.02 count for ``ap``.
        n_images: Number of pictures.
        n_faces: Number of faces that count.
        n_ignored: Number of faces that neither count nor punish.
        detector: The detector and its settings.
        seconds: How long detection took.
        curve: ``(2, K)`` recall and precision from the highest score down; not part of :meth:`to_dict`.
    """

    ap: float
    recall_at_height: dict[str, float | None]
    false_positives_per_image: float
    precision: float | None
    score_threshold: float
    n_images: int
    n_faces: int
    n_ignored: int
    detector: Mapping[str, Any]
    seconds: float
    curve: NDArray[np.float64] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "ap": round(self.ap, 6),
            "recall_at_height": {
                height: None if recall is None else round(recall, 6) for height, recall in self.recall_at_height.items()
            },
            "false_positives_per_image": round(self.false_positives_per_image, 6),
            "precision": None if self.precision is None else round(self.precision, 6),
            "score_threshold": self.score_threshold,
            "n_images": self.n_images,
            "n_faces": self.n_faces,
            "n_ignored": self.n_ignored,
            "detector": dict(self.detector),
            "seconds": round(self.seconds, 1),
        }


def read_wider(path: Path) -> dict[str, TrueFaces]:
    """Read a list in WIDER FACE's format: path, count, then ``x y w h blur expression illumination invalid …`` a face.

    Returns:
        Faces by picture, in the file's order.

    Raises:
        InvalidArgument: The file cannot be read or is not in that format.
    """
    faces: dict[str, TrueFaces] = {}
    number = 0
    try:
        lines = path.read_text("utf-8").splitlines()
        while number < len(lines):
            name, count = lines[number].strip(), int(lines[number + 1])
            number += 2
            if name in faces or count < 0:
                raise ValueError(f"{name} is named twice" if name in faces else f"a count of {count}")
            faces[name] = _true_faces(lines[number : number + count], count)
            number += count
            if count == 0 and number < len(lines) and set(lines[number].split()) == {"0"}:
                number += 1  # the published list has a line of zeros for a picture without faces
    except (OSError, ValueError, IndexError) as error:
        raise InvalidArgument(
            f"{path} is no list in WIDER FACE's format (line {number + 1}): {error}",
            hint="a path, a count, and a line of numbers a face",
        ) from error
    if not faces:
        raise InvalidArgument(f"{path} names no picture")
    return faces


def match_detections(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], truth: TrueFaces, iou: float = IOU
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Judge the detections of one picture.

    Args:
        boxes: ``(D, 4)`` detections, ``xyxy``.
        scores: ``(D,)`` their scores.
        truth: The faces.
        iou: Overlap from which a detection is on a face.

    Returns:
        ``(D,)`` 1 for true, 0 for false, -1 for neither (on an ignored face); and ``(N,)`` the score at which each face
        was found, ``-inf`` where it was not.
    """
    verdicts = np.zeros(len(boxes), dtype=np.int8)
    found_at = np.full(len(truth.boxes), -np.inf)
    overlaps = _iou(np.asarray(boxes, dtype=np.float64), truth.boxes)
    for detection in np.argsort(-np.asarray(scores), kind="stable") if len(truth.boxes) else ():
        face = int(np.argmax(overlaps[detection]))
        if overlaps[detection, face] < iou:
            continue
        if truth.ignored[face]:
            verdicts[detection] = -1
        elif found_at[face] == -np.inf:
            verdicts[detection] = 1
            found_at[face] = scores[detection]
    return verdicts, found_at


def average_precision(
    scores: NDArray[np.floating], true: NDArray[np.bool_], n_faces: int
) -> tuple[float, NDArray[np.float64]]:
    """Area under precision over recall, precision made monotonous from the right (Pascal VOC 2010 and later).

    Args:
        scores: ``(D,)`` scores of the detections that count.
        true: ``(D,)`` whether each is on a face.
        n_faces: Faces there are.

    Returns:
        The area, and ``(2, D)`` recall and precision from the highest score down.

    Raises:
        InvalidArgument: There is no face.
    """
    if n_faces < 1:
        raise InvalidArgument("average precision needs at least one face")
    hits = np.cumsum(true[np.argsort(-scores, kind="stable")])
    recall, precision = hits / n_faces, hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    area = float(np.sum(np.diff(recall, prepend=0.0) * envelope))
    return area, np.stack([recall, precision])


def evaluate_detection(
    analyzer: FaceAnalyzer, images: Path, truth: Path, *, progress: Progress | None = None
) -> DetectionResult:
    """Measure the detector of an analyzer.

    Args:
        analyzer: The models; only the detector is used, as it is set up.
        images: Folder that the list's paths are relative to.
        truth: The list, see :func:`read_wider`.
        progress: Called with pictures done and pictures in all.

    Raises:
        InvalidArgument: The list is malformed, pictures are missing, or no face counts.
        ImageDecodeError: A picture cannot be decoded.
    """
    faces = read_wider(truth)
    check_pictures([images / name for name in faces], list(faces))
    own = getattr(analyzer.detector, "score_threshold", None)
    began = time.perf_counter()
    scores, verdicts, heights, found_at = [], [], [], []
    for done, (name, true) in enumerate(faces.items()):
        ((clear, faint),) = analyzer.detect_faint([images / name], FLOOR)
        detections = [*clear, *faint]
        boxes = np.array([face.box.as_tuple() for face in detections], dtype=np.float64).reshape(-1, 4)
        found = np.array([face.detection_score for face in detections], dtype=np.float64)
        verdict, at = match_detections(boxes, found, true)
        scores.append(found)
        verdicts.append(verdict)
        heights.append((true.boxes[:, 3] - true.boxes[:, 1])[~true.ignored])
        found_at.append(at[~true.ignored])
        if progress is not None:
            progress(done + 1, len(faces))
    seconds = time.perf_counter() - began
    score, verdict = np.concatenate(scores), np.concatenate(verdicts)
    height, at = np.concatenate(heights), np.concatenate(found_at)
    threshold = float(own) if isinstance(own, float | int) else float(score.min(initial=0.0))
    area, curve = average_precision(score[verdict >= 0], verdict[verdict >= 0] == 1, len(height))
    clear_ones = verdict[score >= threshold]
    judged = np.count_nonzero(clear_ones >= 0)
    return DetectionResult(
        ap=area,
        recall_at_height={str(h): _share(at[height >= h] >= threshold) for h in HEIGHTS},
        false_positives_per_image=float(np.count_nonzero(clear_ones == 0) / len(faces)),
        precision=float(np.count_nonzero(clear_ones == 1) / judged) if judged else None,
        score_threshold=threshold,
        n_images=len(faces),
        n_faces=len(height),
        n_ignored=int(sum(true.ignored.sum() for true in faces.values())),
        detector=describe_detector(analyzer),
        seconds=seconds,
        curve=curve,
    )


def _true_faces(lines: Sequence[str], count: int) -> TrueFaces:
    rows = [[float(value) for value in line.split()][:8] for line in lines]
    if len(rows) < count or any(len(row) < 8 for row in rows):
        raise ValueError(f"{count} lines with at least eight numbers are expected")
    table = np.array(rows, dtype=np.float64).reshape(count, 8)
    boxes = np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1)
    return TrueFaces(boxes, (table[:, 7] != 0) | (table[:, 3] < MIN_HEIGHT) | (table[:, 2] <= 0))


def _share(found: NDArray[np.bool_]) -> float | None:
    return float(found.mean()) if len(found) else None


def _iou(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))
