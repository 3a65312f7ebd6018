"""Tombstones carried out: what the vault knows to have ended, and the database does not.

That is so after a restored backup, and where a process died between the vault's commit and the database's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert

from facematch.governance import ConsentState, from_microseconds, to_microseconds
from facematch.storage.consents import StoredConsent
from facematch.storage.schema import suspensions
from facematch.storage.subjects import Subject
from facematch.watchlist.consents.end import end_records
from facematch.watchlist.resources import Resources

__all__ = ["destroy_erased", "reapply_tombstones", "suspend_restored"]


def reapply_tombstones(resources: Resources, connection: Connection, *, actor: str) -> tuple[int, int]:
    """Erase subjects and end consent records whose tombstones are in the vault.

    Args:
        resources: The open watchlist.
        connection: A write transaction.
        actor: The actor, for the records' last events.

    Returns:
        Numbers of subjects erased and of consent records ended.
    """
    consents, subjects = resources.consents, resources.subjects
    tombstones = resources.vault.tombstones()
    gone = {ref for ref, (kind, _) in tombstones.items() if kind == "ERASED"}
    again = {ref for record_id, _, ref in consents.open_records(connection) if record_id in gone} - gone
    moment = to_microseconds(resources.now())
    resources.vault.record_tombstones([("ERASED", ref, moment) for ref in sorted(again)])
    erased = 0
    for subject_ref, key in subjects.references(connection).items():
        if subject_ref in gone | again:
            subjects.erase(connection, key)
            erased += 1
    ended = 0
    for record_id, subject_key, subject_ref in consents.open_records(connection):
        kind, time = tombstones.get(record_id, tombstones.get(subject_ref, ("", 0)))
        subject = Subject(subject_key, "", subject_ref)
        records = [item for item in consents.of(connection, subject) if item.consent.record_id == record_id]
        if not kind or (record_id not in tombstones and not _given_by(records, time)):
            continue
        state = ConsentState(kind)
        now = from_microseconds(time)
        ended += len(end_records(consents, connection, subject, records, state, actor=actor, now=now))
    return erased, ended


def _given_by(records: Sequence[StoredConsent], time: int) -> bool:
    """Whether records were given by then; one that was given later is a new beginning."""
    begins = [item.consent.valid_from for item in records]
    return all(begin is not None and to_microseconds(begin) <= time for begin in begins)


def destroy_erased(resources: Resources) -> None:
    """Destroy the keys of subjects that the vault knows as erased; once the database holds them no more."""
    tombstones = resources.vault.tombstones()
    for ref in resources.cipher.subject_refs():
        if tombstones.get(ref, ("", 0))[0] == "ERASED":
            resources.cipher.destroy_subject(ref)


def suspend_restored(connection: Connection, *, actor: str, now: datetime) -> None:
    """Suspend everything after a restored backup, until two people have looked at it."""
    connection.execute(
        insert(suspensions).values(
            reason="the database was restored from a backup", since=to_microseconds(now), actor=actor
        )
    )
