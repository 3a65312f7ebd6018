"""Dual control: enrollments that wait until another actor has approved them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select, func, select, update

from facematch.errors import ApprovalNotFound, ConsentRequired
from facematch.governance import AuditAction, from_microseconds, to_microseconds
from facematch.governance.names import check_number, check_text
from facematch.governance.policy import ApprovalRequest, QualityRequest
from facematch.governance.roles import check_other_person
from facematch.storage.schema import consents, enrollments, templates
from facematch.storage.subjects import Subject
from facematch.types import ApprovalDecision, PendingEnrollment
from facematch.watchlist.session import Session, Transaction

__all__ = ["Approvals"]


class Approvals:
    """The enrollments that wait for an approval; reach it as ``Watchlist.approvals``.

    Args:
        session: The actor's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self) -> tuple[PendingEnrollment, ...]:
        """Enrollments that wait, oldest first; audited as a listing of subjects."""
        with self._session.operation(AuditAction.LIST_SUBJECTS) as operation, operation.write() as tx:
            subjects = operation.resources.subjects.subjects(tx.connection)
            names = {subject.key: subject.subject_id for subject in subjects}
            found = tuple(
                PendingEnrollment(
                    enrollment_id=row.id,
                    subject_id=names[row.subject],
                    templates=row.templates,
                    consent_record_id=row.record_id,
                    actor=row.actor,
                    created_at=from_microseconds(row.created_at),
                )
                for row in tx.connection.execute(_pending()).all()
            )
            tx.audit({"pending": len(found)})
        return found

    def approve(self, enrollment_id: int) -> ApprovalDecision:
        """Approve an enrollment that another actor prepared. Its templates can be found from the commit on.

        Raises:
            ApprovalNotFound: Nothing of that number waits.
            SeparationOfDuties: The actor prepared it.
            PolicyRefused: The policy in force would not enroll the subject any more.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        with self._session.operation(AuditAction.APPROVE) as operation, operation.write() as tx:
            row, subject = _waiting(tx, enrollment_id)
            check_other_person(row.actor, tx.actor, "the approval")
            filed = operation.resources.consents.of(tx.connection, subject)
            consent = next(item for item in filed if item.key == row.consent).consent
            if not consent.in_force(tx.now):
                raise ConsentRequired(
                    "the consent that the enrollment stands on is not in force any more",
                    hint="reject the enrollment; a new one needs a new consent record",
                )
            policy = tx.policy.policy
            policy.check(ApprovalRequest(consent=consent, now=tx.now, actor=row.actor, approver=tx.actor))
            if row.override is not None:
                cipher = operation.resources.cipher
                reason = cipher.unseal_text(subject.subject_ref, row.override, "a quality override")
                policy.check(QualityRequest(outcome="failed", actor=row.actor, approver=tx.actor, reason=reason))
            tx.connection.execute(
                update(enrollments)
                .where(enrollments.c.id == enrollment_id)
                .values(state="ACTIVE", decided_by=tx.actor, decided_at=to_microseconds(tx.now))
            )
            count = select(func.count()).where(templates.c.enrollment == enrollment_id)
            number = int(tx.connection.execute(count).scalar_one())
            generation = tx.begin_generation()
            details = {"enrollment": enrollment_id, "prepared_by": row.actor, "generation": generation}
            tx.audit({**details, "policy_version": tx.policy.version}, subject=subject)
        return ApprovalDecision(enrollment_id, subject.subject_id, "approved", number, generation)

    def reject(self, enrollment_id: int, *, reason: str) -> ApprovalDecision:
        """Reject an enrollment: its templates are deleted.

        The actor who prepared it may take it back as well. The consent record stays until it is erased.

        Raises:
            ApprovalNotFound: Nothing of that number waits.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        with self._session.operation(AuditAction.REJECT) as operation:
            check_text(reason, "reason")
            with operation.write() as tx:
                _, subject = _waiting(tx, enrollment_id)
                count = operation.resources.subjects.remove_enrollment(tx.connection, enrollment_id)
                generation = tx.begin_generation(unscrubbed=True)
                details = {"enrollment": enrollment_id, "templates": count, "generation": generation}
                tx.audit(details, subject=subject, private={"reason": reason})
            operation.resources.database.scrub(required=False)
        return ApprovalDecision(enrollment_id, subject.subject_id, "rejected", count, generation)


def _waiting(tx: Transaction, enrollment_id: int) -> tuple[Row[Any], Subject]:
    check_number(enrollment_id, "the number of an enrollment")
    query = select(enrollments).where(enrollments.c.id == enrollment_id, enrollments.c.state == "PENDING")
    row = tx.connection.execute(query).one_or_none()
    if row is None:
        raise ApprovalNotFound(
            f"no enrollment {enrollment_id!r} waits for an approval", hint="Watchlist.approvals.list() lists what does"
        )
    return row, tx.operation.resources.subjects.subject_by_key(tx.connection, row.subject)


def _pending() -> Select[Any]:
    return (
        select(
            enrollments.c.id,
            enrollments.c.subject,
            enrollments.c.actor,
            enrollments.c.created_at,
            consents.c.record_id,
            func.count(templates.c.template_id).label("templates"),
        )
        .join(consents, consents.c.id == enrollments.c.consent)
        .join(templates, templates.c.enrollment == enrollments.c.id)
        .where(enrollments.c.state == "PENDING")
        .group_by(enrollments.c.id)
        .order_by(enrollments.c.id)
    )
