"""Subjects, templates and the table of contents: reads and writes inside a transaction that the caller holds."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, delete, func, insert, select, update

from facematch.errors import ContractMismatch, DatabaseCorrupt, FacematchError
from facematch.governance import to_microseconds
from facematch.storage.change_log import note_changes
from facematch.storage.encryption import SubjectCipher, TemplateIds
from facematch.storage.integrity.governance_mac import write_governance_mac
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
from facematch.storage.sql import generation_of, in_parts, new_key
from facematch.types import EmbeddingContract, FloatArray

_RESTORE = "restore the database from a backup"
_FEW = 32

__all__ = ["Erased", "NewTemplate", "Subject", "SubjectTable", "in_parts", "new_key"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A row of ``subjects``, its name unsealed."""

    key: int
    subject_id: str
    subject_ref: str


@dataclass(frozen=True, slots=True, eq=False)
class NewTemplate:
    """A template about to be stored."""

    vector: FloatArray
    sample_digest: str
    detection_score: float
    face_height_px: float


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure removed.

    Attributes:
        templates: Number of templates.
        consent_records: Number of consent records.
        fingerprints: The first bytes of what was stored, to look for in files afterwards.
    """

    templates: int
    consent_records: int
    fingerprints: tuple[bytes, ...]


class SubjectTable:
    """The SQL of subjects and templates.

    Args:
        cipher: How what is personal is sealed; the only place that seals or unseals it here.
    """

    def __init__(self, cipher: SubjectCipher) -> None:
        self.cipher = cipher

    def generation(self, connection: Connection) -> int:
        """How often the database has changed in a way that a search could notice."""
        return generation_of(connection)

    def begin_generation(self, connection: Connection) -> int:
        """Begin a new generation and return it; everything else of the transaction must be written by then."""
        connection.execute(update(meta).values(generation=meta.c.generation + 1))
        write_governance_mac(connection, self.cipher)
        generation = self.generation(connection)
        note_changes(connection, self.cipher, generation)
        return generation

    def contract(self, connection: Connection) -> EmbeddingContract | None:
        """The embedding contract of all templates; ``None`` before the first enrollment."""
        row = connection.execute(select(meta.c.contract_digest, meta.c.dimension, meta.c.embedder)).one()
        if row.contract_digest is None:
            return None
        try:
            return EmbeddingContract(row.contract_digest, row.dimension, row.embedder)
        except (FacematchError, TypeError) as error:
            raise DatabaseCorrupt("the embedding contract in the database is damaged", hint=_RESTORE) from error

    def check_contract(self, connection: Connection, contract: EmbeddingContract) -> None:
        """Refuse vectors of another embedding contract than the stored templates'.

        Raises:
            ContractMismatch: They are of another one.
        """
        stored = self.contract(connection)
        if stored is not None and stored.digest != contract.digest:
            raise ContractMismatch(
                f"the watchlist was enrolled with {stored.embedder} (contract {stored.digest[:12]}…), "
                f"the analyzer is {contract.embedder} (contract {contract.digest[:12]}…)",
                hint="open the watchlist with the pack it was enrolled with; other models need a new enrollment",
            )

    def bind_contract(self, connection: Connection, contract: EmbeddingContract) -> None:
        """Store the contract with the first enrollment; refuse another one afterwards.

        Raises:
            ContractMismatch: The templates are of another contract.
        """
        self.check_contract(connection, contract)
        connection.execute(
            update(meta)
            .where(meta.c.contract_digest.is_(None))
            .values(contract_digest=contract.digest, dimension=contract.dimension, embedder=contract.embedder)
        )

    def rotation_version(self, connection: Connection) -> int:
        """Version of the rotation that all templates are stored under."""
        return int(connection.execute(select(meta.c.rotation)).scalar_one())

    def subject(self, connection: Connection, subject_id: str) -> Subject | None:
        """The subject of that id, if there is one."""
        row = connection.execute(
            select(subjects.c.id, subjects.c.subject_ref).where(subjects.c.lookup == self.cipher.lookup(subject_id))
        ).one_or_none()
        return None if row is None else Subject(row.id, subject_id, row.subject_ref)

    def subjects(
        self,
        connection: Connection,
        known: Mapping[str, str] | None = None,
        *,
        keys: Sequence[int] | None = None,
    ) -> list[Subject]:
        """Subjects by id.

        Args:
            connection: A transaction.
            known: Subject ids by reference that need not be unsealed again.
            keys: Keys of those wanted; ``None`` for all.
        """
        query = select(subjects.c.id, subjects.c.subject_ref, subjects.c.sealed_id)
        rows: list[Any] = []
        if keys is None:
            rows = list(connection.execute(query))
        else:
            for part in in_parts(keys):
                rows += connection.execute(query.where(subjects.c.id.in_(part)))
        names = {} if known is None else known
        data_keys = self._keys_of([row.subject_ref for row in rows if row.subject_ref not in names])
        found = []
        for row in rows:
            name = names.get(row.subject_ref)
            if name is None:
                data_key = data_keys[row.subject_ref]
                name = self.cipher.unseal_text(row.subject_ref, row.sealed_id, "a subject id", key=data_key)
            found.append(Subject(row.id, name, row.subject_ref))
        return sorted(found, key=lambda subject: subject.subject_id)

    def subject_by_key(self, connection: Connection, key: int) -> Subject:
        """The subject of a row.

        Raises:
            DatabaseCorrupt: There is none.
        """
        row = connection.execute(
            select(subjects.c.subject_ref, subjects.c.sealed_id).where(subjects.c.id == key)
        ).one_or_none()
        if row is None:
            raise DatabaseCorrupt("a row in the database has lost its subject", hint=_RESTORE)
        return Subject(key, self.cipher.unseal_text(row.subject_ref, row.sealed_id, "a subject id"), row.subject_ref)

    def references(self, connection: Connection) -> dict[str, int]:
        """References and keys of all subjects."""
        return {row[0]: row[1] for row in connection.execute(select(subjects.c.subject_ref, subjects.c.id))}

    def _keys_of(self, subject_refs: Sequence[str]) -> dict[str, bytes]:
        """The data keys of subjects; all are read at once where many are wanted."""
        keys = self.cipher.subject_keys() if len(subject_refs) > _FEW else {}
        return {ref: keys[ref] if ref in keys else self.cipher.subject_key(ref) for ref in subject_refs}

    def add_subject(self, connection: Connection, subject_id: str, now: datetime) -> Subject:
        """A new subject, with a data key and a random reference for the audit log."""
        subject_ref = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
        self.cipher.new_subject(subject_ref, self.generation(connection), subject_id)
        result = connection.execute(
            insert(subjects).values(
                lookup=self.cipher.lookup(subject_id),
                subject_ref=subject_ref,
                sealed_id=self.cipher.seal_text(subject_ref, subject_id, "a subject id"),
                created_at=to_microseconds(now),
            )
        )
        return Subject(new_key(result.inserted_primary_key), subject_id, subject_ref)

    def sample_marks(self, connection: Connection, consent_key: int) -> set[str]:
        """Marks of the pictures whose templates stand on a consent record."""
        query = select(templates.c.sample_mark).where(templates.c.consent == consent_key)
        return set(connection.execute(query).scalars())

    def add_enrollment(
        self,
        connection: Connection,
        subject: Subject,
        consent_key: int,
        *,
        pending: bool,
        override: str | None,
        actor: str,
        now: datetime,
    ) -> int:
        """An enrollment that templates belong to; a pending one waits for another person's approval."""
        result = connection.execute(
            insert(enrollments).values(
                subject=subject.key,
                consent=consent_key,
                state="PENDING" if pending else "ACTIVE",
                override=None
                if override is None
                else self.cipher.seal_text(subject.subject_ref, override, "a quality override"),
                actor=actor,
                created_at=to_microseconds(now),
            )
        )
        return new_key(result.inserted_primary_key)

    def remove_enrollment(self, connection: Connection, enrollment_id: int) -> int:
        """Delete an enrollment with its templates; returns how many there were."""
        count = connection.execute(delete(templates).where(templates.c.enrollment == enrollment_id)).rowcount
        connection.execute(delete(enrollments).where(enrollments.c.id == enrollment_id))
        return count

    def add_template(
        self,
        connection: Connection,
        subject: Subject,
        consent: tuple[int, str],
        enrollment: int,
        template: NewTemplate,
        *,
        contract: EmbeddingContract,
        now: datetime,
    ) -> int:
        """Store a template and return its id, which is never used again, not even after an erasure.

        Args:
            connection: A write transaction.
            subject: Whose it is.
            consent: Key and record id of the consent that it stands on.
            enrollment: The enrollment that it belongs to.
            template: The template.
            contract: What made its vector.
            now: The present moment.
        """
        template_id = int(connection.execute(select(meta.c.next_template)).scalar_one())
        connection.execute(update(meta).values(next_template=template_id + 1))
        mark = self.cipher.sample_mark(subject.subject_ref, template.sample_digest)
        rotation = self.rotation_version(connection)
        ids = TemplateIds(template_id, subject.subject_ref, consent[1], mark, contract.digest, rotation, enrollment)
        connection.execute(
            insert(templates).values(
                template_id=template_id,
                subject=subject.key,
                consent=consent[0],
                enrollment=enrollment,
                vector=self.cipher.encode(template.vector, ids),
                sample_mark=mark,
                detection_score=template.detection_score,
                face_height_px=template.face_height_px,
                created_at=to_microseconds(now),
            )
        )
        return template_id

    def count_templates(self, connection: Connection, subject: Subject | None = None) -> int:
        """Number of templates, of one subject or of all."""
        query = select(func.count()).select_from(templates)
        if subject is not None:
            query = query.where(templates.c.subject == subject.key)
        return int(connection.execute(query).scalar_one())

    def erase(self, connection: Connection, subject_key: int) -> Erased:
        """Delete a subject with everything that hangs on it. Its data key is not touched here."""
        sealed = select(subjects.c.sealed_id).where(subjects.c.id == subject_key)
        own = select(consents.c.id).where(consents.c.subject == subject_key)
        stored = [*connection.execute(sealed).scalars()]
        for column, table in ((templates.c.vector, templates), (consents.c.record, consents)):
            stored += connection.execute(select(column).where(table.c.subject == subject_key)).scalars()
        erased = connection.execute(delete(templates).where(templates.c.subject == subject_key)).rowcount
        connection.execute(delete(enrollments).where(enrollments.c.subject == subject_key))
        connection.execute(delete(complaints).where(complaints.c.subject == subject_key))
        for child in (consent_events, consent_purposes, consent_sites, consent_zones):
            connection.execute(delete(child).where(child.c.consent.in_(own)))
        records = connection.execute(delete(consents).where(consents.c.subject == subject_key)).rowcount
        connection.execute(delete(subjects).where(subjects.c.id == subject_key))
        return Erased(erased, records, tuple(bytes(value)[:24] for value in stored))

    def mark_unscrubbed(self, connection: Connection, generation: int) -> None:
        """Note that the files may still hold the bytes of the erasure that made ``generation``."""
        connection.execute(update(meta).values(scrub_pending=generation))

    def vectors(
        self, connection: Connection, template_ids: Sequence[int], contract: EmbeddingContract
    ) -> list[FloatArray]:
        """The rotated vectors of templates, in the order asked for.

        Raises:
            DatabaseCorrupt: A template is damaged.
            KeyUnavailable: A subject's data key is not in the vault.
        """
        version = self.rotation_version(connection)
        found: dict[int, FloatArray] = {}
        for part in in_parts(template_ids):
            query = _SEALED.where(templates.c.template_id.in_(part))
            found |= {row[0]: row[2] for row in self._decoded(connection, query, contract, version)}
        if len(found) != len(template_ids):
            raise DatabaseCorrupt("templates in the database have lost their subject or consent", hint=_RESTORE)
        return [found[template_id] for template_id in template_ids]

    def renew_templates(self, connection: Connection, version: int) -> int:
        """Store every template under another version of the rotation; returns their number."""
        contract = self.contract(connection)
        old = self.rotation_version(connection)
        connection.execute(update(meta).values(rotation=version))
        if contract is None:
            return 0
        back = self.cipher.rotation(old, contract.dimension).T
        count = 0
        for template_id, ids, vector in self._decoded(connection, _SEALED, contract, old):
            plain = (vector.astype(np.float64) @ back).astype(np.float32)
            sealed = self.cipher.encode(plain, replace(ids, rotation=version))
            connection.execute(update(templates).where(templates.c.template_id == template_id).values(vector=sealed))
            count += 1
        return count

    def _decoded(
        self, connection: Connection, query: Select[Any], contract: EmbeddingContract, version: int
    ) -> Iterator[tuple[int, TemplateIds, FloatArray]]:
        """Id, bindings and rotated vector of the templates that a query finds."""
        rows = connection.execute(query).all()
        keys = self._keys_of(sorted({row.subject_ref for row in rows}))
        for row in rows:
            ref = row.subject_ref
            bound = (row.template_id, ref, row.record_id, row.sample_mark, contract.digest, version, row.enrollment)
            ids = TemplateIds(*bound)
            yield row.template_id, ids, self.cipher.decode(row.vector, ids, contract.dimension, key=keys[ref])


_SEALED = (
    select(
        templates.c.template_id,
        templates.c.enrollment,
        templates.c.vector,
        templates.c.sample_mark,
        subjects.c.subject_ref,
        consents.c.record_id,
    )
    .join(subjects, subjects.c.id == templates.c.subject)
    .join(consents, consents.c.id == templates.c.consent)
)
