"""Recovery at opening: what was cut off is finished, and a restored database is recognized.

The vault and the database are reconciled: tombstones that the vault knows and the database does not are carried out,
keys of erased subjects are destroyed, and a database older than its vault is suspended until two people lift that.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from facematch.governance import AuditAction, ConsentState
from facematch.storage.database import Authorization
from facematch.storage.schema import consents, meta
from facematch.watchlist.resources import Resources
from facematch.watchlist.session import Maintenance, Session
from facematch.watchlist.setup.reapply_tombstones import reapply_tombstones, suspend_restored

__all__ = ["reconcile"]

_REPAIR = Authorization("facematch", AuditAction.REPAIR)


def reconcile(resources: Resources, *, actor: str) -> None:
    """Carry out tombstones that only the vault knows, and record those that only the database knows."""
    tombstones, high = resources.vault.tombstones(), resources.vault.high_water  # before the database, which moves on
    with resources.database.read() as connection:
        generation = resources.subjects.generation(connection)
        references = resources.subjects.references(connection)
        open_records = resources.consents.open_records(connection)
        closed = _closed_records(connection)
    unended = [record for record in open_records if record[0] in tombstones]
    unerased = [ref for ref in references if tombstones.get(ref, ("", 0))[0] == "ERASED"]
    restored = high > generation
    if high < generation:
        resources.vault.note_generation(generation)
    unnoted = [row for row in closed if row[1] not in tombstones]
    if unnoted:
        resources.vault.record_tombstones(unnoted)
    broken = bool(unended or unerased or restored)
    if broken:
        restored = _repair(resources, actor)
        resources.database.scrub(required=False)
    if broken or not set(resources.cipher.subject_refs()) <= set(references):
        _destroy_orphans(resources, resources.vault.tombstones(), restored=restored)


def _destroy_orphans(resources: Resources, tombstones: dict[str, tuple[str, int]], *, restored: bool) -> None:
    """Destroy the keys of subjects that were erased, and the one of an enrollment that never committed.

    A key made at the present generation, for a subject that is not there, can only be of the latter kind. Other keys
    without a subject stay: a backup that is not put back yet may need them.
    """
    with resources.database.write(_REPAIR) as connection:  # an enrollment makes its key while it holds this lock
        references = resources.subjects.references(connection)
        generation = resources.subjects.generation(connection)
        for ref, made in resources.cipher.subject_refs().items():
            erased = tombstones.get(ref, ("", 0))[0] == "ERASED"
            if ref not in references and (erased or (made == generation and not restored)):
                resources.cipher.destroy_subject(ref)


def _repair(resources: Resources, actor: str) -> bool:
    """Carry out tombstones, and suspend where the database is older than its vault; returns whether it is."""
    operation = Maintenance(Session(resources, actor), AuditAction.REPAIR)
    with operation.write() as tx:
        erased, ended = reapply_tombstones(resources, tx.connection, actor=actor)
        resources.gallery.discard_file()
        high = resources.vault.high_water
        restored = high > resources.subjects.generation(tx.connection)
        if restored:
            tx.connection.execute(update(meta).where(meta.c.generation < high).values(generation=high))
            suspend_restored(tx.connection, actor=actor, now=tx.now)
        generation = tx.begin_generation(unscrubbed=bool(erased))
        tx.audit({"ended": ended, "erased": erased, "restored": restored, "generation": generation})
    return restored


def _closed_records(connection: Connection) -> list[tuple[str, str, int]]:
    final = (ConsentState.WITHDRAWN, ConsentState.REVOKED, ConsentState.INVALIDATED)
    query = select(consents.c.state, consents.c.record_id, consents.c.valid_until).where(
        consents.c.state.in_([state.value for state in final])
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]
