"""Metadata of a gallery: subjects, consent records and templates, as columns that never change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, select

from facematch.governance.consent.scope import OPEN_STATE_NAMES, covers, overlaps
from facematch.storage.consents import contested_subjects
from facematch.storage.schema import (
    consent_purposes,
    consent_sites,
    consent_zones,
    consents,
    enrollments,
    templates,
)
from facematch.storage.sql import in_parts
from facematch.storage.subjects import SubjectTable

__all__ = ["Bools", "ConsentScope", "GalleryMetadata", "Ints", "Objects", "read_columns"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Objects = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class ConsentScope:
    """Places and purposes that a consent record covers; many records share one.

    Attributes:
        purposes: The purposes.
        sites: The sites; none means every site.
        zones: The zones; none means every zone.
    """

    purposes: frozenset[str]
    sites: frozenset[str]
    zones: frozenset[str]

    def admits(self, purpose: str, site: str | None, zone: str | None) -> bool:
        """Whether a search for a purpose at a place may reach it; a search without a place only what covers all."""
        return covers(self.purposes, self.sites, self.zones, purpose=purpose, site=site, zone=zone)

    def overlaps(self, purposes: Sequence[str], sites: Sequence[str]) -> bool:
        """Whether some search could reach both it and a record of these purposes and sites."""
        return overlaps(self.purposes, self.sites, purposes, sites)


@dataclass(frozen=True, slots=True, eq=False)
class GalleryMetadata:
    """Subjects, consent records and templates of one generation.

    Attributes:
        subject_keys: ``(S,)``, ascending.
        subject_ids: ``(S,)`` strings.
        subject_refs: ``(S,)`` strings: their references for the audit log.
        consent_keys: ``(C,)``, ascending.
        consent_subject: ``(C,)`` key of the subject.
        consent_scopes: ``(C,)`` index into ``scopes``.
        valid_from: ``(C,)`` begin of validity, microseconds.
        valid_until: ``(C,)`` end of it, microseconds.
        is_open: ``(C,)`` whether the state allows processing.
        template_ids: ``(T,)``, ascending: what may be searched at all (active, not contested).
        template_subject: ``(T,)`` key of the subject.
        template_consent: ``(T,)`` key of the consent record.
        scopes: The different combinations of purposes, sites and zones.
    """

    subject_keys: Ints
    subject_ids: Objects
    subject_refs: Objects
    consent_keys: Ints
    consent_subject: Ints
    consent_scopes: Ints
    valid_from: Ints
    valid_until: Ints
    is_open: Bools
    template_ids: Ints
    template_subject: Ints
    template_consent: Ints
    scopes: tuple[ConsentScope, ...]

    def subject_rows(self) -> Ints:
        """``(T,)`` the row of each template's subject."""
        return np.searchsorted(self.subject_keys, self.template_subject)

    def consent_rows(self) -> Ints:
        """``(T,)`` the row of each template's consent record."""
        return np.searchsorted(self.consent_keys, self.template_consent)

    def names(self) -> dict[str, str]:
        """Subject ids by reference."""
        return dict(zip(self.subject_refs.tolist(), self.subject_ids.tolist(), strict=True))

    def replacing(self, keys: Collection[int], new: GalleryMetadata) -> GalleryMetadata:
        """The columns with everything of some subjects replaced.

        Args:
            keys: Keys of the subjects.
            new: All there is of them now.
        """
        gone = np.asarray(sorted(keys), dtype=np.int64)
        shift = len(self.scopes)
        moved = _Columns(new, consent_scopes=new.consent_scopes + shift)
        subjects = _together(self, moved, ("subject_keys", "subject_ids", "subject_refs"), "subject_keys", gone)
        records = _together(
            self,
            moved,
            ("consent_keys", "consent_subject", "consent_scopes", "valid_from", "valid_until", "is_open"),
            "consent_subject",
            gone,
        )
        rows = _together(
            self, moved, ("template_ids", "template_subject", "template_consent"), "template_subject", gone
        )
        scopes, records["consent_scopes"] = _distinct([*self.scopes, *new.scopes], records["consent_scopes"])
        return GalleryMetadata(**subjects, **records, **rows, scopes=scopes)


class _Columns:
    """Columns with some of them changed, for reading only."""

    def __init__(self, columns: GalleryMetadata, **changed: Any) -> None:
        self._columns, self._changed = columns, changed

    def __getattr__(self, name: str) -> Any:
        return self._changed[name] if name in self._changed else getattr(self._columns, name)


def _together(old: GalleryMetadata, new: Any, names: Sequence[str], owner: str, gone: Ints) -> dict[str, Any]:
    """Columns of one table: the old ones but for the subjects that are gone, and the new ones, by the first column."""
    kept = ~np.isin(getattr(old, owner), gone)
    parts = {name: np.concatenate([getattr(old, name)[kept], getattr(new, name)]) for name in names}
    order = np.argsort(parts[names[0]], kind="stable")
    return {name: part[order] for name, part in parts.items()}


def _distinct(scopes: Sequence[ConsentScope], which: Ints) -> tuple[tuple[ConsentScope, ...], Ints]:
    """Places without repetition, and the index of each record's among them."""
    used = np.unique(which)
    known: dict[ConsentScope, int] = {}
    number = np.zeros(len(scopes), dtype=np.int64)
    for old in used.tolist():
        number[old] = known.setdefault(scopes[old], len(known))
    return tuple(known), number[which]


def read_columns(
    connection: Connection, store: SubjectTable, *, keys: Collection[int] | None, known: Mapping[str, str]
) -> GalleryMetadata:
    """Read columns from the database.

    Args:
        connection: A transaction.
        store: Reads and unseals subjects.
        keys: Keys of the subjects to read; ``None`` for all.
        known: Subject ids by reference that need not be unsealed again.

    Raises:
        DatabaseCorrupt: A name is damaged.
    """
    wanted = None if keys is None else sorted(keys)

    def rows(query: Select[Any], subject: Any) -> list[Any]:
        if wanted is None:
            return list(connection.execute(query))
        found: list[Any] = []
        for part in in_parts(wanted):
            found += connection.execute(query.where(subject.in_(part)))
        return found

    people = sorted(store.subjects(connection, known, keys=wanted), key=lambda subject: subject.key)
    c, t = consents.c, templates.c
    records = sorted(rows(select(c.id, c.subject, c.state, c.valid_from, c.valid_until), c.subject))
    scopes, which = _scopes_of(rows, [int(row.id) for row in records])
    active = (
        select(t.template_id, t.subject, t.consent)
        .join(enrollments, enrollments.c.id == t.enrollment)
        .where(enrollments.c.state == "ACTIVE", t.subject.not_in(contested_subjects()))
    )
    found = np.asarray(sorted(tuple(row) for row in rows(active, t.subject)), dtype=np.int64).reshape(-1, 3)
    return GalleryMetadata(
        subject_keys=_ints([subject.key for subject in people]),
        subject_ids=np.asarray([subject.subject_id for subject in people], dtype=object),
        subject_refs=np.asarray([subject.subject_ref for subject in people], dtype=object),
        consent_keys=_ints([row.id for row in records]),
        consent_subject=_ints([row.subject for row in records]),
        consent_scopes=which,
        valid_from=_ints([row.valid_from for row in records]),
        valid_until=_ints([row.valid_until for row in records]),
        is_open=np.asarray([row.state in OPEN_STATE_NAMES for row in records], dtype=bool),
        template_ids=np.ascontiguousarray(found[:, 0]),
        template_subject=np.ascontiguousarray(found[:, 1]),
        template_consent=np.ascontiguousarray(found[:, 2]),
        scopes=scopes,
    )


def _scopes_of(
    rows: Callable[[Select[Any], Any], list[Any]], keys: Sequence[int]
) -> tuple[tuple[ConsentScope, ...], Ints]:
    """The different scopes of consent records, and which of them each record has."""
    named: list[dict[int, set[str]]] = []
    for table, name in ((consent_purposes, "purpose"), (consent_sites, "site"), (consent_zones, "zone")):
        own: dict[int, set[str]] = {}
        query = select(table.c.consent, table.c[name]).join(consents, consents.c.id == table.c.consent)
        for key, value in rows(query, consents.c.subject):
            own.setdefault(int(key), set()).add(value)
        named.append(own)
    known: dict[ConsentScope, int] = {}
    which = []
    for key in keys:
        purposes, sites, zones = (frozenset(own.get(key, ())) for own in named)
        which.append(known.setdefault(ConsentScope(purposes, sites, zones), len(known)))
    return tuple(known), _ints(which)


def _ints(values: Sequence[Any]) -> Ints:
    return np.asarray(values, dtype=np.int64)
