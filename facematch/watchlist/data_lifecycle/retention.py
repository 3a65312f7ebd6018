"""The sweeper: expires consents, erases what may be kept no longer, and prunes the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, select

from facematch.errors import SubjectNotFound
from facematch.governance import OPEN_STATES, AuditAction, AuditOutcome, ConsentState, from_microseconds
from facematch.governance.policy import KeepRequest, Policy
from facematch.protocols import Progress
from facematch.storage.audit_log import prune
from facematch.storage.schema import consent_events, consents, enrollments
from facematch.storage.subjects import Subject
from facematch.types import Erasure, Sweep
from facematch.watchlist.consents.end import end_records
from facematch.watchlist.data_lifecycle.erasure import erase
from facematch.watchlist.enrollment.approvals import remove_enrollment
from facematch.watchlist.session import Core

__all__ = ["sweep"]

_REASON = "the time set by the policy is over"


def sweep(
    core: Core, *, dry_run: bool, progress: Progress | None, on_erasure: Callable[[Erasure], None] | None
) -> Sweep:
    """Apply the policy's retention; see :meth:`facematch.watchlist.Watchlist.sweep`."""
    with core.operation(AuditAction.SWEEP):
        now = core.now()
        with core.database.read() as connection:
            policy = core.policy(connection, now)
            people = core.store.subjects(connection)
            overdue = {item.subject_id for item in people if _must_go(connection, item, policy, now)}
            late = [item for item in people if any(c.past_its_time(now) for c in _consents_of(connection, item))]
            stale = _stale_enrollments(connection, policy, now)
        if dry_run:
            return Sweep(
                now,
                tuple(item.subject_id for item in late),
                tuple(sorted(overdue)),
                tuple(stale),
                0,
                dry_run=True,
            )
        expired = [item.subject_id for item in late if _expire(core, item)]
        rejected = [number for number in stale if _reject(core, number)]
        certificates = []
        for number, subject_id in enumerate(sorted(overdue)):
            if progress is not None:
                progress(number, len(overdue))
            try:
                gone = erase(core, subject_id, _REASON, unless=partial(_check_due, policy), scrub=False)
            except (_NotDue, SubjectNotFound):
                continue  # given anew or erased by somebody else, since the sweep began
            certificates.append(gone)
            if on_erasure is not None:
                on_erasure(gone)
        if progress is not None:
            progress(len(overdue), len(overdue))
        pruned = _prune(core, policy, now)
        with core.writing() as connection:
            details = {"expired": len(expired), "erased": len(certificates), "rejected": rejected, "pruned": pruned}
            core.audit(connection, AuditAction.SWEEP, AuditOutcome.DONE, details, now=now)
        core.database.scrub(required=False)  # once, not for every subject; else the next opening does it
    return Sweep(
        now,
        tuple(expired),
        tuple(item.subject_id for item in certificates),
        tuple(rejected),
        pruned,
        dry_run=False,
        certificates=tuple(item.certificate for item in certificates),
    )


@dataclass(frozen=True, slots=True)
class _Consent:
    """What the sweeper needs of a consent record."""

    state: ConsentState
    valid_until: datetime
    last_event: datetime

    def past_its_time(self, now: datetime) -> bool:
        return self.state in OPEN_STATES and self.valid_until <= now

    def ended_at(self, now: datetime) -> datetime | None:
        """When it ended; ``None`` while it is in force, has not begun, or waits for an answer."""
        if self.past_its_time(now) or self.state is ConsentState.EXPIRED:
            return self.valid_until  # not when a sweep noticed it
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


def _expire(core: Core, person: Subject) -> bool:
    """Mark the consents of a subject that time has ended; returns whether there was one."""
    with core.writing() as connection:
        now = core.now()
        subject = core.store.subject(connection, person.subject_id)
        if subject is None:
            return False
        over = [
            stored
            for stored in core.filing.of(connection, subject)
            if stored.consent.state in OPEN_STATES
            and stored.consent.valid_until is not None
            and stored.consent.valid_until <= now
        ]
        if not over:
            return False
        ended = end_records(core, connection, subject, over, state=ConsentState.EXPIRED, now=now, reason=None)
        generation = core.store.bump(connection)
        details = {"consents": len(ended), "generation": generation}
        core.audit(connection, AuditAction.EXPIRE, AuditOutcome.DONE, details, subject=subject, now=now)
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


def _reject(core: Core, number: int) -> bool:
    with core.writing() as connection:
        query = select(enrollments.c.subject).where(enrollments.c.id == number, enrollments.c.state == "PENDING")
        key = connection.execute(query).scalar()
        if key is None:
            return False
        subject = core.store.subject_by_key(connection, key)
        count = remove_enrollment(connection, number)
        generation = core.store.bump(connection)
        core.store.mark_unscrubbed(connection, generation)
        details = {"enrollment": number, "templates": count, "generation": generation, "overdue": True}
        core.audit(connection, AuditAction.REJECT, AuditOutcome.DONE, details, subject=subject)
    return True


def _prune(core: Core, policy: Policy, now: datetime) -> int:
    days = policy.retention.audit_days
    if days is None:
        return 0
    with core.writing() as connection:
        before = now - timedelta(days=days)
        pruned = prune(connection, core.audit_writer(connection), before, now=now, actor=core.actor)
        if pruned:
            core.store.mark_unscrubbed(connection, core.store.bump(connection))
    return pruned
