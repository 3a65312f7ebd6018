"""Ending a consent: by the subject, by the controller, by time, or as never valid; and keeping it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert

from facematch.errors import ConsentTransitionError
from facematch.governance import (
    OPEN_STATES,
    AuditAction,
    AuditOutcome,
    ConsentState,
    check_subject_id,
    from_microseconds,
    to_microseconds,
)
from facematch.governance.names import check_text
from facematch.storage.consents import StoredConsent
from facematch.storage.schema import suspensions
from facematch.storage.subjects import Subject
from facematch.types import Withdrawal
from facematch.watchlist.session import Core

__all__ = ["carry_out", "destroy_erased", "end", "end_records", "suspend_restored"]

_ACTIONS: Final = {
    ConsentState.WITHDRAWN: AuditAction.WITHDRAW,
    ConsentState.REVOKED: AuditAction.REVOKE,
    ConsentState.INVALIDATED: AuditAction.INVALIDATE,
}


def end(core: Core, subject_id: str, reason: str, state: ConsentState) -> Withdrawal:
    """End every open consent of a subject; see :meth:`facematch.watchlist.Watchlist.withdraw`.

    Args:
        core: The open watchlist.
        subject_id: The subject.
        reason: Why; sealed with the record.
        state: ``WITHDRAWN``, ``REVOKED`` or ``INVALIDATED``.
    """
    action = _ACTIONS[state]
    with core.operation(action, subject_id=subject_id):
        check_subject_id(subject_id)
        check_text(reason, "reason")
        with core.concluding() as (connection, endings):
            subject = core.require_subject(connection, subject_id)
            now = core.now()
            filed = core.filing.of(connection, subject)
            open_ones = [stored for stored in filed if stored.consent.state in OPEN_STATES]
            if not open_ones:
                raise ConsentTransitionError(
                    f"subject {subject_id!r} has no consent left to end; no search can return the subject",
                    hint="nothing needs to be done; erase() removes the stored data",
                )
            ended = end_records(core, connection, subject, open_ones, state=state, now=now, reason=reason)
            moment = to_microseconds(now)
            endings.extend((state.value, record_id, moment) for record_id in ended)
            former = core.codec.former_refs(subject_id, core.store.references(connection))
            endings.extend((state.value, ref, moment) for ref in former)  # a backup may hold records of an earlier time
            generation = core.store.bump(connection)
            details = {"consents": len(ended), "generation": generation}
            core.audit(
                connection,
                action,
                AuditOutcome.DONE,
                details,
                subject=subject,
                now=now,
                private={"reason": reason},
            )
    return Withdrawal(subject_id, reason, now, ended, generation, state.value)


def end_records(
    core: Core,
    connection: Connection,
    subject: Subject,
    records: list[StoredConsent],
    *,
    state: ConsentState,
    now: datetime,
    reason: str | None,
) -> tuple[str, ...]:
    """Give consent records their last event; returns their ids."""
    for stored in records:
        changed = stored.consent.transition(state, actor=core.actor, time=now, reason=reason)
        core.filing.record_transition(connection, subject, stored, changed)
    return tuple(stored.consent.record_id for stored in records)


def carry_out(core: Core, connection: Connection) -> tuple[int, int]:
    """Carry out the endings that the vault knows and the database does not.

    That is so after a restored backup, and where a process died between the two.

    Returns:
        Numbers of subjects erased and of consent records ended.
    """
    endings = core.vault.endings()
    gone = {ref for ref, (kind, _) in endings.items() if kind == "ERASED"}
    again = {ref for record_id, _, ref in core.filing.open_records(connection) if record_id in gone} - gone
    core.vault.note_endings([("ERASED", ref, to_microseconds(core.now())) for ref in sorted(again)])
    erased = 0
    for subject_ref, key in core.store.references(connection).items():
        if subject_ref in gone | again:
            core.store.erase(connection, key)
            erased += 1
    ended = 0
    for record_id, subject_key, subject_ref in core.filing.open_records(connection):
        kind, time = endings.get(record_id, endings.get(subject_ref, ("", 0)))
        subject = Subject(subject_key, "", subject_ref)
        records = [item for item in core.filing.of(connection, subject) if item.consent.record_id == record_id]
        if not kind or (record_id not in endings and not _given_by(records, time)):
            continue
        moment = from_microseconds(time)
        state = ConsentState(kind)
        ended += len(end_records(core, connection, subject, records, state=state, now=moment, reason=None))
    return erased, ended


def _given_by(records: list[StoredConsent], time: int) -> bool:
    """Whether records were given by then; one that was given later is a new beginning."""
    begins = [item.consent.valid_from for item in records]
    return all(begin is not None and to_microseconds(begin) <= time for begin in begins)


def destroy_erased(core: Core) -> None:
    """Destroy the keys of subjects that the vault knows as erased; once the database holds them no more."""
    endings = core.vault.endings()
    for ref in core.codec.subject_refs():
        if endings.get(ref, ("", 0))[0] == "ERASED":
            core.codec.destroy_subject(ref)


def suspend_restored(core: Core, connection: Connection, now: datetime) -> None:
    """Suspend everything after a restored backup, until two people have looked at it."""
    connection.execute(
        insert(suspensions).values(
            reason="the database was restored from a backup", since=to_microseconds(now), actor=core.actor
        )
    )
