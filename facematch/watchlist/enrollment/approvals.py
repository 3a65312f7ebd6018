"""Dual control: enrollments that wait until another actor has approved them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select, update

from facematch.errors import ApprovalNotFound, ConsentRequired
from facematch.governance import AuditAction, AuditOutcome, from_microseconds, to_microseconds
from facematch.governance.names import check_number, check_text
from facematch.governance.policy import ApprovalRequest, QualityRequest
from facematch.governance.roles import check_other_person
from facematch.storage.schema import consents, enrollments, templates
from facematch.storage.subjects import Subject
from facematch.types import PendingEnrollment
from facematch.watchlist.session import Core

__all__ = ["Approvals", "remove_enrollment"]


class Approvals:
    """The enrollments that wait for an approval; reach it as ``Watchlist.approvals``.

    Args:
        core: The open watchlist.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def pending(self) -> tuple[PendingEnrollment, ...]:
        """What waits, oldest first; audited as a listing of subjects."""
        core = self._core
        with core.operation(AuditAction.LIST_SUBJECTS), core.writing() as connection:
            names = {subject.key: subject.subject_id for subject in core.store.subjects(connection)}
            found = tuple(
                PendingEnrollment(
                    enrollment_id=row.id,
                    subject_id=names[row.subject],
                    templates=row.templates,
                    consent_record_id=row.record_id,
                    actor=row.actor,
                    created_at=from_microseconds(row.created_at),
                )
                for row in connection.execute(_pending()).all()
            )
            core.audit(connection, AuditAction.LIST_SUBJECTS, AuditOutcome.DONE, {"pending": len(found)})
        return found

    def approve(self, enrollment_id: int) -> int:
        """Approve an enrollment that another actor prepared; returns the new generation.

        Its templates can be found from the commit on.

        Raises:
            ApprovalNotFound: Nothing of that number waits.
            SeparationOfDuties: The actor prepared it.
            PolicyRefused: The policy in force would not enroll the subject any more.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        core = self._core
        with core.operation(AuditAction.APPROVE), core.writing() as connection:
            now = core.now()
            row, subject = self._waiting(connection, enrollment_id)
            check_other_person(row.actor, core.actor, "the approval")
            stored = next(item for item in core.filing.of(connection, subject) if item.key == row.consent)
            ruling = core.standing(connection).policy(now)
            if not stored.consent.in_force(now):
                raise ConsentRequired(
                    "the consent that the enrollment stands on is not in force any more",
                    hint="reject the enrollment; a new one needs a new consent record",
                )
            ruling.policy.check(ApprovalRequest(consent=stored.consent, now=now, actor=row.actor, approver=core.actor))
            if row.override is not None:
                reason = core.codec.unseal_text(subject.subject_ref, row.override, "a quality override")
                ruling.policy.check(
                    QualityRequest(outcome="failed", actor=row.actor, approver=core.actor, reason=reason)
                )
            connection.execute(
                update(enrollments)
                .where(enrollments.c.id == enrollment_id)
                .values(state="ACTIVE", decided_by=core.actor, decided_at=to_microseconds(now))
            )
            generation = core.store.bump(connection)
            details = {"enrollment": enrollment_id, "prepared_by": row.actor, "generation": generation}
            details["policy_version"] = ruling.version
            core.audit(connection, AuditAction.APPROVE, AuditOutcome.DONE, details, subject=subject, now=now)
        return generation

    def reject(self, enrollment_id: int, *, reason: str) -> int:
        """Reject an enrollment: its templates are deleted; returns how many.

        Whoever prepared it may take it back as well. The consent record stays until it is erased.

        Raises:
            ApprovalNotFound: Nothing of that number waits.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        core = self._core
        with core.operation(AuditAction.REJECT):
            check_text(reason, "reason")
            with core.writing() as connection:
                now = core.now()
                _, subject = self._waiting(connection, enrollment_id)
                count = remove_enrollment(connection, enrollment_id)
                generation = core.store.bump(connection)
                core.store.mark_unscrubbed(connection, generation)
                details = {"enrollment": enrollment_id, "templates": count, "generation": generation}
                core.audit(
                    connection,
                    AuditAction.REJECT,
                    AuditOutcome.DONE,
                    details,
                    subject=subject,
                    now=now,
                    private={"reason": reason},
                )
        core.database.scrub(required=False)
        return count

    def _waiting(self, connection: Connection, enrollment_id: int) -> tuple[Row[Any], Subject]:
        check_number(enrollment_id, "the number of an enrollment")
        query = select(enrollments).where(enrollments.c.id == enrollment_id, enrollments.c.state == "PENDING")
        row = connection.execute(query).one_or_none()
        if row is None:
            raise ApprovalNotFound(
                f"no enrollment {enrollment_id!r} waits for an approval",
                hint="Watchlist.approvals.pending() lists what does",
            )
        return row, self._core.store.subject_by_key(connection, row.subject)


def remove_enrollment(connection: Connection, enrollment_id: int) -> int:
    """Delete an enrollment with its templates; returns how many there were."""
    count = connection.execute(delete(templates).where(templates.c.enrollment == enrollment_id)).rowcount
    connection.execute(delete(enrollments).where(enrollments.c.id == enrollment_id))
    return count


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
