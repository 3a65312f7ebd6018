"""Enrollment: consent first, then pictures, then one transaction that stores everything or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from facematch.errors import EnrollmentRefused, QualityTooLow
from facematch.governance import AuditAction, Consent, check_subject_id
from facematch.governance.names import check_text
from facematch.governance.policy import Policy, QualityRequest
from facematch.governance.policy.requests import QualityOutcome
from facematch.matching.embeddings import unit_vectors
from facematch.protocols import Analyzer
from facematch.storage.subjects import NewTemplate
from facematch.types import Enrollment, FaceQuality, FloatArray, ImageSource, PictureRefusal, QualityGate
from facematch.watchlist.enrollment.consent_basis import ConsentBasis, callers_record, require_basis
from facematch.watchlist.enrollment.look_alikes import best_of, look_alikes
from facematch.watchlist.enrollment.picture_checks import (
    CheckedPictures,
    EnrolledPictures,
    UsablePicture,
    check_pictures,
    listed,
)
from facematch.watchlist.resources import Resources
from facematch.watchlist.session import Operation, Session, Transaction

__all__ = ["embed", "enroll"]


@dataclass(frozen=True, slots=True)
class _Request:
    """One call of ``enroll``, checked."""

    subject_id: str
    record: Consent | None
    gate: QualityGate
    override: str | None
    reuse: bool


def enroll(
    session: Session,
    subject_id: str,
    images: ImageSource | Sequence[ImageSource],
    *,
    consent: Consent | None,
    gate: QualityGate,
    override: str | None = None,
    reuse: bool = False,
) -> Enrollment:
    """Enroll a subject; see :meth:`facematch.watchlist.Watchlist.enroll`.

    Args:
        session: The actor's session.
        subject_id: The subject.
        images: The pictures.
        consent: The consent record, or ``None`` to use one that is filed.
        gate: What a face must reach.
        override: Why pictures that fail the quality gate are to be taken all the same; another actor must approve.
        reuse: Use a filed record in force that stands on the same evidence and says the same, if there is one.
    """
    with session.operation(AuditAction.ENROLL, subject_id=subject_id) as operation:
        check_subject_id(subject_id)
        if override is not None:
            check_text(override, "quality_override")
        pictures = listed(images)
        operation.details["pictures"] = len(pictures)
        request = _Request(subject_id, callers_record(consent, subject_id), gate, override, reuse)
        with operation.read() as connection:
            enrolled = _enrolled(operation.resources, connection, _basis(operation, connection, request))
        analyzer = operation.resources.analyzer
        checked = check_pictures(analyzer, pictures, gate, override=override is not None, enrolled=enrolled)
        vectors = embed(analyzer, checked)
        operation.snapshot()  # what is loaded now need not be loaded under the lock
        with operation.write() as tx:
            return _store(tx, request, analyzer, checked, vectors)


def embed(analyzer: Analyzer, checked: CheckedPictures) -> FloatArray:
    """Unit vectors ``(N, D)`` of the usable pictures."""
    if not checked.usable:
        return np.empty((0, analyzer.contract.dimension), dtype=np.float32)
    crops = np.stack([item.crop for item in checked.usable])
    return unit_vectors(analyzer.embed(crops), len(checked.usable), analyzer.contract)


def _store(
    tx: Transaction, request: _Request, analyzer: Analyzer, checked: CheckedPictures, vectors: FloatArray
) -> Enrollment:
    """Check consent, policy and pictures once more, and store everything."""
    resources, connection = tx.operation.resources, tx.connection
    snapshot = resources.gallery.refresh(connection)  # before anything is written here: others may use it meanwhile
    resources.subjects.bind_contract(connection, analyzer.contract)
    basis = _basis(tx.operation, connection, request)
    checked, vectors = checked.without_enrolled(_enrolled(resources, connection, basis), vectors)
    refusals = checked.refusals()
    tx.operation.details["refusals"] = [refusal.code for refusal in refusals]
    if not checked.usable:
        raise _none_usable(refusals)
    overridden = _overridden(tx.policy.policy, _quality_request(tx, request, checked))
    pending = tx.policy.policy.dual_control.required or overridden
    terms = basis.consent
    scope = snapshot.overlapping(terms.purposes, terms.sites, tx.now, but=request.subject_id)
    found = best_of(c for row in look_alikes(snapshot, vectors, analyzer, scope) for c in row)
    subject = tx.add_subject(request.subject_id) if basis.subject is None else basis.subject
    stored = resources.consents.file(connection, subject, terms) if basis.stored is None else basis.stored
    enrollment = resources.subjects.add_enrollment(
        connection,
        subject,
        stored.key,
        pending=pending,
        override=request.override if overridden else None,
        actor=tx.actor,
        now=tx.now,
    )
    consent = (stored.key, stored.consent.record_id)
    ids = tuple(
        resources.subjects.add_template(
            connection, subject, consent, enrollment, _template(item, vector), contract=analyzer.contract, now=tx.now
        )
        for item, vector in zip(checked.usable, vectors, strict=True)
    )
    generation = tx.begin_generation()
    state = "pending" if pending else "active"
    tx.operation.details |= {
        "templates": len(ids),
        "enrollment": enrollment,
        "state": state,
        "consent_record_id": stored.consent.record_id,
        "look_alikes": snapshot.refs({candidate.subject_id for candidate in found}),
        "generation": generation,
        "policy_version": tx.policy.version,
    }
    private = {} if request.override is None else {"quality_override": request.override}
    tx.audit(tx.operation.details, subject=subject, private=private)
    end = stored.consent.valid_until
    assert end is not None
    return Enrollment(
        subject_id=request.subject_id,
        template_ids=ids,
        refusals=refusals,
        consent_record_id=stored.consent.record_id,
        valid_until=end,
        generation=generation,
        look_alikes=found,
        state=state,
        enrollment_id=enrollment,
    )


def _basis(operation: Operation, connection: Connection, request: _Request) -> ConsentBasis:
    return require_basis(
        operation.resources,
        connection,
        request.subject_id,
        request.record,
        now=operation.now(),
        actor=operation.actor,
        reuse=request.reuse,
    )


def _enrolled(resources: Resources, connection: Connection, basis: ConsentBasis) -> EnrolledPictures | None:
    """The pictures that are enrolled on the consent record already; ``None`` where there can be none."""
    if basis.subject is None or basis.stored is None:
        return None
    marks = resources.subjects.sample_marks(connection, basis.stored.key)
    return EnrolledPictures(resources.cipher, basis.subject.subject_ref, frozenset(marks))


def _template(item: UsablePicture, vector: FloatArray) -> NewTemplate:
    return NewTemplate(vector, item.digest, float(item.face.detection_score), float(item.face.box.height))


def _quality_request(tx: Transaction, request: _Request, checked: CheckedPictures) -> QualityRequest:
    taken = checked.qualities_taken()
    return QualityRequest(outcome=_outcome(taken, request.gate), actor=tx.actor, reason=request.override)


def _outcome(taken: Sequence[FaceQuality], gate: QualityGate) -> QualityOutcome:
    if not taken:
        return "unmeasured"
    return "failed" if any(gate.failures(quality) for quality in taken) else "passed"


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


def _none_usable(refusals: tuple[PictureRefusal, ...]) -> EnrollmentRefused:
    listing = ", ".join(f"{refusal.picture}: {refusal.code}" for refusal in refusals[:5])
    more = f" and {len(refusals) - 5} more" if len(refusals) > 5 else ""
    kind = QualityTooLow if all(refusal.code == QualityTooLow.code for refusal in refusals) else EnrollmentRefused
    return kind(
        f"no picture could be used, so nothing was stored: {listing}{more}", refusals=refusals, hint=refusals[0].hint
    )
