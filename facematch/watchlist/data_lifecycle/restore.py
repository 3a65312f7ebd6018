"""Restoring a backup without undoing withdrawals and erasures made since.

Subjects, consent records, enrollments and templates come from the backup. Audit log, policies, roles, zones,
suspensions, calibrations and open complaints are not restored. Where the database file itself is lost, copy the backup
to its place: the next opening notices that it is older than its vault and does the rest.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, select, update

from facematch.errors import BackupInvalid, DatabaseCorrupt, DatabaseUnavailable, FacematchError
from facematch.governance import AuditAction
from facematch.storage.database import Database
from facematch.storage.files import copy_database, create_private
from facematch.storage.integrity.consent_mac import ConsentMacs
from facematch.storage.integrity.governance_mac import check_governance_mac
from facematch.storage.schema import (
    complaints,
    consent_events,
    consent_purposes,
    consent_sites,
    consent_zones,
    consents,
    enrollments,
    meta,
    subjects,
    templates,
)
from facematch.types import Restored
from facematch.watchlist.resources import Resources
from facematch.watchlist.session import Session
from facematch.watchlist.setup.reapply_tombstones import destroy_erased, reapply_tombstones, suspend_restored

__all__ = ["restore"]

logger = logging.getLogger(__name__)

_TABLES = (
    subjects,
    consents,
    consent_purposes,
    consent_sites,
    consent_zones,
    consent_events,
    enrollments,
    templates,
    complaints,
)
"""Tables that a backup brings back, parents first."""

_CHUNK = 1000


def restore(session: Session, source: Path) -> Restored:
    """Put a backup in place; see :meth:`facematch.watchlist.Watchlist.restore`."""
    with session.operation(AuditAction.RESTORE) as operation:
        resources = operation.resources
        with _staged(resources, source) as database, database.read() as old, operation.write() as tx:
            connection = tx.connection
            _check_origin(resources, old)
            resources.gallery.discard_file()
            contested = _open_complaints(connection)
            for table in reversed(_TABLES):
                connection.execute(delete(table))
            for table in _TABLES:
                for part in old.execute(select(table)).mappings().partitions(_CHUNK):
                    connection.execute(insert(table), [dict(row) for row in part])
            ConsentMacs(resources.cipher).check(connection)
            _take_over(old, connection)
            _contest_again(resources, connection, contested)
            erased, ended = reapply_tombstones(resources, connection, actor=tx.actor)
            unreadable = _drop_unreadable(resources, connection)
            suspend_restored(connection, actor=tx.actor, now=tx.now)
            generation = tx.begin_generation(unscrubbed=True)
            restored = Restored(ended=ended, erased=erased, unreadable=unreadable, generation=generation)
            tx.audit(restored.to_dict())
        destroy_erased(resources)
        resources.database.scrub(required=False)
        logger.info("backup restored", extra=restored.to_dict())
    return restored


def _drop_unreadable(resources: Resources, connection: Connection) -> int:
    """Delete the subjects of the backup whose data keys the vault does not hold: they cannot be opened any more."""
    keys = resources.cipher.subject_refs()
    gone = [key for ref, key in resources.subjects.references(connection).items() if ref not in keys]
    for key in gone:
        resources.subjects.erase(connection, key)
    return len(gone)


def _check_origin(resources: Resources, old: Connection) -> None:
    if old.execute(select(meta.c.watchlist_id)).scalar_one() != resources.vault.watchlist_id:
        raise BackupInvalid("the file is a backup of another watchlist", hint="name a backup of this watchlist")
    try:
        check_governance_mac(old, resources.cipher)  # an approval written into the backup must not come in with it
    except DatabaseCorrupt as error:
        raise BackupInvalid(f"the backup was changed: {error.message}", hint="name another backup") from error


def _take_over(old: Connection, connection: Connection) -> None:
    """Contract and rotation of the backup; template ids go on from the higher of the two."""
    row = old.execute(select(meta)).one()
    connection.execute(
        update(meta).values(
            contract_digest=row.contract_digest,
            dimension=row.dimension,
            embedder=row.embedder,
            rotation=row.rotation,
            next_template=func.max(meta.c.next_template, row.next_template),
        )
    )


def _open_complaints(connection: Connection) -> list[tuple[str, dict[str, object]]]:
    query = select(complaints, subjects.c.subject_ref).join(subjects, subjects.c.id == complaints.c.subject)
    found = []
    for row in connection.execute(query).mappings():
        values = dict(row)
        found.append((str(values.pop("subject_ref")), {str(name): value for name, value in values.items()}))
    return found


def _contest_again(
    resources: Resources, connection: Connection, contested: list[tuple[str, dict[str, object]]]
) -> None:
    """Complaints are newer than the backup: they stand as they stood before."""
    references = resources.subjects.references(connection)
    for subject_ref, values in contested:
        connection.execute(delete(complaints).where(complaints.c.id == values["id"]))
        if subject_ref in references:
            connection.execute(insert(complaints).values({**values, "subject": references[subject_ref]}))


@contextmanager
def _staged(resources: Resources, source: Path) -> Iterator[Database]:
    """A copy of a backup, brought to the present schema.

    Raises:
        BackupInvalid: The file is no usable backup.
    """
    target = resources.database.path
    if target is None:
        raise BackupInvalid("a watchlist in memory cannot be restored", hint="open the watchlist from a file")
    if not source.is_file():
        raise BackupInvalid(f"there is no file {str(source)!r}", hint="name the file that backup() wrote")
    staged = target.with_name(f".{target.name}.restore-{secrets.token_hex(4)}")
    try:
        try:
            create_private(staged)
            copy_database(source, staged)
            database = Database(f"sqlite:///{staged}")
        except OSError as error:
            raise DatabaseUnavailable(
                f"the backup cannot be copied: {error.strerror or error}", hint="check the disk"
            ) from error
        except FacematchError as error:
            raise BackupInvalid(f"{str(source)!r} is no usable backup: {error.message}", hint=error.hint) from error
        try:
            yield database
        finally:
            database.close()
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            staged.with_name(staged.name + end).unlink(missing_ok=True)
