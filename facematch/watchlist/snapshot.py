"""The gallery at one generation: what a search may reach, and the search over it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from facematch.governance import to_microseconds
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
from facematch.watchlist.standing import Standing

__all__ = ["Bools", "Ints", "Scope", "Snapshot"]

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
        standing: Policies, roles, zones and suspensions.
        calibration: The calibration artefact in force, or ``None``.
        contract: The embedding contract of all templates, or ``None`` before the first enrolment.
        rotation: Version of the rotation that the vectors are under.
        matrix: ``(D, D)`` that rotation; probes go through it before they are compared.
        index: The rotated vectors under their template ids.
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
        every_zone: ``(C,)`` whether the record lists no zones.
        purposes: Purpose to ``(C,)``: records that name it.
        sites: Site to ``(C,)``: records that name it.
        zones: Zone to ``(C,)``: records that name it.
        views: Subject galleries of the scopes searched lately.
    """

    generation: int
    standing: Standing
    calibration: Calibration | None
    contract: EmbeddingContract | None
    rotation: int
    matrix: NDArray[np.float64] | None
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
    every_zone: Bools
    purposes: dict[str, Bools]
    sites: dict[str, Bools]
    zones: dict[str, Bools]
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

    def scope(
        self, purpose: str, site: str | None, now: datetime, *, zone: str | None = None, subject_id: str | None = None
    ) -> Scope:
        """The templates that a search may be compared with: consent open, begun, not ended, purpose and place named.

        Args:
            purpose: The search's purpose.
            site: The search's site; without one only records that cover every site count.
            now: The present moment, UTC.
            zone: The search's zone; without one only records that cover every zone count.
            subject_id: Only this subject, for a verification.
        """
        nobody = np.zeros(self.is_open.size, dtype=bool)
        here = self.every_site | (nobody if site is None else self.sites.get(site, nobody))
        here &= self.every_zone | (nobody if zone is None else self.zones.get(zone, nobody))
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
        queries = self._rotated(queries)
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

    def _rotated(self, queries: FloatArray) -> FloatArray:
        assert self.matrix is not None
        return np.ascontiguousarray(queries.astype(np.float64) @ self.matrix, dtype=np.float32)

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
