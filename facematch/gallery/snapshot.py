"""The gallery at one generation: what a search may reach, and the search over it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from facematch.gallery.metadata import Bools, ConsentScope, GalleryMetadata, Ints, Objects
from facematch.governance import to_microseconds
from facematch.matching import (
    Calibration,
    SubjectGallery,
    SubjectRule,
    Templates,
    best_subjects,
    places_for,
    ranked_subjects,
    top_subjects,
)
from facematch.protocols import VectorIndex, VectorSearch
from facematch.storage.governance_state import GovernanceState
from facematch.types import Candidate, EmbeddingContract, FloatArray, IdSet

__all__ = ["Scope", "Snapshot"]

SubjectFilter: TypeAlias = Callable[[Objects], Bools]

_KEPT = 16
"""Scopes that are remembered; as many subject galleries."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """Scope of a search: the templates of a snapshot that it may reach.

    Attributes:
        templates: Ids of the templates.
        subjects: Number of different subjects among them.
        most_templates: The largest number of templates that one of them has.
        fewest_templates: The smallest; 0 where there are none.
        since: The moment from which on it is right, microseconds.
        until: The moment from which on it is not right any more, microseconds; ``None`` for never.
    """

    templates: IdSet
    subjects: int
    most_templates: int
    fewest_templates: int
    since: int
    until: int | None

    def holds_at(self, moment: int) -> bool:
        """Whether it is right at a moment, microseconds."""
        return self.since <= moment and (self.until is None or moment < self.until)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The gallery at one generation; it never changes.

    Attributes:
        generation: The database's generation.
        mark: The mark of the database's history up to it, or ``None`` where that was not noted.
        governance: Policies, roles, zones and suspensions.
        calibration: The calibration artifact in force, or ``None``.
        contract: The embedding contract of all templates, or ``None`` before the first enrollment.
        rotation: Version of the rotation that the vectors are under.
        matrix: ``(D, D)`` that rotation; probes go through it before they are compared.
        columns: Subjects, consent records and templates.
        index: The index that the gallery keeps, under template ids.
        view: What the index held at this generation.
        scopes: Scopes searched lately.
        galleries: Subject galleries of the scopes searched lately, for rules that need one.
        caching: Lock of these two.
    """

    generation: int
    mark: str | None
    governance: GovernanceState
    calibration: Calibration | None
    contract: EmbeddingContract | None
    rotation: int
    matrix: NDArray[np.float64] | None
    columns: GalleryMetadata
    index: VectorIndex | None
    view: VectorSearch | None
    scopes: LRUCache[object, Scope] = field(default_factory=lambda: LRUCache(_KEPT))
    galleries: LRUCache[object, SubjectGallery] = field(default_factory=lambda: LRUCache(_KEPT))
    caching: threading.Lock = field(default_factory=threading.Lock)

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
        key = ("overlapping", tuple(sorted(purposes)), tuple(sorted(sites)), but)
        return self._scope(key, now, lambda consent: consent.overlaps(purposes, sites), lambda names: names != but)

    def in_force(self, now: datetime) -> int:
        """Number of subjects with a consent in force, whatever its purposes and sites."""
        return self._scope(("in force",), now, lambda _: True).subjects

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
        key = ("scope", purpose, site, zone, subject_id)
        only = None if subject_id is None else lambda names: names == subject_id
        return self._scope(key, now, lambda consent: consent.admits(purpose, site, zone), only)

    def _scope(
        self, key: object, now: datetime, admits: Callable[[ConsentScope], bool], people: SubjectFilter | None = None
    ) -> Scope:
        """The scope of a key, kept while it holds; a place's records and its people are asked for only where not."""
        moment = to_microseconds(now)
        with self.caching:
            scope = self.scopes.get(key)
        if scope is None or not scope.holds_at(moment):
            scope = self._new_scope(moment, admits, people)
            with self.caching:
                self.scopes[key] = scope
        return scope

    def _new_scope(self, moment: int, admits: Callable[[ConsentScope], bool], people: SubjectFilter | None) -> Scope:
        columns = self.columns
        admitted = np.asarray([admits(consent) for consent in columns.scopes], dtype=bool)
        concerned = columns.is_open & admitted[columns.consent_scopes]
        in_force = concerned & (columns.valid_from <= moment) & (moment < columns.valid_until)
        bounds = np.concatenate([columns.valid_from[concerned], columns.valid_until[concerned]])
        past, coming = bounds[bounds <= moment], bounds[bounds > moment]
        rows = in_force[columns.consent_rows()]
        subjects = columns.subject_rows()
        if people is not None:
            rows &= np.asarray(people(columns.subject_ids), dtype=bool)[subjects]
        counts = np.bincount(subjects[rows], minlength=1)
        there = counts[counts > 0]
        most, fewest = (int(there.max()), int(there.min())) if there.size else (0, 0)
        return Scope(
            IdSet(columns.template_ids[rows]),
            there.size,
            most,
            fewest,
            since=int(past.max()) if past.size else np.iinfo(np.int64).min,
            until=int(coming.min()) if coming.size else None,
        )

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
        if self.view is None or scope.subjects == 0 or queries.shape[0] == 0:
            return [[] for _ in range(queries.shape[0])]
        queries = self._rotated(queries)
        if rule.kind == "mean_template" and scope.most_templates > 1:
            return self._search_means(queries, scope, rule, top_k=top_k, threshold=threshold)
        if rule.kind == "mean_top" and rule.top > 1 and scope.most_templates > 1:
            templates = Templates(self.view, self._subjects_of, self._templates_of(scope), scope.templates)
            found = [top_subjects(templates, query, rule, top_k=top_k, threshold=threshold) for query in queries]
        else:
            wanted = places_for(top_k, scope.most_templates, len(scope.templates))
            scores, ids = self.view.search(queries, wanted, allowed=scope.templates)
            found = [
                best_subjects(scores[row], ids[row], self._subjects_of(ids[row]), top_k=top_k, threshold=threshold)
                for row in range(len(queries))
            ]
        names = self.columns.subject_ids
        return [[Candidate(names[subject], score, template) for subject, score, template in row] for row in found]

    def vectors(self) -> FloatArray:
        """The rotated vectors ``(T, D)`` of all templates, in the order of their ids."""
        if self.view is None:
            return np.empty((0, 0), dtype=np.float32)
        return self.view.vectors(self.columns.template_ids)

    def refs(self, subject_ids: set[str]) -> list[str]:
        """References of subjects for the audit log, sorted."""
        if not subject_ids:
            return []
        columns = self.columns
        rows = np.flatnonzero(np.isin(columns.subject_ids, list(subject_ids)))
        return sorted(columns.subject_refs[rows].tolist())

    def _rotated(self, queries: FloatArray) -> FloatArray:
        assert self.matrix is not None
        return np.ascontiguousarray(queries.astype(np.float64) @ self.matrix, dtype=np.float32)

    def _subjects_of(self, template_ids: Ints) -> Ints:
        """The row of each template's subject; whatever for -1."""
        columns = self.columns
        rows = np.searchsorted(columns.template_ids, template_ids).clip(max=columns.template_ids.size - 1)
        return np.asarray(np.searchsorted(columns.subject_keys, columns.template_subject[rows]), dtype=np.int64)

    def _templates_of(self, scope: Scope) -> Callable[[Ints], Ints]:
        columns = self.columns

        def within(subjects: Ints) -> Ints:
            own = np.isin(columns.template_subject, columns.subject_keys[subjects])
            ids = columns.template_ids[own]
            return ids[scope.templates.contains(ids)]

        return within

    def _search_means(
        self, queries: FloatArray, scope: Scope, rule: SubjectRule, *, top_k: int, threshold: float
    ) -> list[list[Candidate]]:
        assert self.view is not None
        view, ids = self.view, scope.templates.ids
        subjects = self._subjects_of(ids)
        key = (str(rule), scope.templates)
        with self.caching:
            gallery = self.galleries.get(key)
        if gallery is None:
            gallery = SubjectGallery(view.vectors(ids), subjects, rule)
            with self.caching:
                self.galleries[key] = gallery
        found = []
        for query, scores in zip(queries, gallery.scores(queries), strict=True):
            row: list[Candidate] = []
            for column, score in ranked_subjects(scores, top_k=top_k, threshold=threshold):
                subject = int(gallery.subjects[column])
                own = ids[subjects == subject]
                best = int(own[np.argmax(view.vectors(own) @ query)])
                row.append(Candidate(self.columns.subject_ids[subject], score, best))
            found.append(row)
        return found
