"""The gallery: an in-memory projection of the database that searches run on.

The database is the only truth. The gallery carries the database's generation and is brought up to it before a search
is scored; whoever searches checks the generation once more in the transaction that writes the audit entry. Nothing
here decides by itself: :meth:`Snapshot.scope` applies scope and time at query time, before any score is computed.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select

from facematch.errors import DatabaseCorrupt
from facematch.governance import OPEN_STATES, to_microseconds
from facematch.matching import (
    Calibration,
    SubjectGallery,
    SubjectRule,
    best_subjects,
    places_for,
    ranked_subjects,
)
from facematch.protocols import VectorIndex
from facematch.types import Candidate, EmbeddingContract, FloatArray
from facematch.watchlist.calibrations import current_calibration
from facematch.watchlist.schema import consent_purposes, consent_sites, consents, subjects, templates
from facematch.watchlist.store import Store

__all__ = ["Gallery", "Scope", "Snapshot"]

_VIEWS = 4
"""Scopes whose subject galleries are remembered."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What one search may reach, as rows of a snapshot.

    Attributes:
        template_ids: Ids of the templates, ascending.
        subjects: Number of different subjects among them.
        most_templates: The largest number of templates that one of them has.
        fewest_templates: The smallest; 0 where there is nobody.
    """

    template_ids: Ints
    subjects: int
    most_templates: int
    fewest_templates: int


class SubjectViews:
    """Remembers the subject galleries of the last few scopes, so that a mean template is not made for every search."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, bytes], SubjectGallery] = OrderedDict()

    def get(self, scope: Scope, rule: SubjectRule, vectors: FloatArray, subjects: Ints) -> SubjectGallery:
        """The subject gallery of a scope; made where it is not remembered."""
        key = (str(rule), hashlib.sha256(scope.template_ids.tobytes()).digest())
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = SubjectGallery(vectors, subjects, rule)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _VIEWS:
                self._kept.popitem(last=False)
        return made


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The gallery at one generation. Columns never change; the index only loses erased and gains newer templates.

    Attributes:
        generation: The database's generation.
        calibration: The calibration artefact in force, or ``None``.
        index: The vectors under their template ids.
        vectors: ``(T, D)`` the same vectors as rows.
        template_ids: ``(T,)``, ascending.
        template_subject: ``(T,)`` row of the subject in ``subject_ids``.
        template_consent: ``(T,)`` row of the consent record.
        subject_ids: Subject ids.
        subject_refs: Their references for the audit log.
        valid_from: ``(C,)`` begin of each consent record's validity, microseconds.
        valid_until: ``(C,)`` end of it, microseconds.
        is_open: ``(C,)`` whether the state allows processing.
        every_site: ``(C,)`` whether the record lists no sites.
        purposes: Purpose to ``(C,)``: records that name it.
        sites: Site to ``(C,)``: records that name it.
        views: Subject galleries of the scopes searched lately.
    """

    generation: int
    calibration: Calibration | None
    index: VectorIndex | None
    vectors: FloatArray
    template_ids: Ints
    template_subject: Ints
    template_consent: Ints
    subject_ids: tuple[str, ...]
    subject_refs: tuple[str, ...]
    valid_from: Ints
    valid_until: Ints
    is_open: Bools
    every_site: Bools
    purposes: dict[str, Bools]
    sites: dict[str, Bools]
    views: SubjectViews = field(default_factory=SubjectViews)

    def overlapping(
        self, purposes: Sequence[str], sites: Sequence[str], now: datetime, *, but: str | None = None
    ) -> Scope:
        """The templates that some search could reach together with a consent of these purposes and sites.

        Args:
            purposes: Purposes of the consent.
            sites: Sites of the consent; none means every site.
            now: The present moment, UTC.
            but: Leave out this subject.
        """
        nobody = np.zeros(self.is_open.size, dtype=bool)
        named = [self.purposes.get(purpose, nobody) for purpose in purposes]
        there = [self.sites.get(site, nobody) for site in sites]
        reach = self._in_force(now) & np.logical_or.reduce([nobody, *named])
        if sites:
            reach &= np.logical_or.reduce([self.every_site, *there])
        rows = reach[self.template_consent]
        if but is not None:
            others = np.asarray([name != but for name in self.subject_ids], dtype=bool)
            rows &= others[self.template_subject]
        return self._scope_of(rows)

    def in_force(self, now: datetime) -> int:
        """How many subjects have a consent in force, whatever its purposes and sites."""
        return self._scope_of(self._in_force(now)[self.template_consent]).subjects

    def scope(self, purpose: str, site: str | None, now: datetime, *, subject_id: str | None = None) -> Scope:
        """The templates that a search may be compared with: consent open, begun, not ended, purpose and site named.

        Args:
            purpose: The search's purpose.
            site: The search's site; without one only records that cover every site count.
            now: The present moment, UTC.
            subject_id: Only this subject, for a verification.
        """
        nobody = np.zeros(self.is_open.size, dtype=bool)
        here = self.every_site | (nobody if site is None else self.sites.get(site, nobody))
        reach = self._in_force(now) & here & self.purposes.get(purpose, nobody)
        rows = reach[self.template_consent]
        if subject_id is not None:
            known = np.asarray([name == subject_id for name in self.subject_ids], dtype=bool)
            rows &= known[self.template_subject]
        return self._scope_of(rows)

    def _in_force(self, now: datetime) -> Bools:
        moment = to_microseconds(now)
        return self.is_open & (self.valid_from <= moment) & (moment < self.valid_until)

    def _scope_of(self, rows: Bools) -> Scope:
        counts = np.bincount(self.template_subject[rows], minlength=1)
        there = counts[counts > 0]
        most, fewest = (int(there.max()), int(there.min())) if there.size else (0, 0)
        return Scope(self.template_ids[rows], there.size, most, fewest)

    def search(
        self, queries: FloatArray, scope: Scope, *, top_k: int, threshold: float, rule: SubjectRule
    ) -> list[list[Candidate]]:
        """The candidates of each query, best first.

        Args:
            queries: ``(Q, D)`` ``float32``, unit length.
            scope: What may be reached; nothing else is compared.
            top_k: Subjects wanted a query.
            threshold: Lowest score of a candidate.
            rule: How a subject's score comes from its templates.
        """
        if self.index is None or scope.subjects == 0 or queries.shape[0] == 0:
            return [[] for _ in range(queries.shape[0])]
        if rule.kind != "max" and scope.most_templates > 1:
            return self._search_by_rule(queries, scope, rule, top_k=top_k, threshold=threshold)
        places = places_for(top_k, scope.most_templates, int(scope.template_ids.size))
        scores, ids = self.index.search(queries, places, allowed=scope.template_ids)
        rows = np.searchsorted(self.template_ids, ids).clip(max=self.template_ids.size - 1)
        return [
            [
                Candidate(self.subject_ids[subject], score, template_id)
                for subject, score, template_id in best_subjects(
                    scores[query], ids[query], self.template_subject[rows[query]], top_k=top_k, threshold=threshold
                )
            ]
            for query in range(queries.shape[0])
        ]

    def _search_by_rule(
        self, queries: FloatArray, scope: Scope, rule: SubjectRule, *, top_k: int, threshold: float
    ) -> list[list[Candidate]]:
        rows = np.searchsorted(self.template_ids, scope.template_ids)
        gallery = self.views.get(scope, rule, self.vectors[rows], self.template_subject[rows])
        found = []
        for query, scores in zip(queries, gallery.scores(queries), strict=True):
            row: list[Candidate] = []
            for column, score in ranked_subjects(scores, top_k=top_k, threshold=threshold):
                subject = int(gallery.subjects[column])
                own = rows[self.template_subject[rows] == subject]
                best = int(own[np.argmax(self.vectors[own] @ query)])
                row.append(Candidate(self.subject_ids[subject], score, int(self.template_ids[best])))
            found.append(row)
        return found

    def refs(self, subject_ids: set[str]) -> list[str]:
        """References of subjects for the audit log, sorted."""
        if not subject_ids:
            return []
        return sorted(ref for name, ref in zip(self.subject_ids, self.subject_refs, strict=True) if name in subject_ids)


class Gallery:
    """Keeps the latest :class:`Snapshot` and brings it up to the database.

    Args:
        store: Reads the database.
        new_index: Makes an empty index of a given dimension.
    """

    def __init__(self, store: Store, new_index: Callable[[int], VectorIndex]) -> None:
        self._store = store
        self._new_index = new_index
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    def refresh(self, connection: Connection) -> Snapshot:
        """The snapshot of the database as the transaction of ``connection`` sees it.

        Raises:
            DatabaseCorrupt: A template is damaged.
        """
        with self._lock:
            generation = self._store.generation(connection)
            current = self._snapshot
            if current is not None and current.generation >= generation:
                return current
            contract = self._store.contract(connection)
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
        people = connection.execute(select(subjects.c.id, subjects.c.subject_id, subjects.c.subject_ref)).all()
        person_row = {row.id: number for number, row in enumerate(people)}
        records = connection.execute(
            select(consents.c.id, consents.c.state, consents.c.valid_from, consents.c.valid_until)
        ).all()
        record_row = {row.id: number for number, row in enumerate(records)}
        purposes = _membership(connection.execute(select(consent_purposes)).all(), record_row)
        sites = _membership(connection.execute(select(consent_sites)).all(), record_row)
        every_site = np.ones(len(records), dtype=bool)
        for members in sites.values():
            every_site &= ~members
        open_states = {state.value for state in OPEN_STATES}
        rows = connection.execute(
            select(templates.c.template_id, templates.c.subject, templates.c.consent).order_by(templates.c.template_id)
        ).all()
        template_ids = np.asarray([row.template_id for row in rows], dtype=np.int64)
        template_subject = np.asarray([person_row[row.subject] for row in rows], dtype=np.int64)
        template_consent = np.asarray([record_row[row.consent] for row in rows], dtype=np.int64)
        calibration = current_calibration(connection)
        index, vectors = self._bring_index(
            connection, template_ids, contract, current
        )  # last: it changes a shared object
        return Snapshot(
            generation=generation,
            calibration=calibration,
            index=index,
            vectors=vectors,
            template_ids=template_ids,
            template_subject=template_subject,
            template_consent=template_consent,
            subject_ids=tuple(row.subject_id for row in people),
            subject_refs=tuple(row.subject_ref for row in people),
            valid_from=np.asarray([row.valid_from for row in records], dtype=np.int64),
            valid_until=np.asarray([row.valid_until for row in records], dtype=np.int64),
            is_open=np.asarray([row.state in open_states for row in records], dtype=bool),
            every_site=every_site,
            purposes=purposes,
            sites=sites,
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
            index = self._new_index(contract.dimension)
        new = np.setdiff1d(template_ids, known, assume_unique=True)
        gone = np.setdiff1d(known, template_ids, assume_unique=True)
        vectors = np.empty((template_ids.size, contract.dimension), dtype=np.float32)
        if current is not None and known.size:
            kept = np.isin(template_ids, known, assume_unique=True)
            vectors[kept] = current.vectors[np.searchsorted(known, template_ids[kept])]
        if new.size:
            vectors[np.searchsorted(template_ids, new)] = self._store.vectors(connection, new.tolist(), contract)
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
