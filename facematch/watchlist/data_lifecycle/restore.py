"""Putting a backup in the place of what a watchlist holds, without undoing what ended since.

Subjects, consent records, enrollments and templates come from the backup. Everything that governs stays as it is: the
audit log, policies, roles, zones, suspensions, calibrations, open complaints. Where the database file itself is lost,
copy the backup to its place: the next opening notices that it is older than its vault and does the rest.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, select, update

from facematch.errors import BackupInvalid, DatabaseCorrupt, DatabaseUnavailable, FacematchError
from facematch.governance import AuditAction, AuditOutcome
from facematch.storage.database import Database
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
from facematch.watchlist.consents.end import carry_out, destroy_erased, suspend_restored
from facematch.watchlist.session import Core

__all__ = ["restore"]

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
"""What a backup brings back, parents first."""

_CHUNK = 1000


def restore(core: Core, source: Path) -> None:
    """Put a backup in place; see :meth:`facematch.watchlist.Watchlist.restore`."""
    with core.operation(AuditAction.RESTORE):
        with _staged(core, source) as database, database.read() as old, core.writing() as connection:
            now = core.now()
            _check_origin(core, old)
            core.gallery.discard_file()
            contested = _open_complaints(connection)
            for table in reversed(_TABLES):
                connection.execute(delete(table))
            for table in _TABLES:
                for part in old.execute(select(table)).mappings().partitions(_CHUNK):
                    connection.execute(insert(table), [dict(row) for row in part])
            ConsentMacs(core.codec).check(connection)
            _take_over(old, connection)
            _contest_again(core, connection, contested)
            erased, ended = carry_out(core, connection)
            unreadable = _drop_unreadable(core, connection)
            suspend_restored(core, connection, now)
            generation = core.store.bump(connection)
            core.store.mark_unscrubbed(connection, generation)
            details = {"ended": ended, "erased": erased, "unreadable": unreadable, "generation": generation}
            core.audit(connection, AuditAction.RESTORE, AuditOutcome.DONE, details, now=now)
        destroy_erased(core)
        core.database.scrub(required=False)


def _drop_unreadable(core: Core, connection: Connection) -> int:
    """Delete the subjects of the backup whose data keys the vault does not hold: nobody can open them any more."""
    keys = core.codec.subject_refs()
    gone = [key for ref, key in core.store.references(connection).items() if ref not in keys]
    for key in gone:
        core.store.erase(connection, key)
    return len(gone)


def _check_origin(core: Core, old: Connection) -> None:
    if old.execute(select(meta.c.watchlist_id)).scalar_one() != core.vault.watchlist_id:
        raise BackupInvalid("the file is a backup of another watchlist", hint="name a backup of this watchlist")
    try:
        check_governance_mac(old, core.codec)  # an approval written into the backup must not come in with it
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


def _contest_again(core: Core, connection: Connection, contested: list[tuple[str, dict[str, object]]]) -> None:
    """Complaints are newer than the backup: they stand as they stood before."""
    references = core.store.references(connection)
    for subject_ref, values in contested:
        connection.execute(delete(complaints).where(complaints.c.id == values["id"]))
        if subject_ref in references:
            connection.execute(insert(complaints).values({**values, "subject": references[subject_ref]}))


@contextmanager
def _staged(core: Core, source: Path) -> Iterator[Database]:
    """A copy of a backup, brought to the present schema.

    Raises:
        BackupInvalid: The file is no usable backup.
    """
    target = core.database.path
    if target is None:
        raise BackupInvalid("a watchlist in memory cannot be restored", hint="open the watchlist from a file")
    if not source.is_file():
        raise BackupInvalid(f"there is no file {str(source)!r}", hint="name the file that backup() wrote")
    staged = target.with_name(f".{target.name}.restore-{secrets.token_hex(4)}")
    try:
        try:
            os.close(os.open(staged, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            shutil.copyfile(source, staged)
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
