"""Sealing what an earlier schema kept in the clear: subjects, consent records, templates, and the audit log's entries.

The migration moved the old tables aside (``plain_…``). Everything is stored anew under the keys of the vault, the old
tables are dropped in the same transaction, and the file is rebuilt afterwards so that no page keeps the old bytes.
"""

from __future__ import annotations

import json
import zlib

import numpy as np
from sqlalchemy import Connection, insert, text, update

from facematch.errors import DatabaseCorrupt, FacematchError
from facematch.governance import AuditAction, AuditOutcome, AuditRecord, Consent, from_microseconds
from facematch.storage.encryption import TemplateIds
from facematch.storage.schema import enrollments, meta, subjects, templates
from facematch.storage.subjects import Subject, new_key
from facematch.watchlist.session import Core

__all__ = ["seal_plain_rows"]

_TABLES = (
    "plain_templates",
    "plain_consent_events",
    "plain_consent_purposes",
    "plain_consent_sites",
    "plain_consents",
    "plain_subjects",
    "plain_audit",
    "plain_meta",
)
_DAMAGED = "the watchlist of an earlier version is damaged"


def seal_plain_rows(core: Core, connection: Connection) -> int:
    """Seal the rows of an earlier schema and drop its tables; returns the number of subjects, 0 where there is none.

    Raises:
        DatabaseCorrupt: A row is damaged; nothing is changed.
    """
    found = connection.execute(text("SELECT count(*) FROM sqlite_schema WHERE name = 'plain_subjects'")).scalar_one()
    if not found:
        return 0
    try:
        _seal_audit(core, connection)
        count = _seal_subjects(core, connection)
    except (ValueError, TypeError, LookupError, FacematchError) as error:
        raise DatabaseCorrupt(_DAMAGED, hint="restore a backup and open it again") from error
    for table in _TABLES:
        connection.execute(text(f"DROP TABLE {table}"))
    return max(count, 1)


def _seal_audit(core: Core, connection: Connection) -> None:
    rows = connection.execute(text("SELECT * FROM plain_audit ORDER BY seq"))
    records = [
        AuditRecord(
            time=from_microseconds(row.time),
            actor=row.actor,
            action=AuditAction(row.action),
            outcome=AuditOutcome(row.outcome),
            subject_ref=row.subject_ref,
            details=json.loads(row.details),
        )
        for row in rows
    ]
    if records:
        core.append_audit(connection, records)


def _seal_subjects(core: Core, connection: Connection) -> int:
    people = connection.execute(text("SELECT * FROM plain_subjects ORDER BY id")).all()
    known = core.codec.subject_refs()  # an attempt that was cut off made its keys already
    for row in people:
        if row.subject_ref not in known:
            core.codec.new_subject(row.subject_ref, core.store.generation(connection), row.subject_id)
        result = connection.execute(
            insert(subjects).values(
                lookup=core.codec.lookup(row.subject_id),
                subject_ref=row.subject_ref,
                sealed_id=core.codec.seal_text(row.subject_ref, row.subject_id, "a subject id"),
                created_at=row.created_at,
            )
        )
        subject = Subject(new_key(result.inserted_primary_key), row.subject_id, row.subject_ref)
        for consent in connection.execute(
            text("SELECT * FROM plain_consents WHERE subject = :key ORDER BY id"), {"key": row.id}
        ).all():
            _seal_consent(core, connection, subject, consent.id, consent.record)
    return len(people)


def _seal_consent(core: Core, connection: Connection, subject: Subject, old_key: int, document: str) -> None:
    events = [
        {
            "time": from_microseconds(row.time),
            "actor": row.actor,
            "state": row.state,
            "valid_until": None if row.valid_until is None else from_microseconds(row.valid_until),
            "reason": row.reason,
        }
        for row in connection.execute(
            text("SELECT * FROM plain_consent_events WHERE consent = :key ORDER BY position"), {"key": old_key}
        )
    ]
    consent = Consent.from_dict({**json.loads(document), "events": events})
    stored = core.filing.file(connection, subject, consent)
    rows = connection.execute(
        text("SELECT * FROM plain_templates WHERE consent = :key ORDER BY template_id"), {"key": old_key}
    ).all()
    if not rows:
        return
    result = connection.execute(
        insert(enrollments).values(
            subject=subject.key,
            consent=stored.key,
            state="ACTIVE",
            actor=core.actor,
            created_at=rows[0].created_at,
        )
    )
    enrollment = new_key(result.inserted_primary_key)
    contract = core.store.contract(connection)
    if contract is None:
        raise DatabaseCorrupt(_DAMAGED, hint="its templates have no contract")
    for row in rows:
        ids = "\n".join((subject.subject_ref, consent.record_id, row.sample_digest, contract.digest)).encode()
        if zlib.crc32(row.vector, zlib.crc32(ids)) != row.checksum:
            raise DatabaseCorrupt(_DAMAGED, hint="a template's checksum does not fit")
        mark = core.codec.sample_mark(subject.subject_ref, row.sample_digest)
        vector = np.frombuffer(row.vector, dtype="<f4").astype(np.float32)
        new = TemplateIds(row.template_id, subject.subject_ref, consent.record_id, mark, contract.digest, 1, enrollment)
        connection.execute(
            insert(templates).values(
                template_id=row.template_id,
                subject=subject.key,
                consent=stored.key,
                enrollment=enrollment,
                vector=core.codec.encode(vector, new),
                sample_mark=mark,
                detection_score=row.detection_score,
                face_height_px=row.face_height_px,
                created_at=row.created_at,
            )
        )
    last = max(row.template_id for row in rows)
    connection.execute(update(meta).where(meta.c.next_template <= last).values(next_template=last + 1))
