"""The rights of subjects: complaints that restrict a reference, disclosures to named recipients, access to own data."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import insert, select, update

from facematch.errors import ApprovalNotFound, ConsentRequired, InvalidArgument, RecipientRefused
from facematch.governance import AuditAction, check_subject_id, to_microseconds
from facematch.governance.names import check_name, check_number, check_text
from facematch.governance.policy import DisclosureRequest
from facematch.storage.schema import complaints
from facematch.storage.sql import new_key
from facematch.types import Complaint, Disclosure
from facematch.watchlist.data_rights.access_export import write_access_export
from facematch.watchlist.session import Session

__all__ = ["Rights"]


class Rights:
    """Rights of subjects: complaints, disclosures, access; reach it as ``Watchlist.rights``.

    Args:
        session: The actor's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def open_complaint(self, subject_id: str, *, ground: str) -> Complaint:
        """Take up a complaint: from the commit on no search returns the subject until it is decided.

        Args:
            subject_id: The subject.
            ground: What is contested; sealed under the subject's key.

        Raises:
            SubjectNotFound: There is no such subject.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        with self._session.operation(AuditAction.COMPLAINT, subject_id=subject_id) as operation:
            check_subject_id(subject_id)
            check_text(ground, "ground")
            with operation.write() as tx:
                subject = tx.require_subject(subject_id)
                result = tx.connection.execute(
                    insert(complaints).values(
                        subject=subject.key,
                        ground=operation.resources.cipher.seal_text(subject.subject_ref, ground, "a complaint"),
                        opened_at=to_microseconds(tx.now),
                        opened_by=tx.actor,
                    )
                )
                number = new_key(result.inserted_primary_key)
                generation = tx.begin_generation()
                tx.audit({"complaint": number}, subject=subject, private={"ground": ground})
        return Complaint(number, subject_id, "open", generation)

    def decide_complaint(self, complaint_id: int, *, upheld: bool) -> Complaint:
        """Decide a complaint. Not upheld, searches may return the subject again; upheld, revoke or erase next.

        An upheld complaint keeps the reference restricted.

        Raises:
            ApprovalNotFound: No complaint of that number is open.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        with self._session.operation(AuditAction.UNRESTRICT) as operation, operation.write() as tx:
            if not isinstance(upheld, bool):  # another number would lift the restriction and read like an upheld one
                raise InvalidArgument(f"upheld is True or False, got {upheld!r}", hint="say which")
            check_number(complaint_id, "the number of a complaint")
            row = tx.connection.execute(
                select(complaints.c.subject).where(complaints.c.id == complaint_id, complaints.c.decided_at.is_(None))
            ).one_or_none()
            if row is None:
                raise ApprovalNotFound(
                    f"no complaint {complaint_id!r} waits for a decision",
                    hint="check the number that open_complaint() gave",
                )
            tx.connection.execute(
                update(complaints)
                .where(complaints.c.id == complaint_id)
                .values(decided_at=to_microseconds(tx.now), decided_by=tx.actor, upheld=int(upheld))
            )
            subject = operation.resources.subjects.subject_by_key(tx.connection, row.subject)
            generation = tx.begin_generation()
            tx.audit({"complaint": complaint_id, "upheld": upheld}, subject=subject)
        return Complaint(complaint_id, subject.subject_id, "upheld" if upheld else "not upheld", generation)

    def disclose(self, subject_id: str, *, recipient: str, reason: str) -> Disclosure:
        """Disclosure to a recipient that the subject's consent names: the consent records, never a template.

        Raises:
            ConsentRequired: No consent of the subject is in force.
            RecipientRefused: No consent of the subject in force names the recipient.
            PolicyRefused: The policy does not allow it.
            SubjectNotFound: There is no such subject.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing is disclosed.
        """
        with self._session.operation(AuditAction.DISCLOSE, subject_id=subject_id) as operation:
            check_subject_id(subject_id)
            check_name(recipient, "recipient")
            check_text(reason, "reason")
            with operation.write() as tx:
                subject = tx.require_subject(subject_id)
                filed = operation.resources.consents.of(tx.connection, subject)
                in_force = [item.consent for item in filed if item.consent.in_force(tx.now)]
                if not in_force:
                    raise ConsentRequired(
                        f"subject {subject_id!r} has no consent in force", hint="nothing may be disclosed"
                    )
                named = [consent for consent in in_force if recipient in consent.recipients]
                if not named:
                    raise RecipientRefused(
                        f"no consent of subject {subject_id!r} names the recipient {recipient!r}",
                        hint="a new consent record may name it",
                    )
                for consent in named:
                    tx.policy.policy.check(DisclosureRequest(recipient=recipient, consent=consent))
                details = {"recipient": recipient, "consents": [consent.record_id for consent in named]}
                tx.audit(details, subject=subject, private={"reason": reason})
        return Disclosure(subject_id, recipient, tx.now, tuple(consent.to_dict() for consent in named))

    def export(self, subject_id: str, path: str | Path) -> Path:
        """Everything about a subject as one zip file: for people to read, and for machines.

        It holds the consent records, where samples came from, what is stored, the log entries that name the subject,
        and how decisions are made. It holds nothing of other people, and no template.

        Args:
            subject_id: The subject.
            path: A file that is not there yet.

        Raises:
            SubjectNotFound: There is no such subject.
            InvalidArgument: The file is there already.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing is exported.
        """
        with self._session.operation(AuditAction.EXPORT_SUBJECT, subject_id=subject_id) as operation:
            check_subject_id(subject_id)
            return write_access_export(operation, subject_id, Path(path))
