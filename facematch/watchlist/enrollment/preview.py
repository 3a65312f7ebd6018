"""What an enrollment would do, without doing it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facematch.gallery.decision import DecisionSettings
from facematch.gallery.snapshot import Snapshot
from facematch.governance import AuditAction, AuditOutcome, AuditRecord
from facematch.protocols import Analyzer
from facematch.types import Candidate, EnrollmentPreview, ImageSource, PicturePreview
from facematch.watchlist.enrollment.enroll import best_of, embed, look_alikes, tested_point
from facematch.watchlist.enrollment.picture_checks import Gates, examine, listed, name_of
from facematch.watchlist.search import Request, recheck
from facematch.watchlist.session import Core

__all__ = ["preview"]


def preview(
    core: Core,
    analyzer: Analyzer,
    images: ImageSource | Sequence[ImageSource],
    gates: Gates,
    *,
    request: Request | None,
    book: DecisionSettings | None,
) -> EnrollmentPreview:
    """Look at pictures as enrollment would; see :meth:`facematch.watchlist.Watchlist.preview`."""
    pictures = listed(images)
    with core.database.read() as connection:
        core.store.check_contract(connection, analyzer.contract)
    usable, refusals, qualities = examine(analyzer, pictures, gates)
    vectors = embed(analyzer, usable) if request is not None else np.empty((0, 0), dtype=np.float32)

    def concluded(snapshot: Snapshot) -> tuple[AuditRecord, EnrollmentPreview]:
        found: list[list[Candidate]] = [[] for _ in usable]
        core.authorize(AuditAction.PREVIEW, snapshot.standing)
        size = snapshot.in_force(core.now())
        if request is not None and book is not None:
            recheck(core, snapshot, request, book, AuditAction.PREVIEW)
            scope = snapshot.scope(request.purpose, request.site, core.now(), zone=request.zone)
            found, size = look_alikes(snapshot, vectors, analyzer, scope), scope.subjects
        rows = {item.number: tuple(row) for item, row in zip(usable, found, strict=True)}
        entries = [
            PicturePreview(name_of(source, number), qualities.get(number), refusals.get(number), rows.get(number, ()))
            for number, source in enumerate(pictures)
        ]
        everybody = best_of(candidate for row in found for candidate in row)
        point = tested_point(snapshot, analyzer)
        details = {
            **(request.details() if request is not None else {}),
            "pictures": len(pictures),
            "refusals": [refusal.code for refusal in refusals.values()],
            "look_alikes": snapshot.refs({candidate.subject_id for candidate in everybody}),
            "generation": snapshot.generation,
        }
        return core.audit_record(AuditAction.PREVIEW, AuditOutcome.DONE, details), EnrollmentPreview(
            pictures=tuple(entries),
            look_alikes=everybody if request is not None else None,
            gallery_size=size,
            fpir_now=None if point is None else point.planned_fpir(size),
            fpir_then=None if point is None else point.planned_fpir(size + 1),
        )

    return core.concluded(concluded)
