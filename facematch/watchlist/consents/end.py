"""Termination of consents: by the subject, by the controller, by time, or as never valid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from facematch.errors import ConsentTransitionError
from facematch.governance import OPEN_STATES, AuditAction, ConsentState, check_subject_id
from facematch.governance.names import check_text
from facematch.storage.consents import ConsentTable, StoredConsent
from facematch.storage.subjects import Subject
from facematch.types import Withdrawal
from facematch.watchlist.session import Session

__all__ = ["end", "end_records"]

_ACTIONS: Final = {
    ConsentState.WITHDRAWN: AuditAction.WITHDRAW,
    ConsentState.REVOKED: AuditAction.REVOKE,
    ConsentState.INVALIDATED: AuditAction.INVALIDATE,
}


def end(session: Session, subject_id: str, reason: str, state: ConsentState) -> Withdrawal:
    """End every open consent of a subject; see :meth:`facematch.watchlist.Watchlist.withdraw`.

    Args:
        session: The actor's session.
        subject_id: The subject.
        reason: Why; sealed with the record.
        state: ``WITHDRAWN``, ``REVOKED`` or ``INVALIDATED``.
    """
    with session.operation(_ACTIONS[state], subject_id=subject_id) as operation:
        check_subject_id(subject_id)
        check_text(reason, "reason")
        resources = operation.resources
        with operation.write() as tx:
            subject = tx.require_subject(subject_id)
            filed = resources.consents.of(tx.connection, subject)
            open_ones = [stored for stored in filed if stored.consent.state in OPEN_STATES]
            if not open_ones:
                raise ConsentTransitionError(
                    f"subject {subject_id!r} has no consent left to end; no search can return the subject",
                    hint="nothing needs to be done; erase() removes the stored data",
                )
            ended = end_records(
                resources.consents, tx.connection, subject, open_ones, state, actor=tx.actor, now=tx.now, reason=reason
            )
            former = resources.cipher.former_refs(subject_id, resources.subjects.references(tx.connection))
            tx.bury(state.value, *ended, *former)  # a backup may hold records of an earlier time
            generation = tx.begin_generation()
            details = {"consents": len(ended), "generation": generation}
            tx.audit(details, subject=subject, private={"reason": reason})
    return Withdrawal(subject_id, reason, tx.now, ended, generation, state.value)


def end_records(
    table: ConsentTable,
    connection: Connection,
    subject: Subject,
    records: Sequence[StoredConsent],
    state: ConsentState,
    *,
    actor: str,
    now: datetime,
    reason: str | None = None,
) -> tuple[str, ...]:
    """Give consent records their last event; returns their ids."""
    for stored in records:
        changed = stored.consent.transition(state, actor=actor, time=now, reason=reason)
        table.record_transition(connection, subject, stored, changed)
    return tuple(stored.consent.record_id for stored in records)
