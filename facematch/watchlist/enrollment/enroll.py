"""Enrollment: consent first, then pictures, then one transaction that stores everything or nothing."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import Connection

from facematch.errors import (
    ConsentInvalid,
    ConsentRequired,
    EnrollmentRefused,
    QualityTooLow,
    ReferenceRestricted,
)
from facematch.gallery.snapshot import Scope, Snapshot
from facematch.governance import AuditAction, AuditOutcome, Consent, check_subject_id
from facematch.governance.names import check_text
from facematch.governance.policy import EnrollmentRequest, Policy, QualityRequest
from facematch.governance.policy.requests import QualityOutcome
from facematch.matching import SubjectRule
from facematch.matching.embeddings import unit_vectors
from facematch.protocols import Analyzer
from facematch.storage.consents import StoredConsent, check_new_record, checked_record
from facematch.storage.subjects import NewTemplate, Subject
from facematch.types import (
    Candidate,
    Enrollment,
    FaceQuality,
    FloatArray,
    ImageSource,
    OperatingPoint,
    PictureRefusal,
)
from facematch.watchlist.enrollment.picture_checks import Gates, Usable, enrolled_already, examine, listed
from facematch.watchlist.session import Core

__all__ = ["best_of", "embed", "enroll", "look_alikes", "tested_point"]

_LOOK_ALIKES = 10


def enroll(
    core: Core,
    analyzer: Callable[[], Analyzer],
    subject_id: str,
    images: ImageSource | Sequence[ImageSource],
    *,
    consent: Consent | None,
    gates: Gates,
    override: str | None = None,
    reuse: bool = False,
) -> Enrollment:
    """Enroll a subject; see :meth:`facematch.watchlist.Watchlist.enroll`.

    Args:
        core: The open watchlist.
        analyzer: Called without arguments for the analyzer, once consent is certain.
        subject_id: The subject.
        images: The pictures.
        consent: The consent record, or ``None`` to use one that is filed.
        gates: What a face must reach.
        override: Why pictures that fail the quality gate are to be taken all the same; another actor must approve.
        reuse: Use a filed record in force that stands on the same evidence and says the same, if there is one.
    """
    with core.operation(AuditAction.ENROLL, subject_id=subject_id) as details:
        check_subject_id(subject_id)
        if override is not None:
            check_text(override, "quality_override")
        pictures = listed(images)
        details["pictures"] = len(pictures)
        record = _checked(consent, subject_id)
        with core.database.read() as connection:
            standing = _standing(core, connection, subject_id, record, core.now(), reuse=reuse)
            enrolled = _enrolled(core, connection, *standing)
        pipeline = analyzer()
        usable, refusals, qualities = examine(
            pipeline, pictures, gates, override=override is not None, enrolled=enrolled
        )
        vectors = embed(pipeline, usable)
        core.snapshot()  # what is loaded now need not be loaded under the lock
        with core.new_subjects() as made, core.writing() as connection:
            now = core.now()
            snapshot = core.gallery.refresh(connection)  # before anything is written here: others may use it meanwhile
            ruling = core.standing(connection).policy(now)
            core.store.bind_contract(connection, pipeline.contract)
            subject, stored = _standing(core, connection, subject_id, record, now, reuse=reuse)
            enrolled = _enrolled(core, connection, subject, stored)
            refusals.update(
                {item.number: enrolled_already(item.picture) for item in usable if enrolled and enrolled(item.digest)}
            )
            ordered = tuple(refusals[number] for number in sorted(refusals))
            details["refusals"] = [refusal.code for refusal in ordered]
            if len(ordered) == len(pictures):
                raise _none_usable(ordered)
            terms = record if stored is None else stored.consent
            assert terms is not None
            taken = [quality for number, quality in qualities.items() if number not in refusals]
            request = QualityRequest(outcome=_outcome(taken, gates), actor=core.actor, reason=override)
            overridden = _overridden(ruling.policy, request)
            pending = ruling.policy.dual_control.required or overridden
            kept = vectors[[item.number not in refusals for item in usable]]
            scope = snapshot.overlapping(terms.purposes, terms.sites, now, but=subject_id)
            found = best_of(c for row in look_alikes(snapshot, kept, pipeline, scope) for c in row)
            if subject is None:
                subject = core.store.add_subject(connection, subject_id, now)
                made.append(subject.subject_ref)
            if stored is None:
                assert record is not None
                stored = core.filing.file(connection, subject, record)
            enrollment = core.store.add_enrollment(
                connection,
                subject,
                stored.key,
                pending=pending,
                override=override if overridden else None,
                actor=core.actor,
                now=now,
            )
            ids = tuple(
                core.store.add_template(
                    connection,
                    subject,
                    (stored.key, stored.consent.record_id),
                    enrollment,
                    _template(item, vector),
                    contract=pipeline.contract,
                    now=now,
                )
                for item, vector in zip(usable, vectors, strict=True)
                if item.number not in refusals
            )
            generation = core.store.bump(connection)
            details |= {
                "templates": len(ids),
                "enrollment": enrollment,
                "state": "pending" if pending else "active",
                "consent_record_id": stored.consent.record_id,
                "look_alikes": snapshot.refs({candidate.subject_id for candidate in found}),
                "generation": generation,
                "policy_version": ruling.version,
            }
            private = {} if override is None else {"quality_override": override}
            core.audit(
                connection,
                AuditAction.ENROLL,
                AuditOutcome.DONE,
                details,
                subject=subject,
                now=now,
                private=private,
            )
    end = stored.consent.valid_until
    assert end is not None
    return Enrollment(
        subject_id=subject_id,
        template_ids=ids,
        refusals=ordered,
        consent_record_id=stored.consent.record_id,
        valid_until=end,
        generation=generation,
        look_alikes=found,
        state="pending" if pending else "active",
        enrollment_id=enrollment,
    )


def _enrolled(
    core: Core, connection: Connection, subject: Subject | None, stored: StoredConsent | None
) -> Callable[[str], bool] | None:
    """Whether the picture of a digest is enrolled on this consent record already; ``None`` where nothing can be."""
    if subject is None or stored is None:
        return None
    ref, known = subject.subject_ref, core.store.sample_marks(connection, stored.key)
    return lambda digest: core.codec.sample_mark(ref, digest) in known


def _outcome(taken: Sequence[FaceQuality], gates: Gates) -> QualityOutcome:
    if not taken:
        return "unmeasured"
    return "failed" if any(gates.quality.failures(quality) for quality in taken) else "passed"


def _overridden(policy: Policy, request: QualityRequest) -> bool:
    """Whether pictures are taken although they failed the quality gate; then another actor has to approve.

    Raises:
        PolicyRefused: They may not be.
    """
    if policy.quality.check(request) is None:
        return False
    if request.reason is None or not policy.quality.overrides:
        policy.check(request)
    return True


def look_alikes(snapshot: Snapshot, vectors: FloatArray, analyzer: Analyzer, scope: Scope) -> list[list[Candidate]]:
    """Subjects whose references the vectors reach at the threshold in force; none where nothing was tested.

    Args:
        snapshot: The gallery.
        vectors: ``(N, D)`` unit vectors.
        analyzer: The analyzer that made them.
        scope: Who may be compared.
    """
    point = tested_point(snapshot, analyzer)
    if point is None or not len(vectors):
        return [[] for _ in vectors]
    rule = SubjectRule.parse(point.rule)
    return snapshot.search(vectors, scope, top_k=_LOOK_ALIKES, threshold=point.threshold, rule=rule)


def tested_point(snapshot: Snapshot, analyzer: Analyzer) -> OperatingPoint | None:
    """The operating point that was tested for the analyzer's vectors, or ``None``."""
    point = analyzer.operating_point if snapshot.calibration is None else snapshot.calibration.operating_point()
    return None if point is None or point.contract != analyzer.contract.digest else point


def best_of(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Candidates best first, each subject once."""
    best: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (-c.score, c.subject_id)):
        best.setdefault(candidate.subject_id, candidate)
    return tuple(best.values())


def _checked(consent: object, subject_id: str) -> Consent | None:
    """The caller's consent record, if there is one; it must be the subject's."""
    if consent is None:
        return None
    record = checked_record(consent)
    if record.subject_id != subject_id:
        raise ConsentInvalid(
            f"the consent record is of another subject than {subject_id!r}",
            hint="enroll a subject with their own consent record",
        )
    return record


def _standing(
    core: Core, connection: Connection, subject_id: str, record: Consent | None, now: datetime, *, reuse: bool
) -> tuple[Subject | None, StoredConsent | None]:
    """The subject, and the filed consent record that new templates stand on (``None``: ``record``, not filed yet).

    Raises:
        ConsentRequired: Nothing is in force.
        ConsentInvalid: The record contradicts a filed one.
    """
    subject = core.store.subject(connection, subject_id)
    if subject is not None and subject.key in core.filing.restricted(connection):
        raise ReferenceRestricted(
            f"the reference of subject {subject_id!r} is contested, so nothing is added to it",
            hint="decide the complaint first: Watchlist.rights.decide()",
        )
    endings = core.vault.endings()
    if record is not None:
        stored = core.filing.find(connection, subject, record)
        if stored is None and reuse and subject is not None:
            stored = _like(record, core.filing.of(connection, subject), endings, now)
        current = record if stored is None else stored.consent
        if stored is None:
            check_new_record(record, [] if subject is None else core.filing.of(connection, subject), now)
        ended = endings.get(current.record_id)
        if ended is None and current.in_force(now):
            _ask_the_policy(core, connection, current, now)
            return subject, stored
        raise ConsentRequired(
            f"the consent record is not in force: state {current.state if ended is None else ended[0]}, "
            f"valid from {_written(current.valid_from)} until {_written(current.valid_until)}",
            hint="let the subject give a new consent record",
        )
    filed = core.filing.of(connection, subject) if subject is not None else []
    for stored in reversed(filed):
        if stored.consent.in_force(now) and stored.consent.record_id not in endings:
            _ask_the_policy(core, connection, stored.consent, now)
            return subject, stored
    raise ConsentRequired(
        f"no consent record of subject {subject_id!r} is in force, so nothing was enrolled",
        hint="pass consent=Consent.given(...)",
    )


def _like(
    record: Consent, filed: Sequence[StoredConsent], ended: Container[str], now: datetime
) -> StoredConsent | None:
    """The latest filed record in force that stands on the same evidence as ``record`` and says the same.

    Raises:
        ConsentRequired: A consent on that evidence has ended: the form that was signed for it does not count again.
        ConsentInvalid: The consent on that evidence is to last longer or shorter than it was given for.
    """
    if record.evidence_sha256 is None:
        return None
    on_it = [stored for stored in filed if record.evidence_sha256 in stored.consent.evidence_digests]
    if any(stored.consent.record_id in ended or not stored.consent.in_force(now) for stored in on_it):
        raise ConsentRequired(
            "the evidence is that of a consent that has ended, or has not begun",
            hint="let the subject sign again; the old form does not count twice",
        )
    for stored in reversed(on_it):
        if _terms(stored.consent) == _terms(record):
            if _duration(stored.consent) != _duration(record):
                raise ConsentInvalid(
                    f"the consent on this evidence was given until {_written(stored.consent.valid_until)}",
                    hint="leave its duration as it was; to prolong it takes new evidence: facematch consent renew",
                )
            return stored
    return None


def _terms(consent: Consent) -> dict[str, object]:
    return {name: value for name, value in consent.to_dict().items() if name not in {"record_id", "events"}}


def _duration(consent: Consent) -> timedelta | None:
    """For how long a consent was first given."""
    ends = (event.valid_until - event.time for event in consent.events if event.valid_until is not None)
    return next(ends, None)


def _ask_the_policy(core: Core, connection: Connection, consent: Consent, now: datetime) -> None:
    policy = core.standing(connection).policy(now).policy
    policy.check_enrollment(EnrollmentRequest(consent=consent, now=now, actor=core.actor))


def embed(analyzer: Analyzer, usable: Sequence[Usable]) -> FloatArray:
    """Unit vectors ``(N, D)`` of usable pictures."""
    if not usable:
        return np.empty((0, analyzer.contract.dimension), dtype=np.float32)
    crops = np.stack([item.crop for item in usable])
    return unit_vectors(analyzer.embed(crops), len(usable), analyzer.contract)


def _template(item: Usable, vector: FloatArray) -> NewTemplate:
    return NewTemplate(vector, item.digest, float(item.face.detection_score), float(item.face.box.height))


def _none_usable(refusals: tuple[PictureRefusal, ...]) -> EnrollmentRefused:
    listing = ", ".join(f"{refusal.picture}: {refusal.code}" for refusal in refusals[:5])
    more = f" and {len(refusals) - 5} more" if len(refusals) > 5 else ""
    kind = QualityTooLow if all(refusal.code == QualityTooLow.code for refusal in refusals) else EnrollmentRefused
    return kind(
        f"no picture could be used, so nothing was stored: {listing}{more}", refusals=refusals, hint=refusals[0].hint
    )


def _written(moment: datetime | None) -> str:
    return "never" if moment is None else moment.isoformat(timespec="seconds")
