"""HMAC over the plaintext filter columns of a consent record.

Searches filter by state, validity, purposes, sites and zones without opening the records. The MAC binds those
columns to the record and its subject, so that a longer validity or a further purpose written with SQL serves nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from facematch.errors import DatabaseCorrupt
from facematch.governance import Consent, to_microseconds
from facematch.storage.encryption import SubjectCipher
from facematch.storage.schema import consent_purposes, consent_sites, consent_zones, consents, subjects
from facematch.storage.sql import in_parts

__all__ = ["ConsentMacs", "clear_columns"]

_SCOPES = (
    (consent_purposes, consent_purposes.c.purpose),
    (consent_sites, consent_sites.c.site),
    (consent_zones, consent_zones.c.zone),
)


def clear_columns(cipher: SubjectCipher, consent: Consent, subject_ref: str) -> dict[str, object]:
    """State, validity and their MAC as columns; a record that was never given is valid from 0 until 0."""
    start, end = consent.valid_from, consent.valid_until
    values: tuple[str, int, int] = (
        consent.state.value,
        0 if start is None else to_microseconds(start),
        0 if end is None else to_microseconds(end),
    )
    scope = (sorted(consent.purposes), sorted(consent.sites), sorted(consent.zones))
    mark = cipher.mark("consent columns", _text(consent.record_id, subject_ref, values, scope))
    return {"state": values[0], "valid_from": values[1], "valid_until": values[2], "clear_mark": mark}


class ConsentMacs:
    """Check of the MACs of consent records.

    Args:
        cipher: Knows the key of the MACs.
    """

    def __init__(self, cipher: SubjectCipher) -> None:
        self._cipher = cipher

    def check(self, connection: Connection, keys: Collection[int] | None = None) -> None:
        """Refuse columns that are not what facematch wrote.

        Args:
            connection: A transaction.
            keys: Keys of the subjects whose records are looked at; ``None`` for all.

        Raises:
            DatabaseCorrupt: They are not.
        """
        if keys is None:
            self._check(connection, None)
            return
        for part in in_parts(sorted(keys)):
            self._check(connection, part)

    def _check(self, connection: Connection, keys: Sequence[int] | None) -> None:
        def rows(query: Select[Any]) -> Iterator[Any]:
            yield from connection.execute(query if keys is None else query.where(consents.c.subject.in_(keys)))

        scopes: list[dict[int, list[str]]] = []
        for table, column in _SCOPES:
            named: dict[int, list[str]] = defaultdict(list)
            for row in rows(select(table.c.consent, column).join(consents, consents.c.id == table.c.consent)):
                named[row[0]].append(row[1])
            scopes.append(named)
        query = select(
            consents.c.id,
            consents.c.record_id,
            consents.c.state,
            consents.c.valid_from,
            consents.c.valid_until,
            consents.c.clear_mark,
            subjects.c.subject_ref,
        ).join(subjects, subjects.c.id == consents.c.subject)
        for row in rows(query):
            scope = tuple(sorted(named.get(row.id, ())) for named in scopes)
            text = _text(row.record_id, row.subject_ref, (row.state, row.valid_from, row.valid_until), scope)
            if self._cipher.mark("consent columns", text) != row.clear_mark:
                raise DatabaseCorrupt(
                    "the validity or the purposes of a consent record were changed from outside",
                    hint="restore a backup; facematch consent show reads the sealed record",
                )


def _text(record_id: object, subject_ref: object, values: tuple[object, ...], scope: tuple[list[str], ...]) -> str:
    return json.dumps([record_id, subject_ref, values, scope], ensure_ascii=False, separators=(",", ":"), default=repr)
