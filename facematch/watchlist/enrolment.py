"""Enrolment: consent first, then pictures, then one transaction that stores everything or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from facematch.errors import (
    ConsentInvalid,
    ConsentRequired,
    EnrolmentRefused,
    ImageDecodeError,
    InvalidArgument,
    QualityTooLow,
)
from facematch.governance import AuditAction, AuditOutcome, Consent, check_subject_id
from facematch.imaging import DecodedImage, decode
from facematch.matching import SubjectRule
from facematch.protocols import Analyzer, QualityAssessor
from facematch.types import (
    Candidate,
    Enrolment,
    Face,
    FaceQuality,
    FloatArray,
    Image,
    ImageSource,
    PictureRefusal,
    QualityGate,
)
from facematch.watchlist.core import Core
from facematch.watchlist.gallery import Scope, Snapshot
from facematch.watchlist.store import NewTemplate, StoredConsent, Subject
from facematch.watchlist.vectors import unit_vectors

__all__ = ["Gates", "Usable", "best_of", "embed", "enroll", "examine", "listed", "look_alikes", "name_of"]

_LOOK_ALIKES = 10

_BATCH = 8
"""Pictures decoded at a time: enough for the detector to batch, few enough for memory."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What a face must reach to be enrolled.

    Attributes:
        min_face_height: Height of the face's box in pixels.
        min_detection_score: The detector's score in ``[0, 1]``.
        quality: Limits on the quality components, where the analyzer measures them.

    Raises:
        InvalidArgument: A value is no number in its range.
    """

    min_face_height: float = 40.0
    min_detection_score: float = 0.8
    quality: QualityGate = field(default_factory=QualityGate)

    def __post_init__(self) -> None:
        if not isinstance(self.quality, QualityGate):
            raise InvalidArgument(f"quality_gate must be a QualityGate, got {type(self.quality).__name__}")
        gates: tuple[tuple[object, str, float], ...] = (
            (self.min_face_height, "min_face_height", math.inf),
            (self.min_detection_score, "min_detection_score", 1.0),
        )
        for value, what, top in gates:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= top:
                raise InvalidArgument(
                    f"{what} must be a number from 0 to {top}, got {value!r}", hint="leave it out for the default"
                )


@dataclass(frozen=True, slots=True, eq=False)
class Usable:
    """A picture with one face that passed the gates.

    Attributes:
        number: Its place among the pictures.
        picture: Its name.
        digest: SHA-256 of its bytes.
        face: The face.
        crop: The aligned crop.
    """

    number: int
    picture: str
    digest: str
    face: Face
    crop: NDArray[np.uint8]


def listed(images: object) -> list[ImageSource]:
    """Pictures as a list; a single path, bytes object or array is one picture.

    Raises:
        InvalidArgument: There is none.
    """
    if isinstance(images, str | PathLike | bytes | bytearray | memoryview | np.ndarray):
        return [images]
    if not isinstance(images, list | tuple) or not images:
        raise InvalidArgument(
            "images must be a picture or a non-empty list of pictures", hint='for example ["a.jpg", "b.jpg"]'
        )
    return list(images)


def enroll(
    core: Core,
    analyzer: Callable[[], Analyzer],
    subject_id: str,
    images: ImageSource | Sequence[ImageSource],
    *,
    consent: Consent | None,
    gates: Gates,
) -> Enrolment:
    """Enroll a subject; see :meth:`facematch.watchlist.Watchlist.enroll`.

    Args:
        core: The open watchlist.
        analyzer: Called without arguments for the analyzer, once consent is certain.
        subject_id: The subject.
        images: The pictures.
        consent: The consent record, or ``None`` to use one that is filed.
        gates: What a face must reach.
    """
    with core.refusals_audited(AuditAction.ENROLL, subject_id=subject_id) as details:
        check_subject_id(subject_id)
        pictures = listed(images)
        details["pictures"] = len(pictures)
        record = _checked(consent, subject_id)
        with core.database.read() as connection:
            _standing(core, connection, subject_id, record, core.now())
        pipeline = analyzer()
        contract = pipeline.contract
        usable, refusals, _ = examine(pipeline, pictures, gates)
        vectors = embed(pipeline, usable)
        core.snapshot()  # what is loaded now need not be loaded under the lock
        with core.database.write() as connection:
            now = core.now()
            snapshot = core.gallery.refresh(connection)  # before anything is written here: others may use it meanwhile
            core.store.bind_contract(connection, contract)
            subject, stored = _standing(core, connection, subject_id, record, now)
            known = set() if stored is None else core.store.sample_digests(connection, stored.key)
            refusals.update({item.number: _duplicate(item.picture) for item in usable if item.digest in known})
            ordered = tuple(refusals[number] for number in sorted(refusals))
            details["refusals"] = [refusal.code for refusal in ordered]
            if len(ordered) == len(pictures):
                raise _none_usable(ordered)
            terms = record if stored is None else stored.consent
            assert terms is not None
            kept = vectors[[item.number not in refusals for item in usable]]
            scope = snapshot.overlapping(terms.purposes, terms.sites, now, but=subject_id)
            found = best_of(c for row in look_alikes(snapshot, kept, pipeline, scope) for c in row)
            if subject is None:
                subject = core.store.add_subject(connection, subject_id, now)
            if stored is None:
                assert record is not None
                stored = core.store.file_consent(connection, subject, record)
            ids = tuple(
                core.store.add_template(
                    connection, subject, stored, _template(item, vector), contract=contract, now=now
                )
                for item, vector in zip(usable, vectors, strict=True)
                if item.number not in refusals
            )
            generation = core.store.bump(connection)
            details |= {
                "templates": len(ids),
                "consent_record_id": stored.consent.record_id,
                "look_alikes": snapshot.refs({candidate.subject_id for candidate in found}),
                "generation": generation,
            }
            core.audit(connection, AuditAction.ENROLL, AuditOutcome.DONE, details, subject=subject, now=now)
    end = stored.consent.valid_until
    assert end is not None
    return Enrolment(subject_id, ids, ordered, stored.consent.record_id, end, generation, found)


def look_alikes(snapshot: Snapshot, vectors: FloatArray, analyzer: Analyzer, scope: Scope) -> list[list[Candidate]]:
    """Subjects whose references the vectors reach at the threshold in force; none where nothing was tested.

    Args:
        snapshot: The gallery.
        vectors: ``(N, D)`` unit vectors.
        analyzer: The analyzer that made them.
        scope: Who may be compared.
    """
    point = analyzer.operating_point if snapshot.calibration is None else snapshot.calibration.operating_point()
    if point is None or point.contract != analyzer.contract.digest or not len(vectors):
        return [[] for _ in vectors]
    rule = SubjectRule.parse(point.rule)
    return snapshot.search(vectors, scope, top_k=_LOOK_ALIKES, threshold=point.threshold, rule=rule)


def best_of(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Candidates best first, each subject once."""
    best: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (-c.score, c.subject_id)):
        best.setdefault(candidate.subject_id, candidate)
    return tuple(best.values())


def _checked(consent: object, subject_id: str) -> Consent | None:
    """The caller's consent record, validated once more: copies made past the validation are found here."""
    if consent is None:
        return None
    if not isinstance(consent, Consent):
        raise ConsentInvalid(
            f"consent must be a Consent, got {type(consent).__name__}", hint="make one with Consent.given()"
        )
    record = Consent.from_dict(consent.model_dump(warnings=False))
    if record.subject_id != subject_id:
        raise ConsentInvalid(
            f"the consent record is of another subject than {subject_id!r}",
            hint="enroll a subject with their own consent record",
        )
    return record


def _standing(
    core: Core, connection: Connection, subject_id: str, record: Consent | None, now: datetime
) -> tuple[Subject | None, StoredConsent | None]:
    """The subject, and the filed consent record that new templates stand on (``None``: ``record``, not filed yet).

    Raises:
        ConsentRequired: Nothing is in force.
        ConsentInvalid: The record contradicts a filed one.
    """
    subject = core.store.subject(connection, subject_id)
    if record is not None:
        stored = core.store.find_consent(connection, subject, record)
        current = record if stored is None else stored.consent
        if current.in_force(now):
            return subject, stored
        raise ConsentRequired(
            f"the consent record is not in force: state {current.state}, "
            f"valid from {_written(current.valid_from)} until {_written(current.valid_until)}",
            hint="let the subject give a new consent record",
        )
    filed = core.store.consents(connection, subject) if subject is not None else []
    for stored in reversed(filed):
        if stored.consent.in_force(now):
            return subject, stored
    raise ConsentRequired(
        f"no consent record of subject {subject_id!r} is in force, so nothing was enrolled",
        hint="pass consent=Consent.given(...)",
    )


def examine(
    analyzer: Analyzer, pictures: Sequence[ImageSource], gates: Gates
) -> tuple[list[Usable], dict[int, PictureRefusal], dict[int, FaceQuality]]:
    """The one face of each usable picture, why the others are not used, and what quality was measured.

    Nobody is embedded here.
    """
    usable: list[Usable] = []
    refusals: dict[int, PictureRefusal] = {}
    qualities: dict[int, FaceQuality] = {}
    seen: set[str] = set()
    for start in range(0, len(pictures), _BATCH):
        batch: list[tuple[int, str, DecodedImage]] = []
        for number, source in enumerate(pictures[start : start + _BATCH], start):
            name = name_of(source, number)
            try:
                decoded = decode(source)
            except ImageDecodeError as error:
                refusals[number] = PictureRefusal(name, error.code, error.message, error.hint)
                continue
            if decoded.digest in seen:
                refusals[number] = _duplicate(name)
                continue
            seen.add(decoded.digest)
            batch.append((number, name, decoded))
        found = analyzer.detect([decoded.pixels for _, _, decoded in batch]) if batch else []
        for (number, name, decoded), faces in zip(batch, found, strict=True):
            refusal = _gate(name, faces, gates)
            if refusal is None:
                quality = _quality(analyzer, decoded.pixels, faces)
                if quality is not None:
                    qualities[number] = quality
                    refusal = _quality_gate(name, quality, gates.quality)
            if refusal is None:
                crop = analyzer.align(decoded.pixels, faces)[0]
                usable.append(Usable(number, name, decoded.digest, faces[0], crop))
            else:
                refusals[number] = refusal
    return usable, refusals, qualities


def _quality(analyzer: Analyzer, pixels: Image, faces: Sequence[Face]) -> FaceQuality | None:
    return analyzer.assess(pixels, faces)[0] if isinstance(analyzer, QualityAssessor) else None


def _quality_gate(name: str, quality: FaceQuality, gate: QualityGate) -> PictureRefusal | None:
    failures = gate.failures(quality)
    if not failures:
        return None
    listing = "; ".join(f"{component} {value}" for component, value in failures.items())
    return PictureRefusal(
        name, "quality_too_low", listing, "use a sharp, evenly lit, closer picture, the face towards the camera"
    )


def _gate(name: str, faces: Sequence[Face], gates: Gates) -> PictureRefusal | None:
    if not faces:
        return PictureRefusal(name, "no_face", "no face was found", "use a sharp picture, the face towards the camera")
    if len(faces) > 1:
        return PictureRefusal(
            name, "several_faces", f"{len(faces)} faces were found", "crop the picture to the subject's face"
        )
    face = faces[0]
    if face.box.height < gates.min_face_height:
        return PictureRefusal(
            name,
            "face_too_small",
            f"the face is {face.box.height:.0f} pixels high, at least {gates.min_face_height:g} are needed",
            "use a closer or larger picture",
        )
    if face.detection_score < gates.min_detection_score:
        return PictureRefusal(
            name,
            "detection_score_too_low",
            f"the detection score is {face.detection_score:.2f}, at least {gates.min_detection_score:g} is needed",
            "use a sharp, evenly lit picture, the face towards the camera and uncovered",
        )
    return None


def _duplicate(name: str) -> PictureRefusal:
    return PictureRefusal(
        name,
        "duplicate_picture",
        "the same picture is already enrolled on this consent record, or was given twice",
        "use another picture of the subject",
    )


def embed(analyzer: Analyzer, usable: Sequence[Usable]) -> FloatArray:
    """Unit vectors ``(N, D)`` of usable pictures."""
    if not usable:
        return np.empty((0, analyzer.contract.dimension), dtype=np.float32)
    crops = np.stack([item.crop for item in usable])
    return unit_vectors(analyzer.embed(crops), len(usable), analyzer.contract)


def _template(item: Usable, vector: FloatArray) -> NewTemplate:
    return NewTemplate(vector, item.digest, float(item.face.detection_score), float(item.face.box.height))


def _none_usable(refusals: tuple[PictureRefusal, ...]) -> EnrolmentRefused:
    listing = ", ".join(f"{refusal.picture}: {refusal.code}" for refusal in refusals[:5])
    more = f" and {len(refusals) - 5} more" if len(refusals) > 5 else ""
    kind = QualityTooLow if all(refusal.code == QualityTooLow.code for refusal in refusals) else EnrolmentRefused
    return kind(
        f"no picture could be used, so nothing was stored: {listing}{more}", refusals=refusals, hint=refusals[0].hint
    )


def name_of(source: object, number: int) -> str:
    """What a picture is called: its file's name, or its number counted from one."""
    return Path(fspath(source)).name if isinstance(source, str | PathLike) else f"picture {number + 1}"


def _written(moment: datetime | None) -> str:
    return "never" if moment is None else moment.isoformat(timespec="seconds")
