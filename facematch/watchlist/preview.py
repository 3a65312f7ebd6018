"""What an enrolment would do, without doing it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facematch.governance import AuditAction, AuditOutcome
from facematch.protocols import Analyzer
from facematch.types import Candidate, EnrolmentPreview, ImageSource, PicturePreview
from facematch.watchlist.core import Core
from facematch.watchlist.enrolment import best_of, embed, look_alikes
from facematch.watchlist.identification import Request
from facematch.watchlist.pictures import Gates, examine, listed, name_of
from facematch.watchlist.snapshot import Snapshot

__all__ = ["preview"]


def preview(
    core: Core,
    analyzer: Analyzer,
    images: ImageSource | Sequence[ImageSource],
    gates: Gates,
    request: Request | None,
) -> EnrolmentPreview:
    """Look at pictures as enrolment would; see :meth:`facematch.watchlist.Watchlist.preview`."""
    pictures = listed(images)
    with core.database.read() as connection:
        core.store.check_contract(connection, analyzer.contract)
    usable, refusals, qualities = examine(analyzer, pictures, gates)
    vectors = embed(analyzer, usable) if request is not None else np.empty((0, 0), dtype=np.float32)

    def others(snapshot: Snapshot) -> tuple[Snapshot, list[list[Candidate]], int]:
        if request is None:
            return snapshot, [[] for _ in usable], snapshot.in_force(core.now())
        scope = snapshot.scope(request.purpose, request.site, core.now(), zone=request.zone)
        return snapshot, look_alikes(snapshot, vectors, analyzer, scope), scope.subjects

    snapshot, found, size = core.settled(others)
    rows = {item.number: tuple(row) for item, row in zip(usable, found, strict=True)}
    entries = [
        PicturePreview(name_of(source, number), qualities.get(number), refusals.get(number), rows.get(number, ()))
        for number, source in enumerate(pictures)
    ]
    everybody = best_of(candidate for row in found for candidate in row)
    point = analyzer.operating_point if snapshot.calibration is None else snapshot.calibration.operating_point()
    details = {
        **(request.details() if request is not None else {}),
        "pictures": len(pictures),
        "refusals": [refusal.code for refusal in refusals.values()],
        "look_alikes": snapshot.refs({candidate.subject_id for candidate in everybody}),
        "generation": snapshot.generation,
    }
    with core.database.write() as connection:
        core.audit(connection, AuditAction.PREVIEW, AuditOutcome.DONE, details)
    return EnrolmentPreview(
        pictures=tuple(entries),
        look_alikes=everybody if request is not None else None,
        gallery_size=size,
        fpir_now=None if point is None else point.planned_fpir(size),
        fpir_then=None if point is None else point.planned_fpir(size + 1),
    )
