"""Previews of enrollments: quality, look-alikes and predicted FPIR, with nothing stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facematch.gallery.snapshot import Snapshot
from facematch.governance import AuditAction, AuditOutcome, AuditRecord
from facematch.protocols import Analyzer
from facematch.types import Candidate, EnrollmentPreview, FloatArray, ImageSource, PicturePreview, QualityGate
from facematch.watchlist.enrollment.enroll import embed
from facematch.watchlist.enrollment.look_alikes import best_of, look_alikes, tested_point
from facematch.watchlist.enrollment.picture_checks import CheckedPictures, check_pictures, listed, name_of
from facematch.watchlist.search import Search, SearchParameters, check_search, commit_answer
from facematch.watchlist.session import Operation, Session

__all__ = ["preview"]


@dataclass(frozen=True, slots=True, eq=False)
class _Preview:
    """One call of ``preview_enrollment``, its models run; answers on a gallery for the group commit."""

    operation: Operation
    analyzer: Analyzer
    pictures: Sequence[ImageSource]
    checked: CheckedPictures
    vectors: FloatArray
    search: Search | None

    def on(self, snapshot: Snapshot) -> tuple[AuditRecord, EnrollmentPreview]:
        """The audit entry and the preview on one gallery."""
        operation, checked = self.operation, self.checked
        found: list[list[Candidate]] = [[] for _ in checked.usable]
        operation.authorize(snapshot.governance)
        now = operation.now()
        if self.search is None:
            size = snapshot.in_force(now)
        else:
            permitted = check_search(operation, snapshot, self.search)
            found = look_alikes(snapshot, self.vectors, self.analyzer, permitted.scope)
            now, size = permitted.now, permitted.scope.subjects
        rows = {item.number: tuple(row) for item, row in zip(checked.usable, found, strict=True)}
        entries = tuple(
            PicturePreview(
                name_of(source, number),
                checked.qualities.get(number),
                checked.refused.get(number),
                rows.get(number, ()),
            )
            for number, source in enumerate(self.pictures)
        )
        alike = best_of(candidate for row in found for candidate in row)
        details = {
            **({} if self.search is None else self.search.parameters.details()),
            "pictures": len(self.pictures),
            "refusals": [refusal.code for refusal in checked.refusals()],
            "look_alikes": snapshot.refs({candidate.subject_id for candidate in alike}),
            "generation": snapshot.generation,
        }
        point = tested_point(snapshot, self.analyzer)
        return operation.audit_record(AuditOutcome.DONE, details, now=now), EnrollmentPreview(
            pictures=entries,
            look_alikes=None if self.search is None else alike,
            gallery_size=size,
            fpir_now=None if point is None else point.planned_fpir(size),
            fpir_then=None if point is None else point.planned_fpir(size + 1),
        )


def preview(
    session: Session,
    images: ImageSource | Sequence[ImageSource],
    gate: QualityGate,
    *,
    purpose: str | None,
    site: str | None,
    zone: str | None,
) -> EnrollmentPreview:
    """Look at pictures as enrollment would; see :meth:`facematch.watchlist.Watchlist.preview_enrollment`."""
    with session.operation(AuditAction.PREVIEW) as operation:
        resources = operation.resources
        search = None
        if purpose is not None:
            search = Search.of(resources, SearchParameters(purpose, site, zone))
            check_search(operation, operation.snapshot(), search)
        pictures = listed(images)
        analyzer = resources.analyzer
        with operation.read() as connection:
            resources.subjects.check_contract(connection, analyzer.contract)
        checked = check_pictures(analyzer, pictures, gate)
        vectors = np.empty((0, 0), dtype=np.float32) if search is None else embed(analyzer, checked)
        made = _Preview(operation, analyzer, pictures, checked, vectors, search)
        return commit_answer(operation, made)
