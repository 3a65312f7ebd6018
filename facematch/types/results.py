"""Answers of the watchlist and the video pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from facematch.errors import InvalidArgument, PictureRefusal
from facematch.types.faces import Box, Face
from facematch.types.plain import PlainResult, to_plain
from facematch.types.quality import FaceQuality

__all__ = [
    "Alert",
    "Candidate",
    "Enrollment",
    "EnrollmentPreview",
    "Identification",
    "OperatingPoint",
    "PicturePreview",
    "Probe",
    "SearchTerms",
    "Verification",
]


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
        rule: How a subject's score comes from its templates' scores: ``max``, ``mean_template``, ``mean_top_3`` …
        gallery_size: Subjects that a tested FPIR holds up to; ``None`` where it is an FMR.
        templates: Templates a subject that it was tested with, likewise.
    """

    threshold: float
    contract: str
    error_rate: float
    error_kind: str
    measured_on: str
    trials: int
    measured_at: str
    rule: str = "max"
    gallery_size: int | None = None
    templates: int | None = None

    def __post_init__(self) -> None:
        if not -1.0 <= self.threshold <= 1.0:
            raise InvalidArgument(f"a threshold is a cosine in [-1, 1], got {self.threshold}")

    def planned_fpir(self, gallery_size: int) -> float | None:
        """FPIR expected at another gallery size, **for planning only**: nothing was tested there.

        ``1 - (1 - FPIR)^(N' / N)``, which is ``1 - (1 - FMR)^N'`` with the FMR that the tested rate implies if
        comparisons were independent. ``None`` where an FMR was tested and not an FPIR.

        Args:
            gallery_size: Subjects, 0 or more.
        """
        if self.error_kind != "FPIR" or self.gallery_size is None:
            return None
        return float(1 - (1 - self.error_rate) ** (gallery_size / self.gallery_size))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A subject whose score reaches the threshold. A candidate is for a person to judge; it is not an identity.

    Attributes:
        subject_id: The enrolled subject.
        score: The subject's score in ``[-1, 1]``: a raw cosine, or a mean of them, by the rule in force.
        template_id: The subject's best template.
    """

    subject_id: str
    score: float
    template_id: int

    def to_dict(self) -> dict[str, Any]:
        """The candidate as plain data, ready for JSON; without its template."""
        return {"subject_id": self.subject_id, "score": round(self.score, 6)}


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One face of a searched picture and what the search returned for it.

    Attributes:
        face: The face, always without its embedding.
        candidates: Highest score first; empty where no subject reaches the threshold.
    """

    face: Face
    candidates: tuple[Candidate, ...] = ()

    @property
    def best(self) -> Candidate | None:
        """The first candidate, or ``None`` where no subject reaches the threshold."""
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
        zone: The zone of the site, or ``None``.
        policy_version: Version of the policy that ruled.
        notes: What a reader must know, such as a gallery larger than the threshold was tested with; usually empty.
    """

    probes: tuple[Probe, ...]
    threshold: float
    gallery_size: int
    generation: int
    contract: str
    purpose: str
    site: str | None
    zone: str | None = None
    policy_version: int = 0
    notes: tuple[str, ...] = ()

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
            "zone": self.zone,
            "policy_version": self.policy_version,
            "notes": list(self.notes),
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
class Enrollment(PlainResult):
    """Outcome of one ``enroll`` call.

    Attributes:
        subject_id: The subject.
        template_ids: The new templates, one a picture used.
        refusals: The pictures that were not used, and why.
        consent_record_id: The consent record that the templates stand on.
        valid_until: When that consent ends.
        generation: Generation of the database after the commit.
        look_alikes: Other subjects whose references the new pictures reach, best first: perhaps the same person under
            two ids, perhaps people who will be mistaken for each other. Look at them.
        state: ``"active"``, or ``"pending"`` until another actor approves; a search reaches active templates only.
        enrollment_id: Number of the enrollment, for ``Watchlist.approvals``.
    """

    subject_id: str
    template_ids: tuple[int, ...]
    refusals: tuple[PictureRefusal, ...]
    consent_record_id: str
    valid_until: datetime
    generation: int
    look_alikes: tuple[Candidate, ...] = ()
    state: str = "active"
    enrollment_id: int = 0


@dataclass(frozen=True, slots=True)
class SearchTerms(PlainResult):
    """Terms of a search that is permitted now; nothing was searched.

    Attributes:
        purpose: What for.
        site: The site, or ``None``.
        zone: The zone of the site, or ``None``.
        threshold: The threshold that would apply, a raw cosine.
        gallery_size: Number of subjects that the search could reach.
        generation: Generation of the gallery.
        contract: Digest of the embedding contract.
        policy_version: Version of the policy that rules.
        notes: Where the gallery is larger than the threshold was tested with, in words.
    """

    purpose: str
    site: str | None
    zone: str | None
    threshold: float
    gallery_size: int
    generation: int
    contract: str
    policy_version: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PicturePreview:
    """Forecast of enrollment for one picture.

    Attributes:
        picture: The file's name, or ``picture 3`` for bytes and arrays.
        quality: Its quality components; ``None`` where there is not exactly one face.
        refusal: Why enrollment would refuse it, or ``None``.
        look_alikes: Subjects of the gallery that it reaches, best first.
    """

    picture: str
    quality: FaceQuality | None
    refusal: PictureRefusal | None
    look_alikes: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class EnrollmentPreview:
    """Forecast of an enrollment; nothing was stored.

    Attributes:
        pictures: One entry a picture.
        look_alikes: Subjects that any usable picture reaches, best first, each once; ``None`` where none were sought,
            because no purpose was given.
        gallery_size: Subjects in the gallery now.
        fpir_now: FPIR expected with so many subjects, **for planning only**; ``None`` where the threshold was not
            tested for an FPIR.
        fpir_then: The same with one more.
    """

    pictures: tuple[PicturePreview, ...]
    look_alikes: tuple[Candidate, ...] | None
    gallery_size: int
    fpir_now: float | None
    fpir_then: float | None

    def to_dict(self) -> dict[str, Any]:
        """The preview as plain data."""
        return {
            "pictures": [
                {
                    "picture": item.picture,
                    "quality": None if item.quality is None else item.quality.to_dict(),
                    "refusal": None if item.refusal is None else item.refusal.to_dict(),
                    "look_alikes": to_plain(item.look_alikes),
                }
                for item in self.pictures
            ],
            "look_alikes": to_plain(self.look_alikes),
            "gallery_size": self.gallery_size,
            "planning_only": {"fpir_now": self.fpir_now, "fpir_then": self.fpir_then},
        }


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
        zone: Zone of the site, or ``None``.
        policy_version: Version of the policy that ruled.
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
    zone: str | None = None
    policy_version: int = 0

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
            "candidates": [candidate.to_dict() for candidate in self.candidates],
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
            "zone": self.zone,
            "policy_version": self.policy_version,
        }
