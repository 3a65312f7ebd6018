"""The gallery: an in-memory projection of the database that searches run on.

The database is the only truth. The gallery carries the database's generation and is brought up to it before a search
is scored; whoever searches checks the generation once more in the transaction that writes the audit entry. Nothing
here decides by itself: :meth:`Snapshot.scope` applies scope and time at query time, before any score is computed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select

from facematch.errors import DatabaseCorrupt
from facematch.governance import OPEN_STATES
from facematch.protocols import VectorIndex
from facematch.types import EmbeddingContract, FloatArray
from facematch.watchlist.calibrations import current_calibration
from facematch.watchlist.clear_marks import ClearMarks
from facematch.watchlist.filing import contested_subjects
from facematch.watchlist.schema import (
    consent_purposes,
    consent_sites,
    consent_zones,
    consents,
    enrolments,
    templates,
)
from facematch.watchlist.snapshot import Bools, Ints, Snapshot
from facematch.watchlist.standing import StandingCache
from facematch.watchlist.store import Store

__all__ = ["Gallery"]


class Gallery:
    """Keeps the latest :class:`Snapshot` and brings it up to the database.

    Args:
        store: Reads the database.
        new_index: Makes an empty index of a given dimension.
        standing: Reads what governs.
    """

    def __init__(self, store: Store, new_index: Callable[[int], VectorIndex], standing: StandingCache) -> None:
        self.store = store
        self.new_index = new_index
        self._standing = standing
        self._lock = threading.Lock()
        self._marks = ClearMarks(store.codec)
        self._snapshot: Snapshot | None = None

    def refresh(self, connection: Connection) -> Snapshot:
        """The snapshot of the database as the transaction of ``connection`` sees it.

        Raises:
            DatabaseCorrupt: A template is damaged.
        """
        with self._lock:
            generation = self.store.generation(connection)
            current = self._snapshot
            if current is not None and current.generation >= generation:
                return current
            contract = self.store.contract(connection)
            try:
                self._snapshot = snapshot = self._load(connection, generation, contract, current)
            except (LookupError, TypeError, ValueError, OverflowError) as error:
                raise DatabaseCorrupt("a table of the watchlist is damaged", hint="restore a backup") from error
            return snapshot

    @property
    def loaded(self) -> bool:
        """Whether there is a snapshot in memory."""
        return self._snapshot is not None

    def forget(self) -> None:
        """Drop everything; the next refresh loads it anew."""
        with self._lock:
            self._snapshot = None

    def _load(
        self, connection: Connection, generation: int, contract: EmbeddingContract | None, current: Snapshot | None
    ) -> Snapshot:
        self._marks.check(connection)
        known = {} if current is None else dict(zip(current.subject_refs, current.subject_ids, strict=True))
        people = self.store.subjects(connection, known)
        person_row = {subject.key: number for number, subject in enumerate(people)}
        records = connection.execute(
            select(consents.c.id, consents.c.state, consents.c.valid_from, consents.c.valid_until)
        ).all()
        record_row = {row.id: number for number, row in enumerate(records)}
        purposes = _membership(connection.execute(select(consent_purposes)).all(), record_row)
        sites = _membership(connection.execute(select(consent_sites)).all(), record_row)
        zones = _membership(connection.execute(select(consent_zones)).all(), record_row)
        open_states = {state.value for state in OPEN_STATES}
        contested = contested_subjects()
        rows = connection.execute(
            select(templates.c.template_id, templates.c.subject, templates.c.consent)
            .join(enrolments, enrolments.c.id == templates.c.enrolment)
            .where(enrolments.c.state == "ACTIVE", templates.c.subject.not_in(contested))
            .order_by(templates.c.template_id)
        ).all()
        template_ids = np.asarray([row.template_id for row in rows], dtype=np.int64)
        template_subject = np.asarray([person_row[row.subject] for row in rows], dtype=np.int64)
        template_consent = np.asarray([record_row[row.consent] for row in rows], dtype=np.int64)
        calibration = current_calibration(connection)
        standing = self._standing.at(connection)
        rotation = self.store.rotation_version(connection)
        matrix = None if contract is None else self.store.codec.rotation(rotation, contract.dimension)
        if current is not None and current.rotation != rotation:
            current = None  # every vector has changed
        index, vectors = self._bring_index(
            connection, template_ids, contract, current
        )  # last: it changes a shared object
        return Snapshot(
            generation=generation,
            standing=standing,
            calibration=calibration,
            contract=contract,
            rotation=rotation,
            matrix=matrix,
            index=index,
            vectors=vectors,
            template_ids=template_ids,
            template_subject=template_subject,
            template_consent=template_consent,
            subject_ids=tuple(subject.subject_id for subject in people),
            subject_refs=tuple(subject.subject_ref for subject in people),
            valid_from=np.asarray([row.valid_from for row in records], dtype=np.int64),
            valid_until=np.asarray([row.valid_until for row in records], dtype=np.int64),
            is_open=np.asarray([row.state in open_states for row in records], dtype=bool),
            every_site=_unlisted(sites, len(records)),
            every_zone=_unlisted(zones, len(records)),
            purposes=purposes,
            sites=sites,
            zones=zones,
        )

    def _bring_index(
        self, connection: Connection, template_ids: Ints, contract: EmbeddingContract | None, current: Snapshot | None
    ) -> tuple[VectorIndex | None, FloatArray]:
        """Remove what is gone and add what is new; template ids are never used twice, so ids alone tell."""
        if contract is None:
            return None, np.empty((0, 0), dtype=np.float32)
        index = current.index if current is not None else None
        known = current.template_ids if current is not None and index is not None else np.empty(0, dtype=np.int64)
        if index is None:
            index = self.new_index(contract.dimension)
        new = np.setdiff1d(template_ids, known, assume_unique=True)
        gone = np.setdiff1d(known, template_ids, assume_unique=True)
        vectors = np.empty((template_ids.size, contract.dimension), dtype=np.float32)
        if current is not None and known.size:
            kept = np.isin(template_ids, known, assume_unique=True)
            vectors[kept] = current.vectors[np.searchsorted(known, template_ids[kept])]
        if new.size:
            vectors[np.searchsorted(template_ids, new)] = self.store.vectors(connection, new.tolist(), contract)
        if gone.size:
            index.remove(gone)
        if new.size:
            index.add(new, vectors[np.searchsorted(template_ids, new)])
        return index, vectors


def _membership(rows: Sequence[Row[Any]], record_row: dict[int, int]) -> dict[str, Bools]:
    found: dict[str, Bools] = {}
    for key, name in (tuple(row) for row in rows):
        if key in record_row:
            found.setdefault(name, np.zeros(len(record_row), dtype=bool))[record_row[key]] = True
    return found


def _unlisted(named: dict[str, Bools], records: int) -> Bools:
    """Records that name nothing, and so cover everything."""
    every = np.ones(records, dtype=bool)
    for members in named.values():
        every &= ~members
    return every
