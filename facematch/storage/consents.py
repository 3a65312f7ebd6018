"""Consent records in the database: sealed as a whole, with what a search filters by in the clear beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, or_, select, update

from facematch.errors import ConsentInvalid, ConsentRequired, DatabaseCorrupt, FacematchError, KeyUnavailable
from facematch.governance import OPEN_STATES, Consent, ConsentState, to_microseconds
from facematch.governance.consent.scope import OPEN_STATE_NAMES, in_force
from facematch.storage.encryption import SubjectCipher
from facematch.storage.integrity.consent_mac import clear_columns
from facematch.storage.schema import (
    complaints,
    consent_events,
    consent_purposes,
    consent_sites,
    consent_zones,
    consents,
    enrollments,
    subjects,
    templates,
)
from facematch.storage.sql import new_key
from facematch.storage.subjects import Subject

__all__ = [
    "ConsentLine",
    "ConsentTable",
    "StoredConsent",
    "check_new_record",
    "checked_record",
    "contested_subjects",
]

_ENDED = frozenset({ConsentState.WITHDRAWN, ConsentState.REVOKED, ConsentState.INVALIDATED})
_RESTORE = "restore the database from a backup"


@dataclass(frozen=True, slots=True)
class StoredConsent:
    """A consent record as it stands in the database now, and the mark of the digest it was filed with."""

    key: int
    mark: str
    consent: Consent


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
        pending: How many of them wait for an approval.
    """

    is_open: bool
    valid_from: int
    valid_until: int
    purposes: tuple[str, ...]
    sites: tuple[str, ...]
    templates: int
    pending: int

    @property
    def active_templates(self) -> int:
        """Number of approved templates that stand on it."""
        return self.templates - self.pending

    def in_force(self, moment: int) -> bool:
        """Whether the record allows processing at a moment, in microseconds."""
        return in_force(is_open=self.is_open, valid_from=self.valid_from, valid_until=self.valid_until, moment=moment)


class ConsentTable:
    """The SQL of consent records.

    Args:
        cipher: Seals and unseals them.
    """

    def __init__(self, cipher: SubjectCipher) -> None:
        self._cipher = cipher

    def of(self, connection: Connection, subject: Subject) -> list[StoredConsent]:
        """The consent records of a subject, oldest first."""
        rows = connection.execute(select(consents).where(consents.c.subject == subject.key).order_by(consents.c.id))
        return [StoredConsent(row.id, row.mark, self._read(connection, subject, row)) for row in rows.all()]

    def by_record_id(self, connection: Connection, record_id: str) -> tuple[int, int] | None:
        """Keys of the consent record of that id and of its subject, if it is filed."""
        row = connection.execute(
            select(consents.c.id, consents.c.subject).where(consents.c.record_id == record_id)
        ).one_or_none()
        return None if row is None else (row.id, row.subject)

    def find(self, connection: Connection, subject: Subject | None, consent: Consent) -> StoredConsent | None:
        """The filed record that ``consent`` is a copy of, as filed or as it stands now; ``None`` when it is not filed.

        Raises:
            ConsentInvalid: A different record of the same id is filed.
        """
        if self.by_record_id(connection, consent.record_id) is None:
            return None
        for stored in self.of(connection, subject) if subject is not None else ():
            same = self._mark(consent) == stored.mark or consent.digest == stored.consent.digest
            if same and stored.consent.record_id == consent.record_id:
                return stored
        raise ConsentInvalid(
            f"a different consent record with the id {consent.record_id} is already filed",
            hint="records are never changed after the fact; make a new one with Consent.given()",
        )

    def file(self, connection: Connection, subject: Subject, consent: Consent) -> StoredConsent:
        """File a consent record that is not filed yet."""
        data = consent.to_dict()
        del data["events"]
        mark = self._mark(consent)
        result = connection.execute(
            insert(consents).values(
                record_id=consent.record_id,
                subject=subject.key,
                mark=mark,
                record=self._cipher.seal_json(subject.subject_ref, data, f"consent record {consent.record_id}"),
                **clear_columns(self._cipher, consent, subject.subject_ref),
            )
        )
        key = new_key(result.inserted_primary_key)
        connection.execute(insert(consent_purposes), [{"consent": key, "purpose": p} for p in consent.purposes])
        if consent.sites:
            connection.execute(insert(consent_sites), [{"consent": key, "site": s} for s in consent.sites])
        if consent.zones:
            connection.execute(insert(consent_zones), [{"consent": key, "zone": z} for z in consent.zones])
        for position in range(len(consent.events)):
            self._add_event(connection, subject, key, consent, position)
        return StoredConsent(key, mark, consent)

    def record_transition(
        self, connection: Connection, subject: Subject, stored: StoredConsent, changed: Consent
    ) -> None:
        """Store the last event of ``changed``, which is ``stored`` after one transition."""
        self._add_event(connection, subject, stored.key, changed, len(changed.events) - 1)
        columns = clear_columns(self._cipher, changed, subject.subject_ref)
        connection.execute(update(consents).where(consents.c.id == stored.key).values(**columns))

    def lines(self, connection: Connection) -> dict[int, list[ConsentLine]]:
        """The consent records of all subjects in short, by the subject's key, oldest first."""
        per_consent = (
            select(templates.c.consent, enrollments.c.state, func.count())
            .join(enrollments, enrollments.c.id == templates.c.enrollment)
            .group_by(templates.c.consent, enrollments.c.state)
        )
        counts: dict[int, dict[str, int]] = defaultdict(dict)
        for key, state, count in connection.execute(per_consent):
            counts[key][state] = int(count)
        purposes: dict[int, list[str]] = defaultdict(list)
        for key, purpose in connection.execute(select(consent_purposes)):
            purposes[key].append(purpose)
        sites: dict[int, list[str]] = defaultdict(list)
        for key, site in connection.execute(select(consent_sites)):
            sites[key].append(site)
        lines: dict[int, list[ConsentLine]] = defaultdict(list)
        for row in connection.execute(select(consents).order_by(consents.c.id)):
            if not isinstance(row.valid_from, int) or not isinstance(row.valid_until, int):
                raise DatabaseCorrupt("a consent record in the database is damaged", hint=_RESTORE)
            lines[row.subject].append(
                ConsentLine(
                    row.state in OPEN_STATE_NAMES,
                    row.valid_from,
                    row.valid_until,
                    tuple(purposes[row.id]),
                    tuple(sites[row.id]),
                    sum(counts[row.id].values()),
                    counts[row.id].get("PENDING", 0),
                )
            )
        return lines

    def restricted(self, connection: Connection) -> set[int]:
        """Keys of the subjects with a complaint that is not decided, or was upheld."""
        return {int(key) for key in connection.execute(contested_subjects()).scalars()}

    def open_records(self, connection: Connection) -> list[tuple[str, int, str]]:
        """Record id, subject key and subject reference of every consent record in an open state."""
        query = (
            select(consents.c.record_id, subjects.c.id, subjects.c.subject_ref)
            .join(subjects, subjects.c.id == consents.c.subject)
            .where(consents.c.state.in_(OPEN_STATE_NAMES))
        )
        return [(row[0], row[1], row[2]) for row in connection.execute(query)]

    def _mark(self, consent: Consent) -> str:
        return self._cipher.mark("consent", consent.digest)

    def _add_event(
        self, connection: Connection, subject: Subject, consent_key: int, consent: Consent, position: int
    ) -> None:
        event = consent.events[position]
        data = event.model_dump(mode="json", exclude_none=True)
        connection.execute(
            insert(consent_events).values(
                consent=consent_key,
                position=position,
                time=to_microseconds(event.time),
                state=event.state.value,
                event=self._cipher.seal_json(subject.subject_ref, data, _event_name(consent.record_id, position)),
            )
        )

    def _read(self, connection: Connection, subject: Subject, row: Row[Any]) -> Consent:
        query = select(consent_events).where(consent_events.c.consent == row.id).order_by(consent_events.c.position)
        try:
            events = [
                self._cipher.unseal_json(subject.subject_ref, event.event, _event_name(row.record_id, event.position))
                for event in connection.execute(query)
            ]
            data = self._cipher.unseal_json(subject.subject_ref, row.record, f"consent record {row.record_id}")
            consent = Consent.from_dict({**data, "events": events})
        except KeyUnavailable:
            raise
        except (ValueError, TypeError, FacematchError) as error:
            raise DatabaseCorrupt("a consent record in the database is damaged", hint=_RESTORE) from error
        columns = ("state", "valid_from", "valid_until", "clear_mark")
        stored = {column: getattr(row, column) for column in columns}
        if stored != clear_columns(self._cipher, consent, subject.subject_ref) or consent.record_id != row.record_id:
            raise DatabaseCorrupt("a consent record contradicts its events", hint=_RESTORE)
        for column, names in (
            (consent_purposes.c.purpose, consent.purposes),
            (consent_sites.c.site, consent.sites),
            (consent_zones.c.zone, consent.zones),
        ):
            listed = connection.execute(select(column).where(column.table.c.consent == row.id)).scalars()
            if set(listed) != set(names):
                raise DatabaseCorrupt("what a search reads of a consent record is not what it says", hint=_RESTORE)
        return consent


def checked_record(consent: object) -> Consent:
    """A caller's consent record, validated once more: copies made past the validation are found here.

    Raises:
        ConsentInvalid: It is none, or malformed.
    """
    if not isinstance(consent, Consent):
        raise ConsentInvalid(
            f"consent must be a Consent, got {type(consent).__name__}", hint="make one with Consent.given()"
        )
    return Consent.from_dict(consent.model_dump(warnings=False))


def check_new_record(consent: Consent, filed: Sequence[StoredConsent], now: datetime) -> None:
    """Refuse to file a record that was renewed ahead of time, or given before the subject's consent ended.

    A record may begin later. But events after that which lie ahead would prolong it beyond every limit, and a form
    that was signed before a withdrawal does not undo it.

    Args:
        consent: The record, not filed yet.
        filed: The subject's filed records.
        now: The present moment.

    Raises:
        ConsentInvalid: An event after the first that gives consent lies ahead.
        ConsentRequired: The subject's consent was ended after this one was given.
    """
    given = next((number for number, event in enumerate(consent.events) if event.state in OPEN_STATES), None)
    if given is None:
        return
    if any(event.time > now for event in consent.events[given + 1 :]):
        raise ConsentInvalid(
            "an event of the consent record lies in the future",
            hint="file the record, and renew it when the time comes",
        )
    ends = [item.consent.events[-1].time for item in filed if item.consent.state in _ENDED]
    if any(consent.events[given].time < end for end in ends):
        raise ConsentRequired(
            f"the consent record was given before the subject's consent ended on {max(ends).isoformat()}",
            hint="let the subject give a new consent record",
        )


def contested_subjects() -> Select[Any]:
    """The query for keys of subjects whose references are restricted."""
    return select(complaints.c.subject).where(or_(complaints.c.decided_at.is_(None), complaints.c.upheld == 1))


def _event_name(record_id: str, position: int) -> str:
    return f"event {position} of consent record {record_id}"
