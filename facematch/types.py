"""Values that cross layers: frozen, slotted, validated on construction, free of behaviour that needs a library.

Conventions (they hold everywhere in facematch):

* pictures are BGR ``uint8`` arrays of shape ``(H, W, 3)``, as in OpenCV;
* boxes are ``xyxy`` in pixels of the picture as decoded and turned upright, floating point;
* landmarks are five points, ``(5, 2)`` ``float32``: right eye, left eye, nose tip, right and left mouth corner, where
  right and left are the *subject's* own, so the right eye is the one at the left of the picture;
* embeddings are ``float32`` and have unit length; scores are raw cosines in ``[-1, 1]``;
* times are timezone-aware and in UTC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument, PictureRefusal

__all__ = [
    "Alert",
    "Box",
    "Candidate",
    "EmbeddingContract",
    "Enrolment",
    "Erasure",
    "Face",
    "FloatArray",
    "Identification",
    "Image",
    "ImageSource",
    "OperatingPoint",
    "PictureRefusal",
    "Probe",
    "SubjectRecord",
    "Verification",
    "Withdrawal",
]

Image: TypeAlias = NDArray[np.uint8]
"""BGR ``uint8`` pixels of shape ``(H, W, 3)``."""

FloatArray: TypeAlias = NDArray[np.float32]

ImageSource: TypeAlias = str | PathLike[str] | bytes | bytearray | memoryview | NDArray[Any]
"""Anything that decodes to a picture: a path, the bytes of a picture file, or pixels."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle ``(x1, y1, x2, y2)`` in pixels.

    Raises:
        InvalidArgument: A coordinate is not finite, or the box is inside out.
    """

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.x1, self.y1, self.x2, self.y2)):
            raise InvalidArgument(f"a box needs four finite coordinates, got {self.as_tuple()}")
        if self.x2 < self.x1 or self.y2 < self.y1:
            raise InvalidArgument(f"a box needs x1 <= x2 and y1 <= y2, got {self.as_tuple()}")

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """Centre ``(x, y)`` in pixels."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def as_tuple(self) -> tuple[float, float, float, float]:
        """``(x1, y1, x2, y2)``."""
        return self.x1, self.y1, self.x2, self.y2

    def iou(self, other: Box) -> float:
        """Intersection over union with ``other``, in ``[0, 1]``."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        if width <= 0 or height <= 0:
            return 0.0
        intersection = width * height
        union = self.area + other.area - intersection
        return intersection / union if union > 0 else 0.0

    def clipped(self, width: int, height: int) -> Box:
        """The part of the box inside a picture of ``width`` x ``height`` pixels (possibly of zero area)."""
        x1, x2 = (min(max(v, 0.0), float(width)) for v in (self.x1, self.x2))
        y1, y2 = (min(max(v, 0.0), float(height)) for v in (self.y1, self.y2))
        return Box(x1, y1, x2, y2)

    def expanded(self, fraction: float) -> Box:
        """The box grown on every side by ``fraction`` of its width and height (negative shrinks, down to a point)."""
        fraction = max(fraction, -0.5)
        dx, dy = self.width * fraction, self.height * fraction
        return Box(self.x1 - dx, self.y1 - dy, self.x2 + dx, self.y2 + dy)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face found in one picture.

    Attributes:
        box: Where it is, in pixels of the upright picture.
        landmarks: ``(5, 2)`` ``float32``; see the module's conventions.
        detection_score: The detector's score in ``[0, 1]``. It is not a probability of anything.
        embedding: Unit-length ``float32`` vector, or ``None`` where none was asked for or it must not be kept.
    """

    box: Box
    landmarks: FloatArray
    detection_score: float
    embedding: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.landmarks.shape != (5, 2):
            raise InvalidArgument(f"landmarks must have shape (5, 2), got {self.landmarks.shape}")
        if self.embedding is not None and self.embedding.ndim != 1:
            raise InvalidArgument(f"an embedding is one vector, got an array of shape {self.embedding.shape}")

    def with_embedding(self, embedding: FloatArray | None) -> Face:
        """The same face with another embedding, or with none."""
        return replace(self, embedding=embedding)


@dataclass(frozen=True, slots=True)
class EmbeddingContract:
    """What makes two embeddings comparable.

    Attributes:
        digest: SHA-256 (hex) over the embedder's model bytes, preprocessing, alignment template and dimension.
        dimension: Length of an embedding.
        embedder: Readable name of the embedder, for messages only.
    """

    digest: str
    dimension: int
    embedder: str

    def __post_init__(self) -> None:
        if len(self.digest) != 64 or any(c not in "0123456789abcdef" for c in self.digest):
            raise InvalidArgument(f"a contract digest is 64 lower-case hex digits, got {self.digest!r}")
        if self.dimension < 1:
            raise InvalidArgument(f"an embedding has at least one dimension, got {self.dimension}")


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A tested decision threshold and where it comes from.

    Attributes:
        threshold: Raw cosine; a subject whose score is at least this is a candidate.
        contract: Digest of the embedding contract it was measured with.
        error_rate: The tested error rate at the threshold.
        error_kind: ``"FMR"`` (1:1) or ``"FPIR"`` (1:N).
        measured_on: The data, in words.
        trials: Number of non-mated comparisons or searches behind it.
        measured_at: ISO date of the measurement.
    """

    threshold: float
    contract: str
    error_rate: float
    error_kind: str
    measured_on: str
    trials: int
    measured_at: str

    def __post_init__(self) -> None:
        if not -1.0 <= self.threshold <= 1.0:
            raise InvalidArgument(f"a threshold is a cosine in [-1, 1], got {self.threshold}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A subject whose score reaches the threshold. A candidate is for a person to judge; it is not an identity.

    Attributes:
        subject_id: The enrolled subject.
        score: Raw cosine in ``[-1, 1]`` against the subject's best template.
        template_id: The template that gave the score.
    """

    subject_id: str
    score: float
    template_id: int


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One face of a searched picture and what the search returned for it.

    Attributes:
        face: The face, always without its embedding.
        candidates: Highest score first; empty when nobody on the list reaches the threshold.
    """

    face: Face
    candidates: tuple[Candidate, ...] = ()

    @property
    def best(self) -> Candidate | None:
        """The first candidate, or ``None``: nobody on the list, at this threshold."""
        return self.candidates[0] if self.candidates else None


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """The answer to one ``identify`` call.

    Attributes:
        probes: One per face found, in reading order; empty when the picture shows no face.
        threshold: The threshold that was applied, a raw cosine.
        gallery_size: Number of subjects that the search was allowed to reach.
        generation: Generation of the database that the answer holds for.
        contract: Digest of the embedding contract.
        purpose: The purpose that the search was made for.
        site: The site it was made for, or ``None``.
    """

    probes: tuple[Probe, ...]
    threshold: float
    gallery_size: int
    generation: int
    contract: str
    purpose: str
    site: str | None

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates of all probes, best first, each subject once."""
        best: dict[str, Candidate] = {}
        for candidate in sorted((c for p in self.probes for c in p.candidates), key=lambda c: (-c.score, c.subject_id)):
            best.setdefault(candidate.subject_id, candidate)
        return tuple(best.values())

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain data, ready for JSON."""
        return {
            "probes": [
                {
                    "box": [round(v, 2) for v in probe.face.box.as_tuple()],
                    "detection_score": round(probe.face.detection_score, 6),
                    "candidates": [{"subject_id": c.subject_id, "score": round(c.score, 6)} for c in probe.candidates],
                }
                for probe in self.probes
            ],
            "threshold": self.threshold,
            "gallery_size": self.gallery_size,
            "generation": self.generation,
            "contract": self.contract,
            "purpose": self.purpose,
            "site": self.site,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer to one ``verify`` call (1:1).

    Attributes:
        subject_id: The claimed subject.
        outcome: ``"match"``, ``"no_match"``, ``"no_face"`` or ``"several_faces"``.
        score: Raw cosine against the subject's best template; ``None`` unless the outcome is a match.
        threshold: The threshold that was applied.
        contract: Digest of the embedding contract.
    """

    subject_id: str
    outcome: str
    score: float | None
    threshold: float
    contract: str

    @property
    def matched(self) -> bool:
        """Whether the score reached the threshold."""
        return self.outcome == "match"

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain data, ready for JSON."""
        return {
            "subject_id": self.subject_id,
            "outcome": self.outcome,
            "matched": self.matched,
            "score": None if self.score is None else round(self.score, 6),
            "threshold": self.threshold,
            "contract": self.contract,
        }


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What one ``enroll`` call stored.

    Attributes:
        subject_id: The subject.
        template_ids: The new templates, one a picture used.
        refusals: The pictures that were not used, and why.
        consent_record_id: The consent record that the templates stand on.
        valid_until: When that consent ends.
        generation: Generation of the database after the commit.
    """

    subject_id: str
    template_ids: tuple[int, ...]
    refusals: tuple[PictureRefusal, ...]
    consent_record_id: str
    valid_until: datetime
    generation: int


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Receipt of ``withdraw``: from ``generation`` on, no search in any process can return the subject."""

    subject_id: str
    reason: str
    withdrawn_at: datetime
    consent_record_ids: tuple[str, ...]
    generation: int


@dataclass(frozen=True, slots=True)
class Erasure:
    """Receipt of ``erase``: what was removed from the database."""

    subject_id: str
    reason: str
    erased_at: datetime
    templates_erased: int
    consent_records_erased: int
    generation: int


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """One line of the list of subjects.

    Attributes:
        subject_id: The subject.
        state: ``"active"`` when a search may return the subject now, else ``"withdrawn"``, ``"expired"`` or
            ``"pending"`` (validity has not begun).
        purposes: Purposes that the consent in force names.
        sites: Sites that it names.
        templates: Number of templates stored.
        valid_until: End of the latest consent.
    """

    subject_id: str
    state: str
    purposes: tuple[str, ...]
    sites: tuple[str, ...]
    templates: int
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """A passage whose fused template has at least one candidate. It waits for a person; nothing acts on it.

    Attributes:
        alert_id: Random, unique.
        candidates: Highest score first, never empty.
        started_at: Start of the passage, UTC.
        ended_at: End of the passage, UTC.
        start_s: Start of the passage in seconds from the first frame.
        end_s: End of the passage in seconds from the first frame.
        frames: Number of frames in which the face was detected.
        shots: Number of embeddings fused.
        best_frame_s: Time of the best shot, in seconds from the first frame.
        best_box: Where the face is in that frame.
        source: Name of the camera or recording.
        purpose: Purpose of the search.
        site: Site of the search, or ``None``.
        threshold: Threshold that was applied.
        gallery_size: Number of subjects that the search could reach.
        generation: Generation of the gallery.
        contract: Digest of the embedding contract.
    """

    alert_id: str
    candidates: tuple[Candidate, ...]
    started_at: datetime
    ended_at: datetime
    start_s: float
    end_s: float
    frames: int
    shots: int
    best_frame_s: float
    best_box: Box
    source: str
    purpose: str
    site: str | None
    threshold: float
    gallery_size: int
    generation: int
    contract: str

    @property
    def subject_id(self) -> str:
        """Subject of the first candidate."""
        return self.candidates[0].subject_id

    @property
    def score(self) -> float:
        """Score of the first candidate, a raw cosine."""
        return self.candidates[0].score

    def to_dict(self) -> dict[str, Any]:
        """The alert as plain data, ready for JSON."""
        return {
            "alert_id": self.alert_id,
            "subject_id": self.subject_id,
            "score": round(self.score, 6),
            "candidates": [{"subject_id": c.subject_id, "score": round(c.score, 6)} for c in self.candidates],
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "frames": self.frames,
            "shots": self.shots,
            "best_frame_s": round(self.best_frame_s, 3),
            "best_box": [round(v, 1) for v in self.best_box.as_tuple()],
            "source": self.source,
            "purpose": self.purpose,
            "site": self.site,
            "threshold": self.threshold,
            "gallery_size": self.gallery_size,
            "generation": self.generation,
            "contract": self.contract,
        }
