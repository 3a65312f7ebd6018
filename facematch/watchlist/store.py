"""Reads and writes of the watchlist's tables, each inside a transaction that the caller holds."""

from __future__ import annotations

import json
import secrets
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from facematch.errors import ConsentInvalid, ContractMismatch, DatabaseCorrupt, FacematchError
from facematch.governance import (
    OPEN_STATES,
    Consent,
    ConsentEvent,
    from_microseconds,
    to_microseconds,
)
from facematch.types import EmbeddingContract, FloatArray
from facematch.watchlist.codec import PlainCodec, StoredVector, TemplateCodec, TemplateIds
from facematch.watchlist.schema import (
    consent_events,
    consent_purposes,
    consent_sites,
    consents,
    meta,
    subjects,
    templates,
)

_RESTORE = "restore the database from a backup"

__all__ = ["ConsentLine", "NewTemplate", "Store", "StoredConsent", "Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A row of ``subjects``."""

    key: int
    subject_id: str
    subject_ref: str


@dataclass(frozen=True, slots=True)
class StoredConsent:
    """A consent record as it stands in the database now, and the digest it was filed with."""

    key: int
    filed_digest: str
    consent: Consent


@dataclass(frozen=True, slots=True, eq=False)
class NewTemplate:
    """A template about to be stored."""

    vector: FloatArray
    sample_digest: str
    detection_score: float
    face_height_px: float


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """What the list of subjects needs of a consent record.

    Attributes:
        is_open: Whether the state allows processing.
        valid_from: Begin of validity, microseconds.
        valid_until: End of validity, microseconds.
        purposes: Its purposes.
        sites: Its sites; empty means every site.
        templates: Number of templates that stand on it.
    """

    is_open: bool
    valid_from: int
    valid_until: int
    purposes: tuple[str, ...]
    sites: tuple[str, ...]
    templates: int


class Store:
    """The SQL of a watchlist.

    Args:
        codec: How vectors are kept; the only place that reads or writes them.
    """

    def __init__(self, codec: TemplateCodec | None = None) -> None:
        self._codec = codec if codec is not None else PlainCodec()

    def generation(self, connection: Connection) -> int:
        """How often enrolments, withdrawals and erasures have changed the database."""
        generation = connection.execute(select(meta.c.generation)).scalar_one()
        if not isinstance(generation, int):
            raise DatabaseCorrupt("the generation of the database is damaged", hint=_RESTORE)
        return generation

    def bump(self, connection: Connection) -> int:
        """Begin a new generation and return it."""
        connection.execute(update(meta).values(generation=meta.c.generation + 1))
        return self.generation(connection)

    def contract(self, connection: Connection) -> EmbeddingContract | None:
        """The embedding contract of all templates; ``None`` before the first enrolment."""
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
                hint="open the watchlist with the pack it was enrolled with; other models need a new enrolment",
            )

    def bind_contract(self, connection: Connection, contract: EmbeddingContract) -> None:
        """Store the contract with the first enrolment; refuse another one afterwards.

        Raises:
            ContractMismatch: The templates are of another contract.
        """
        self.check_contract(connection, contract)
        connection.execute(
            update(meta)
            .where(meta.c.contract_digest.is_(None))
            .values(contract_digest=contract.digest, dimension=contract.dimension, embedder=contract.embedder)
        )

    def subject(self, connection: Connection, subject_id: str) -> Subject | None:
        """The subject of that id, if there is one."""
        row = connection.execute(select(subjects).where(subjects.c.subject_id == subject_id)).one_or_none()
        return None if row is None else Subject(row.id, row.subject_id, row.subject_ref)

    def subjects(self, connection: Connection) -> list[Subject]:
        """All subjects by id."""
        rows = connection.execute(select(subjects).order_by(subjects.c.subject_id))
        return [Subject(row.id, row.subject_id, row.subject_ref) for row in rows]

    def add_subject(self, connection: Connection, subject_id: str, now: datetime) -> Subject:
        """A new subject, with a random reference for the audit log."""
        subject_ref = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
        result = connection.execute(
            insert(subjects).values(subject_id=subject_id, subject_ref=subject_ref, created_at=to_microseconds(now))
        )
        return Subject(_new_key(result.inserted_primary_key), subject_id, subject_ref)

    def consents(self, connection: Connection, subject: Subject) -> list[StoredConsent]:
        """The consent records of a subject, oldest first."""
        rows = connection.execute(select(consents).where(consents.c.subject == subject.key).order_by(consents.c.id))
        return [
            StoredConsent(row.id, row.digest, self._with_events(connection, row.id, row.record, row.state))
            for row in rows.all()
        ]

    def find_consent(self, connection: Connection, subject: Subject | None, consent: Consent) -> StoredConsent | None:
        """The filed record that ``consent`` is a copy of, as filed or as it stands now; ``None`` when it is not filed.

        Raises:
            ConsentInvalid: A different record of the same id is filed.
        """
        query = select(consents.c.id).where(consents.c.record_id == consent.record_id)
        if connection.execute(query).scalar() is None:
            return None
        for stored in self.consents(connection, subject) if subject is not None else ():
            same = consent.digest in {stored.filed_digest, stored.consent.digest}
            if same and stored.consent.record_id == consent.record_id:
                return stored
        raise ConsentInvalid(
            f"a different consent record with the id {consent.record_id} is already filed",
            hint="records are never changed after the fact; make a new one with Consent.given()",
        )

    def file_consent(self, connection: Connection, subject: Subject, consent: Consent) -> StoredConsent:
        """File a consent record that is in force and not filed yet."""
        start, end = consent.valid_from, consent.valid_until
        assert start is not None
        assert end is not None
        data = consent.to_dict()
        del data["events"]
        result = connection.execute(
            insert(consents).values(
                record_id=consent.record_id,
                subject=subject.key,
                digest=consent.digest,
                record=json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")),
                state=consent.state.value,
                valid_from=to_microseconds(start),
                valid_until=to_microseconds(end),
            )
        )
        key = _new_key(result.inserted_primary_key)
        connection.execute(insert(consent_purposes), [{"consent": key, "purpose": p} for p in consent.purposes])
        if consent.sites:
            connection.execute(insert(consent_sites), [{"consent": key, "site": s} for s in consent.sites])
        for position, event in enumerate(consent.events):
            self._add_event(connection, key, position, event)
        return StoredConsent(key, consent.digest, consent)

    def record_transition(self, connection: Connection, stored: StoredConsent, changed: Consent) -> None:
        """Store the last event of ``changed``, which is ``stored`` after one transition."""
        start, end = changed.valid_from, changed.valid_until
        assert start is not None
        assert end is not None
        self._add_event(connection, stored.key, len(changed.events) - 1, changed.events[-1])
        connection.execute(
            update(consents)
            .where(consents.c.id == stored.key)
            .values(state=changed.state.value, valid_from=to_microseconds(start), valid_until=to_microseconds(end))
        )

    def sample_digests(self, connection: Connection, consent_key: int) -> set[str]:
        """Digests of the pictures whose templates stand on a consent record."""
        query = select(templates.c.sample_digest).where(templates.c.consent == consent_key)
        return set(connection.execute(query).scalars())

    def add_template(
        self,
        connection: Connection,
        subject: Subject,
        consent: StoredConsent,
        template: NewTemplate,
        *,
        contract: EmbeddingContract,
        now: datetime,
    ) -> int:
        """Store a template and return its id, which is never used again, not even after an erasure."""
        ids = TemplateIds(subject.subject_ref, consent.consent.record_id, template.sample_digest, contract.digest)
        stored = self._codec.encode(template.vector, ids)
        result = connection.execute(
            insert(templates).values(
                subject=subject.key,
                consent=consent.key,
                vector=stored.data,
                checksum=stored.checksum,
                sample_digest=template.sample_digest,
                detection_score=template.detection_score,
                face_height_px=template.face_height_px,
                created_at=to_microseconds(now),
            )
        )
        return _new_key(result.inserted_primary_key)

    def count_templates(self, connection: Connection, subject: Subject | None = None) -> int:
        """Number of templates, of one subject or of all."""
        query = select(func.count()).select_from(templates)
        if subject is not None:
            query = query.where(templates.c.subject == subject.key)
        return int(connection.execute(query).scalar_one())

    def consent_lines(self, connection: Connection) -> dict[int, list[ConsentLine]]:
        """The consent records of all subjects in short, by the subject's key, oldest first."""
        per_consent = select(templates.c.consent, func.count()).group_by(templates.c.consent)
        counts = {int(key): int(count) for key, count in connection.execute(per_consent)}
        purposes: dict[int, list[str]] = defaultdict(list)
        for key, purpose in connection.execute(select(consent_purposes)):
            purposes[key].append(purpose)
        sites: dict[int, list[str]] = defaultdict(list)
        for key, site in connection.execute(select(consent_sites)):
            sites[key].append(site)
        open_states = {state.value for state in OPEN_STATES}
        lines: dict[int, list[ConsentLine]] = defaultdict(list)
        for row in connection.execute(select(consents).order_by(consents.c.id)):
            if not isinstance(row.valid_from, int) or not isinstance(row.valid_until, int):
                raise DatabaseCorrupt("a consent record in the database is damaged", hint=_RESTORE)
            lines[row.subject].append(
                ConsentLine(
                    row.state in open_states,
                    row.valid_from,
                    row.valid_until,
                    tuple(purposes[row.id]),
                    tuple(sites[row.id]),
                    counts.get(row.id, 0),
                )
            )
        return lines

    def erase(self, connection: Connection, subject: Subject) -> tuple[int, int]:
        """Delete a subject with everything that hangs on it; returns the numbers of templates and consent records."""
        keys = select(consents.c.id).where(consents.c.subject == subject.key)
        erased = connection.execute(delete(templates).where(templates.c.subject == subject.key)).rowcount
        for table in (consent_events, consent_purposes, consent_sites):
            connection.execute(delete(table).where(table.c.consent.in_(keys)))
        records = connection.execute(delete(consents).where(consents.c.subject == subject.key)).rowcount
        connection.execute(delete(subjects).where(subjects.c.id == subject.key))
        return erased, records

    def mark_unscrubbed(self, connection: Connection, generation: int) -> None:
        """Note that the files may still hold the bytes of the erasure that made ``generation``."""
        connection.execute(update(meta).values(scrub_pending=generation))

    def vectors(
        self, connection: Connection, template_ids: Sequence[int], contract: EmbeddingContract
    ) -> list[FloatArray]:
        """The vectors of templates, in the order asked for.

        Raises:
            DatabaseCorrupt: A template is damaged.
        """
        found: dict[int, FloatArray] = {}
        query = (
            select(
                templates.c.template_id,
                templates.c.vector,
                templates.c.checksum,
                templates.c.sample_digest,
                subjects.c.subject_ref,
                consents.c.record_id,
            )
            .join(subjects, subjects.c.id == templates.c.subject)
            .join(consents, consents.c.id == templates.c.consent)
        )
        for start in range(0, len(template_ids), 500):
            part = template_ids[start : start + 500]
            for row in connection.execute(query.where(templates.c.template_id.in_(part))):
                if not isinstance(row.vector, bytes) or not isinstance(row.checksum, int):
                    raise DatabaseCorrupt("a template in the database is damaged", hint=_RESTORE)
                ids = TemplateIds(row.subject_ref, row.record_id, row.sample_digest, contract.digest)
                stored = StoredVector(row.vector, row.checksum)
                found[row.template_id] = self._codec.decode(stored, ids, contract.dimension)
        if len(found) != len(template_ids):
            raise DatabaseCorrupt("templates in the database have lost their subject or consent", hint=_RESTORE)
        return [found[template_id] for template_id in template_ids]

    def _add_event(self, connection: Connection, consent_key: int, position: int, event: ConsentEvent) -> None:
        connection.execute(
            insert(consent_events).values(
                consent=consent_key,
                position=position,
                time=to_microseconds(event.time),
                actor=event.actor,
                state=event.state.value,
                valid_until=None if event.valid_until is None else to_microseconds(event.valid_until),
                reason=event.reason,
            )
        )

    def _with_events(self, connection: Connection, key: int, record: str, state: str) -> Consent:
        query = select(consent_events).where(consent_events.c.consent == key).order_by(consent_events.c.position)
        try:
            events = [
                {
                    "time": from_microseconds(row.time),
                    "actor": row.actor,
                    "state": row.state,
                    "valid_until": None if row.valid_until is None else from_microseconds(row.valid_until),
                    "reason": row.reason,
                }
                for row in connection.execute(query)
            ]
            consent = Consent.from_dict({**json.loads(record), "events": events})
        except (ValueError, TypeError, FacematchError) as error:
            raise DatabaseCorrupt("a consent record in the database is damaged", hint=_RESTORE) from error
        if consent.state.value != state:
            raise DatabaseCorrupt("a consent record contradicts its events", hint=_RESTORE)
        return consent


def _new_key(primary_key: Sequence[object] | None) -> int:
    assert primary_key is not None
    key = primary_key[0]
    assert isinstance(key, int)
    return key
