"""Retention: consents expire, references that may be kept no longer are erased, the audit log is pruned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, select

from facematch.errors import SubjectNotFound
from facematch.governance import OPEN_STATES, AuditAction, ConsentState, from_microseconds
from facematch.governance.policy import KeepRequest, Policy
from facematch.protocols import Progress
from facematch.storage.audit_log import prune
from facematch.storage.schema import consent_events, consents, enrollments
from facematch.storage.subjects import Subject
from facematch.types import Erasure, RetentionRun
from facematch.watchlist.consents.end import end_records
from facematch.watchlist.data_lifecycle.erasure import erase
from facematch.watchlist.session import Operation, Session

__all__ = ["apply_retention"]

_REASON = "the time set by the policy is over"


def apply_retention(
    session: Session, *, dry_run: bool, progress: Progress | None, on_erasure: Callable[[Erasure], None] | None
) -> RetentionRun:
    """Apply the policy's retention; see :meth:`facematch.watchlist.Watchlist.apply_retention`."""
    with session.operation(AuditAction.SWEEP) as operation:
        now = operation.now()
        resources = operation.resources
        with operation.read() as connection:
            policy = resources.governance.at(connection).policy(now).policy
            people = resources.subjects.subjects(connection)
            overdue = sorted(item.subject_id for item in people if _must_go(connection, item, policy, now))
            late = [item for item in people if any(c.past_its_time(now) for c in _consents_of(connection, item))]
            stale = _stale_enrollments(connection, policy, now)
        if dry_run:
            names = tuple(item.subject_id for item in late)
            return RetentionRun(now, names, tuple(overdue), tuple(stale), 0, dry_run=True)
        expired = [item.subject_id for item in late if _expire(operation, item)]
        rejected = [number for number in stale if _reject(operation, number)]
        erased = _erase_overdue(session, overdue, policy, progress, on_erasure)
        pruned = _prune(operation, policy, now)
        with operation.write() as tx:
            tx.audit({"expired": len(expired), "erased": len(erased), "rejected": rejected, "pruned": pruned})
        resources.database.scrub(required=False)  # once, not for every subject; else the next opening does it
    return RetentionRun(
        now,
        tuple(expired),
        tuple(item.subject_id for item in erased),
        tuple(rejected),
        pruned,
        dry_run=False,
        certificates=tuple(item.certificate for item in erased),
    )


def _erase_overdue(
    session: Session,
    overdue: Sequence[str],
    policy: Policy,
    progress: Progress | None,
    on_erasure: Callable[[Erasure], None] | None,
) -> list[Erasure]:
    erased = []
    for number, subject_id in enumerate(overdue):
        if progress is not None:
            progress(number, len(overdue))
        try:
            gone = erase(session, subject_id, _REASON, unless=partial(_check_due, policy), scrub=False)
        except (_NotDue, SubjectNotFound):
            continue  # given anew, or erased by another actor, since the run began
        erased.append(gone)
        if on_erasure is not None:
            on_erasure(gone)
    if progress is not None:
        progress(len(overdue), len(overdue))
    return erased


@dataclass(frozen=True, slots=True)
class _Consent:
    """Consent record as retention needs it."""

    state: ConsentState
    valid_until: datetime
    last_event: datetime

    def past_its_time(self, now: datetime) -> bool:
        return self.state in OPEN_STATES and self.valid_until <= now

    def ended_at(self, now: datetime) -> datetime | None:
        """The moment of its end; ``None`` while it is in force, has not begun, or waits for an answer."""
        if self.past_its_time(now) or self.state is ConsentState.EXPIRED:
            return self.valid_until  # not when a run noticed it
        return None if self.state in OPEN_STATES or self.state is ConsentState.REQUESTED else self.last_event


def _consents_of(connection: Connection, subject: Subject) -> list[_Consent]:
    query = (
        select(consents.c.id, consents.c.state, consents.c.valid_until, consent_events.c.time)
        .join(consent_events, consent_events.c.consent == consents.c.id)
        .where(consents.c.subject == subject.key)
        .order_by(consents.c.id, consent_events.c.position)  # by position: a clock may have gone back in between
    )
    return list(
        {
            key: _Consent(ConsentState(state), from_microseconds(end), from_microseconds(time))
            for key, state, end, time in connection.execute(query)
        }.values()
    )


def _must_go(connection: Connection, subject: Subject, policy: Policy, now: datetime) -> bool:
    """Whether every consent of the subject ended so long ago that the policy keeps nothing."""
    ends = [consent.ended_at(now) for consent in _consents_of(connection, subject)]
    over = [end for end in ends if end is not None]
    if not over or len(over) < len(ends):
        return False
    return policy.retention.check(KeepRequest(kept="reference", since=max(over), now=now)) is not None


class _NotDue(Exception):
    """The subject need not go after all."""


def _check_due(policy: Policy, connection: Connection, subject: Subject, now: datetime) -> None:
    if not _must_go(connection, subject, policy, now):
        raise _NotDue


def _expire(operation: Operation, person: Subject) -> bool:
    """Mark the consents of a subject that time has ended; returns whether there was one."""
    resources = operation.resources
    with operation.write() as tx:
        subject = resources.subjects.subject(tx.connection, person.subject_id)
        if subject is None:
            return False
        over = [
            stored
            for stored in resources.consents.of(tx.connection, subject)
            if stored.consent.state in OPEN_STATES
            and stored.consent.valid_until is not None
            and stored.consent.valid_until <= tx.now
        ]
        if not over:
            return False
        state = ConsentState.EXPIRED
        ended = end_records(resources.consents, tx.connection, subject, over, state, actor=tx.actor, now=tx.now)
        generation = tx.begin_generation()
        details = {"consents": len(ended), "generation": generation}
        tx.audit(details, subject=subject, action=AuditAction.EXPIRE)
    return True


def _stale_enrollments(connection: Connection, policy: Policy, now: datetime) -> list[int]:
    rows = connection.execute(
        select(enrollments.c.id, enrollments.c.created_at)
        .where(enrollments.c.state == "PENDING")
        .order_by(enrollments.c.id)
    )
    return [
        row.id
        for row in rows
        if policy.retention.check(KeepRequest(kept="pending", since=from_microseconds(row.created_at), now=now))
        is not None
    ]


def _reject(operation: Operation, number: int) -> bool:
    with operation.write() as tx:
        query = select(enrollments.c.subject).where(enrollments.c.id == number, enrollments.c.state == "PENDING")
        key = tx.connection.execute(query).scalar()
        if key is None:
            return False
        subject = operation.resources.subjects.subject_by_key(tx.connection, key)
        count = operation.resources.subjects.remove_enrollment(tx.connection, number)
        generation = tx.begin_generation(unscrubbed=True)
        details = {"enrollment": number, "templates": count, "generation": generation, "overdue": True}
        tx.audit(details, subject=subject, action=AuditAction.REJECT)
    return True


def _prune(operation: Operation, policy: Policy, now: datetime) -> int:
    before = policy.retention.prune_before(now)
    if before is None:
        return 0
    with operation.write() as tx:
        writer = operation.resources.audit_writer(tx.connection)
        pruned = prune(tx.connection, writer, before, now=now, actor=tx.actor)
        if pruned:
            tx.begin_generation(unscrubbed=True)
    return pruned
