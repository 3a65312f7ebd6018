"""Withdrawal, erasure, and reading the records."""

from __future__ import annotations

from pathlib import Path

from facematch.errors import ConsentTransitionError, DatabaseCorrupt, InvalidArgument
from facematch.governance import (
    OPEN_STATES,
    AuditAction,
    AuditOutcome,
    Consent,
    ConsentState,
    check_subject_id,
    from_microseconds,
    to_microseconds,
)
from facematch.governance.identifiers import check_text
from facematch.matching import Calibration
from facematch.types import Erasure, SubjectRecord, Withdrawal
from facematch.watchlist.calibrations import add_calibration
from facematch.watchlist.core import Core
from facematch.watchlist.rules import check_calibration
from facematch.watchlist.store import ConsentLine

__all__ = ["consents", "erase", "subjects", "template_count", "withdraw"]


def withdraw(core: Core, subject_id: str, reason: str) -> Withdrawal:
    """Withdraw every open consent of a subject; see :meth:`facematch.watchlist.Watchlist.withdraw`."""
    with core.refusals_audited(AuditAction.WITHDRAW, subject_id=subject_id):
        check_subject_id(subject_id)
        check_text(reason, "reason")
        with core.database.write() as connection:
            subject = core.require_subject(connection, subject_id)
            now = core.now()
            filed = core.store.consents(connection, subject)
            withdrawn = [stored for stored in filed if stored.consent.state in OPEN_STATES]
            if not withdrawn:
                raise ConsentTransitionError(
                    f"subject {subject_id!r} has no consent left to withdraw; no search can return the subject",
                    hint="nothing needs to be done; erase() removes the stored data",
                )
            for stored in withdrawn:
                changed = stored.consent.transition(ConsentState.WITHDRAWN, actor=core.actor, time=now, reason=reason)
                core.store.record_transition(connection, stored, changed)
            generation = core.store.bump(connection)
            details = {"consents": len(withdrawn), "generation": generation}
            core.audit(connection, AuditAction.WITHDRAW, AuditOutcome.DONE, details, subject=subject, now=now)
    return Withdrawal(subject_id, reason, now, tuple(s.consent.record_id for s in withdrawn), generation)


def erase(core: Core, subject_id: str, reason: str) -> Erasure:
    """Erase a subject from database, files and process; see :meth:`facematch.watchlist.Watchlist.erase`."""
    with core.refusals_audited(AuditAction.ERASE, subject_id=subject_id):
        check_subject_id(subject_id)
        check_text(reason, "reason")
        with core.database.write() as connection:
            subject = core.require_subject(connection, subject_id)
            now = core.now()
            erased, records = core.store.erase(connection, subject)
            generation = core.store.bump(connection)
            core.store.mark_unscrubbed(connection, generation)
            details = {"templates": erased, "consents": records, "generation": generation}
            core.audit(connection, AuditAction.ERASE, AuditOutcome.DONE, details, subject=subject, now=now)
    if core.gallery.loaded:
        core.snapshot()
    core.database.scrub(required=True)
    return Erasure(subject_id, reason, now, erased, records, generation)


def subjects(core: Core) -> list[SubjectRecord]:
    """The subjects; see :meth:`facematch.watchlist.Watchlist.subjects`."""
    with core.refusals_audited(AuditAction.LIST_SUBJECTS), core.database.write() as connection:
        now = core.now()
        moment = to_microseconds(now)
        lines = core.store.consent_lines(connection)
        found = [
            _subject_record(subject.subject_id, lines.get(subject.key, []), moment)
            for subject in core.store.subjects(connection)
        ]
        details = {"subjects": len(found)}
        core.audit(connection, AuditAction.LIST_SUBJECTS, AuditOutcome.DONE, details, now=now)
    return found


def template_count(core: Core, subject_id: str | None) -> int:
    """Number of templates; see :meth:`facematch.watchlist.Watchlist.templates`."""
    with (
        core.refusals_audited(AuditAction.COUNT_TEMPLATES, subject_id=subject_id),
        core.database.write() as connection,
    ):
        subject = None if subject_id is None else core.require_subject(connection, check_subject_id(subject_id))
        count = core.store.count_templates(connection, subject)
        core.audit(connection, AuditAction.COUNT_TEMPLATES, AuditOutcome.DONE, {"templates": count}, subject=subject)
    return count


def consents(core: Core, subject_id: str) -> list[Consent]:
    """The consent records of a subject; see :meth:`facematch.watchlist.Watchlist.consents`."""
    with (
        core.refusals_audited(AuditAction.READ_CONSENTS, subject_id=subject_id),
        core.database.write() as connection,
    ):
        subject = core.require_subject(connection, check_subject_id(subject_id))
        filed = core.store.consents(connection, subject)
        core.audit(connection, AuditAction.READ_CONSENTS, AuditOutcome.DONE, {"consents": len(filed)}, subject=subject)
    return [stored.consent for stored in filed]


def _subject_record(subject_id: str, filed: list[ConsentLine], moment: int) -> SubjectRecord:
    if not filed:
        raise DatabaseCorrupt("a subject in the database has no consent record", hint="restore a backup")
    still_open = [line for line in filed if line.is_open]
    active = [line for line in still_open if line.valid_from <= moment < line.valid_until and line.templates]
    if active:
        state = "active"
    elif not still_open:
        state = "withdrawn"
    else:
        state = "pending" if any(moment < line.valid_from for line in still_open) else "expired"
    everywhere = any(not line.sites for line in active)
    return SubjectRecord(
        subject_id=subject_id,
        state=state,
        purposes=tuple(sorted({purpose for line in active for purpose in line.purposes})),
        sites=() if everywhere else tuple(sorted({site for line in active for site in line.sites})),
        templates=sum(line.templates for line in filed),
        valid_until=from_microseconds(max(line.valid_until for line in filed)),
    )


def set_calibration(core: Core, source: str | Path | Calibration) -> Calibration:
    """Load an artefact and put it in force; see :meth:`facematch.watchlist.Watchlist.set_calibration`."""
    with core.refusals_audited(AuditAction.SET_CALIBRATION):
        if not isinstance(source, str | Path | Calibration):
            raise InvalidArgument(f"a calibration or the path of one is expected, got {type(source).__name__}")
        calibration = source.checked() if isinstance(source, Calibration) else Calibration.load(Path(source))
        with core.database.write() as connection:
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
