"""Reading the records, and setting the calibration."""

from __future__ import annotations

from pathlib import Path

from facematch.errors import DatabaseCorrupt, InvalidArgument
from facematch.gallery.decision import check_calibration
from facematch.governance import (
    AuditAction,
    AuditOutcome,
    Consent,
    check_subject_id,
    from_microseconds,
    to_microseconds,
)
from facematch.matching import Calibration
from facematch.storage.calibrations import add_calibration
from facematch.storage.consents import ConsentLine, subject_state
from facematch.types import SubjectRecord
from facematch.watchlist.session import Core

__all__ = ["consents", "set_calibration", "subjects", "template_count"]


def subjects(core: Core) -> list[SubjectRecord]:
    """The subjects; see :meth:`facematch.watchlist.Watchlist.subjects`."""
    with core.operation(AuditAction.LIST_SUBJECTS), core.writing() as connection:
        now = core.now()
        moment = to_microseconds(now)
        lines = core.filing.lines(connection)
        restricted = core.filing.restricted(connection)
        found = [
            _subject_record(subject.subject_id, lines.get(subject.key, []), moment, subject.key in restricted)
            for subject in core.store.subjects(connection)
        ]
        details = {"subjects": len(found)}
        core.audit(connection, AuditAction.LIST_SUBJECTS, AuditOutcome.DONE, details, now=now)
    return found


def template_count(core: Core, subject_id: str | None) -> int:
    """Number of templates; see :meth:`facematch.watchlist.Watchlist.templates`."""
    with (
        core.operation(AuditAction.COUNT_TEMPLATES, subject_id=subject_id),
        core.writing() as connection,
    ):
        subject = None if subject_id is None else core.require_subject(connection, check_subject_id(subject_id))
        count = core.store.count_templates(connection, subject)
        core.audit(connection, AuditAction.COUNT_TEMPLATES, AuditOutcome.DONE, {"templates": count}, subject=subject)
    return count


def consents(core: Core, subject_id: str) -> list[Consent]:
    """The consent records of a subject; see :meth:`facematch.watchlist.Watchlist.consents`."""
    with (
        core.operation(AuditAction.READ_CONSENTS, subject_id=subject_id),
        core.writing() as connection,
    ):
        subject = core.require_subject(connection, check_subject_id(subject_id))
        filed = core.filing.of(connection, subject)
        core.audit(connection, AuditAction.READ_CONSENTS, AuditOutcome.DONE, {"consents": len(filed)}, subject=subject)
    return [stored.consent for stored in filed]


def _subject_record(subject_id: str, filed: list[ConsentLine], moment: int, restricted: bool) -> SubjectRecord:
    if not filed:
        raise DatabaseCorrupt("a subject in the database has no consent record", hint="restore a backup")
    active = [line for line in filed if line.in_force(moment) and line.templates > line.pending]
    everywhere = any(not line.sites for line in active)
    return SubjectRecord(
        subject_id=subject_id,
        state=subject_state(filed, moment, restricted=restricted),
        purposes=tuple(sorted({purpose for line in active for purpose in line.purposes})),
        sites=() if everywhere else tuple(sorted({site for line in active for site in line.sites})),
        templates=sum(line.templates for line in filed),
        valid_until=from_microseconds(max(line.valid_until for line in filed)),
    )


def set_calibration(core: Core, source: str | Path | Calibration) -> Calibration:
    """Load an artifact and put it in force; see :meth:`facematch.watchlist.Watchlist.set_calibration`."""
    with core.operation(AuditAction.SET_CALIBRATION):
        if not isinstance(source, str | Path | Calibration):
            raise InvalidArgument(f"a calibration or the path of one is expected, got {type(source).__name__}")
        calibration = source.checked() if isinstance(source, Calibration) else Calibration.load(Path(source))
        with core.writing() as connection:
            check_calibration(calibration, core.store.contract(connection))
            now = core.now()
            add_calibration(connection, calibration, core.actor, now)
            generation = core.store.bump(connection)
            details = {
                "calibration": calibration.digest,
                "threshold": calibration.threshold,
                "target_fpir": calibration.target_fpir,
                "generation": generation,
            }
            core.audit(connection, AuditAction.SET_CALIBRATION, AuditOutcome.DONE, details, now=now)
    return calibration
