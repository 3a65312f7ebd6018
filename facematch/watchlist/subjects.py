"""Subjects of a watchlist: listed with their state, and their templates counted."""

from __future__ import annotations

from collections.abc import Sequence

from facematch.errors import DatabaseCorrupt
from facematch.governance import AuditAction, check_subject_id, from_microseconds, to_microseconds
from facematch.governance.consent.scope import subject_state
from facematch.storage.consents import ConsentLine
from facematch.types import SubjectRecord, TemplateCount
from facematch.watchlist.session import Session

__all__ = ["Subjects"]


class Subjects:
    """The subjects of a watchlist; reach it as ``Watchlist.subjects``.

    Args:
        session: The actor's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self) -> tuple[SubjectRecord, ...]:
        """All subjects by id, with their state now; audited."""
        with self._session.operation(AuditAction.LIST_SUBJECTS) as operation, operation.write() as tx:
            resources, connection = operation.resources, tx.connection
            moment = to_microseconds(tx.now)
            lines = resources.consents.lines(connection)
            restricted = resources.consents.restricted(connection)
            found = tuple(
                _subject_record(subject.subject_id, lines.get(subject.key, ()), moment, subject.key in restricted)
                for subject in resources.subjects.subjects(connection)
            )
            tx.audit({"subjects": len(found)})
        return found

    def count_templates(self, subject_id: str | None = None) -> TemplateCount:
        """Number of templates stored, of one subject or of all; audited.

        Raises:
            SubjectNotFound: There is no such subject.
        """
        with (
            self._session.operation(AuditAction.COUNT_TEMPLATES, subject_id=subject_id) as operation,
            operation.write() as tx,
        ):
            subject = None if subject_id is None else tx.require_subject(check_subject_id(subject_id))
            count = operation.resources.subjects.count_templates(tx.connection, subject)
            tx.audit({"templates": count}, subject=subject)
        return TemplateCount(subject_id, count)


def _subject_record(subject_id: str, filed: Sequence[ConsentLine], moment: int, restricted: bool) -> SubjectRecord:
    if not filed:
        raise DatabaseCorrupt("a subject in the database has no consent record", hint="restore a backup")
    active = [line for line in filed if line.in_force(moment) and line.active_templates]
    everywhere = any(not line.sites for line in active)
    return SubjectRecord(
        subject_id=subject_id,
        state=subject_state(filed, moment, restricted=restricted),
        purposes=tuple(sorted({purpose for line in active for purpose in line.purposes})),
        sites=() if everywhere else tuple(sorted({site for line in active for site in line.sites})),
        templates=sum(line.templates for line in filed),
        valid_until=from_microseconds(max(line.valid_until for line in filed)),
    )
