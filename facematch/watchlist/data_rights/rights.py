"""The rights of subjects: complaints that restrict a reference, disclosures to named recipients, access to own data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from facematch.errors import ApprovalNotFound, ConsentRequired, InvalidArgument, RecipientRefused
from facematch.governance import AuditAction, AuditOutcome, check_subject_id, to_microseconds
from facematch.governance.names import check_name, check_number, check_text
from facematch.governance.policy import DisclosureRequest
from facematch.storage.schema import complaints
from facematch.storage.subjects import new_key
from facematch.watchlist.data_rights.access_export import write_access_export
from facematch.watchlist.session import Core

__all__ = ["Rights"]


class Rights:
    """What subjects can ask for; reach it as ``Watchlist.rights``.

    Args:
        core: The open watchlist.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def complain(self, subject_id: str, *, ground: str) -> int:
        """Take up a complaint: from the commit on no search returns the subject until it is decided.

        Args:
            subject_id: The subject.
            ground: What is contested; sealed under the subject's key.

        Returns:
            Number of the complaint.

        Raises:
            SubjectNotFound: There is no such subject.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        core = self._core
        with core.operation(AuditAction.COMPLAINT, subject_id=subject_id):
            check_subject_id(subject_id)
            check_text(ground, "ground")
            with core.changing() as connection:
                subject = core.require_subject(connection, subject_id)
                now = core.now()
                result = connection.execute(
                    insert(complaints).values(
                        subject=subject.key,
                        ground=core.codec.seal_text(subject.subject_ref, ground, "a complaint"),
                        opened_at=to_microseconds(now),
                        opened_by=core.actor,
                    )
                )
                number = new_key(result.inserted_primary_key)
                core.audit(
                    connection,
                    AuditAction.COMPLAINT,
                    AuditOutcome.DONE,
                    {"complaint": number},
                    subject=subject,
                    now=now,
                    private={"ground": ground},
                )
        return number

    def decide(self, complaint: int, *, upheld: bool) -> None:
        """Decide a complaint. Not upheld, searches may return the subject again; upheld, revoke or erase next.

        An upheld complaint keeps the reference restricted.

        Raises:
            ApprovalNotFound: No complaint of that number is open.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        core = self._core
        with core.operation(AuditAction.UNRESTRICT), core.changing() as connection:
            if not isinstance(upheld, bool):  # another number would lift the restriction and read like an upheld one
                raise InvalidArgument(f"upheld is True or False, got {upheld!r}", hint="say which")
            now = core.now()
            check_number(complaint, "the number of a complaint")
            row = connection.execute(
                select(complaints.c.subject).where(complaints.c.id == complaint, complaints.c.decided_at.is_(None))
            ).one_or_none()
            if row is None:
                raise ApprovalNotFound(
                    f"no complaint {complaint!r} waits for a decision", hint="check the number that complain() gave"
                )
            connection.execute(
                update(complaints)
                .where(complaints.c.id == complaint)
                .values(decided_at=to_microseconds(now), decided_by=core.actor, upheld=int(upheld))
            )
            subject = core.store.subject_by_key(connection, row.subject)
            details = {"complaint": complaint, "upheld": upheld}
            core.audit(connection, AuditAction.UNRESTRICT, AuditOutcome.DONE, details, subject=subject, now=now)

    def disclose(self, subject_id: str, *, recipient: str, reason: str) -> dict[str, Any]:
        """What may be handed to a recipient that the subject's consent names: the consent records, never a template.

        Raises:
            RecipientRefused: No consent of the subject in force names the recipient.
            PolicyRefused: The policy does not allow it.
            SubjectNotFound: There is no such subject.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing is disclosed.
        """
        core = self._core
        with core.operation(AuditAction.DISCLOSE, subject_id=subject_id):
            check_subject_id(subject_id)
            check_name(recipient, "recipient")
            check_text(reason, "reason")
            with core.writing() as connection:
                subject = core.require_subject(connection, subject_id)
                now = core.now()
                in_force = [item for item in core.filing.of(connection, subject) if item.consent.in_force(now)]
                if not in_force:
                    raise ConsentRequired(
                        f"subject {subject_id!r} has no consent in force", hint="nothing may be handed to anybody"
                    )
                named = [item.consent for item in in_force if recipient in item.consent.recipients]
                if not named:
                    raise RecipientRefused(
                        f"no consent of subject {subject_id!r} names the recipient {recipient!r}",
                        hint="a new consent record may name it",
                    )
                policy = core.policy(connection, now)
                for consent in named:
                    policy.check(DisclosureRequest(recipient=recipient, consent=consent))
                details = {"recipient": recipient, "consents": [consent.record_id for consent in named]}
                core.audit(
                    connection,
                    AuditAction.DISCLOSE,
                    AuditOutcome.DONE,
                    details,
                    subject=subject,
                    now=now,
                    private={"reason": reason},
                )
        return {
            "subject_id": subject_id,
            "recipient": recipient,
            "disclosed_at": now.isoformat(),
            "consents": [consent.to_dict() for consent in named],
        }

    def export(self, subject_id: str, path: str | Path) -> Path:
        """Everything about a subject as one zip file: for people to read, and for machines.

        It holds the consent records, where samples came from, what is stored, the log entries that name the subject,
        and how decisions are made. It holds nothing of anybody else, and no template.

        Args:
            subject_id: The subject.
            path: A file that is not there yet.

        Raises:
            SubjectNotFound: There is no such subject.
            InvalidArgument: The file is there already.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing is exported.
        """
        core = self._core
        with core.operation(AuditAction.EXPORT_SUBJECT, subject_id=subject_id):
            check_subject_id(subject_id)
            return write_access_export(core, subject_id, Path(path))
