"""The subject access export: everything about one subject as one zip file, and nothing about others.

No template is in it: with the numbers, others could search for the subject. Free text that people wrote about the
subject (reasons, grounds) is given as it is, so the controller should read the page before handing it over.
"""

from __future__ import annotations

import json
import os
import secrets
import textwrap
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, or_, select

from facematch.errors import DatabaseCorrupt, DatabaseUnavailable, FacematchError, InvalidArgument
from facematch.governance import (
    AuditEntry,
    from_microseconds,
    to_microseconds,
)
from facematch.governance.consent.receipts import ConsentReceipt
from facematch.governance.consent.scope import subject_state
from facematch.governance.reports import (
    AccessFile,
    LogLine,
    StoredComplaint,
    StoredTemplate,
    access_page,
    human_review,
    log_line,
    logic_sentences,
    readme,
)
from facematch.reporting import to_html
from facematch.storage.audit_log.state import read_head
from facematch.storage.calibrations import current_calibration
from facematch.storage.schema import audit, complaints, consents, enrollments, subjects, templates
from facematch.storage.subjects import Subject
from facematch.watchlist.model_facts import calibrated, model_facts
from facematch.watchlist.resources import Resources
from facematch.watchlist.session import Operation, Transaction

__all__ = ["write_access_export"]

_RESTORE = "restore the database from a backup"
_OLDEST = datetime(1980, 1, 1, tzinfo=UTC)
"""Zip files know no earlier times."""


def write_access_export(operation: Operation, subject_id: str, path: Path) -> Path:
    """Write the export; see :meth:`facematch.watchlist.data_rights.rights.Rights.export`, which authorizes it.

    The file is written beside its place, readable by its owner only, and takes its place within the transaction that
    stores the audit entry: without the entry there is no file.

    Args:
        operation: The authorized call.
        subject_id: The subject.
        path: A file that is not there yet.

    Raises:
        SubjectNotFound: There is no such subject.
        InvalidArgument: The file is there already, or its folder is not.
        DatabaseUnavailable: The file cannot be written.
        KeyUnavailable: The subject's data key is not in the vault.
        AuditError: The audit entry could not be written; there is no file.
    """
    target = path.absolute()
    _require_free(target)
    part = target.with_name(f".facematch-{secrets.token_hex(8)}.part")
    published = False
    try:
        with operation.write() as tx:
            subject = tx.require_subject(subject_id)
            tx.audit({}, subject=subject)
            file = _gathered(operation.resources, tx, subject)
            _write_zip(part, _members(operation.resources, file), tx.now)
            _require_free(target)
            part.replace(target)
            published = True
    except BaseException as error:
        part.unlink(missing_ok=True)
        if published:  # the entry did not commit, so there must be no file
            target.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise DatabaseUnavailable(
                f"the export {target.name!r} cannot be written: {error.strerror or error}",
                hint="check the folder's permissions and the disk",
            ) from error
        raise
    return target


def _require_free(target: Path) -> None:
    if "\0" in str(target):
        raise InvalidArgument("a path cannot hold a null byte", hint="name a file that is not there yet")
    if os.path.lexists(target):
        raise InvalidArgument(f"{target.name!r} is there already", hint="name a file that is not there yet")
    if not target.parent.is_dir():
        raise InvalidArgument(
            f"the folder of {target.name!r} does not exist", hint=f"create it first: mkdir -p {target.parent}"
        )


def _gathered(resources: Resources, tx: Transaction, subject: Subject) -> AccessFile:
    connection, now = tx.connection, tx.now
    created = connection.execute(select(subjects.c.created_at).where(subjects.c.id == subject.key)).scalar_one()
    filed = tuple(stored.consent for stored in resources.consents.of(connection, subject))
    stored = _templates(resources, connection, subject)
    head = read_head(connection)
    return AccessFile(
        subject_id=subject.subject_id,
        subject_ref=subject.subject_ref,
        state=subject_state(
            resources.consents.lines(connection)[subject.key],
            to_microseconds(now),
            restricted=subject.key in resources.consents.restricted(connection),
        ),
        created_at=from_microseconds(created),
        made_at=now,
        made_by=tx.actor,
        watchlist_id=resources.vault.watchlist_id,
        consents=filed,
        templates=stored,
        complaints=_complaints(resources, connection, subject),
        log=_log(resources, connection, subject, frozenset(consent.record_id for consent in filed)),
        pruned=0 if head is None else head.pruned,
        models=model_facts(resources, connection),
        threshold=calibrated(current_calibration(connection)),
        policy=tx.policy,
    )


def _templates(resources: Resources, connection: Connection, subject: Subject) -> tuple[StoredTemplate, ...]:
    contract = resources.subjects.contract(connection)
    query = (
        select(
            templates.c.template_id,
            templates.c.created_at,
            templates.c.detection_score,
            templates.c.face_height_px,
            consents.c.record_id,
            enrollments.c.actor,
            enrollments.c.state,
            enrollments.c.override,
            enrollments.c.decided_by,
            enrollments.c.decided_at,
        )
        .join(enrollments, enrollments.c.id == templates.c.enrollment)
        .join(consents, consents.c.id == templates.c.consent)
        .where(templates.c.subject == subject.key)
        .order_by(templates.c.template_id)
    )
    rows = connection.execute(query).all()
    if rows and contract is None:
        raise DatabaseCorrupt("the database has templates and no embedding contract", hint=_RESTORE)
    return tuple(
        StoredTemplate(
            template_id=row.template_id,
            enrolled_at=from_microseconds(row.created_at),
            enrolled_by=row.actor,
            state=row.state.lower(),
            approved_by=row.decided_by,
            approved_at=None if row.decided_at is None else from_microseconds(row.decided_at),
            quality_override=None
            if row.override is None
            else resources.cipher.unseal_text(subject.subject_ref, row.override, "a quality override"),
            consent_record_id=row.record_id,
            detection_score=row.detection_score,
            face_height_px=row.face_height_px,
            contract="" if contract is None else contract.digest,
            model="" if contract is None else contract.embedder,
            numbers=0 if contract is None else contract.dimension,
        )
        for row in rows
    )


def _complaints(resources: Resources, connection: Connection, subject: Subject) -> tuple[StoredComplaint, ...]:
    rows = connection.execute(
        select(complaints).where(complaints.c.subject == subject.key).order_by(complaints.c.id)
    ).all()
    return tuple(
        StoredComplaint(
            number=row.id,
            ground=resources.cipher.unseal_text(subject.subject_ref, row.ground, "a complaint"),
            opened_at=from_microseconds(row.opened_at),
            opened_by=row.opened_by,
            decided_at=None if row.decided_at is None else from_microseconds(row.decided_at),
            decided_by=row.decided_by,
            upheld=None if row.upheld is None else bool(row.upheld),
        )
        for row in rows
    )


def _log(resources: Resources, connection: Connection, subject: Subject, own: frozenset[str]) -> tuple[LogLine, ...]:
    """Every entry about the subject, and every entry whose details name the subject's reference."""
    ref = subject.subject_ref
    listed = audit.c.details.contains(ref, autoescape=True)
    query = select(audit).where(or_(audit.c.subject_ref == ref, listed)).order_by(audit.c.seq)

    def unseal(subject_ref: str, sealed: bytes, associated: bytes) -> bytes:
        what = associated.decode()
        return resources.cipher.unseal_text(subject_ref, sealed, what, key=key).encode()

    key = resources.cipher.subject_key(ref)
    lines = []
    for row in connection.execute(query):
        try:
            entry = AuditEntry(
                seq=row.seq,
                time=from_microseconds(row.time),
                actor=row.actor,
                action=row.action,
                outcome=row.outcome,
                subject_ref=row.subject_ref,
                details=json.loads(row.details),
                sealed=row.sealed if row.subject_ref == ref else None,
                nonce=row.nonce,
            )
        except (ValueError, TypeError, FacematchError) as error:
            raise DatabaseCorrupt("an audit entry in the database is damaged", hint=_RESTORE) from error
        lines.append(log_line(entry, ref, own, entry.private(unseal)))
    return tuple(lines)


def _members(resources: Resources, file: AccessFile) -> dict[str, str]:
    """Names and texts of the archive's files."""
    members = {
        "README.txt": readme(file),
        "index.html": to_html(access_page(file)),
        "subject.json": _json(
            {
                "subject_id": file.subject_id,
                "subject_ref": file.subject_ref,
                "state": file.state,
                "created_at": file.created_at.isoformat(),
                "exported_at": file.made_at.isoformat(),
                "exported_by": file.made_by,
                "watchlist_id": file.watchlist_id,
            }
        ),
        "consents.json": _json([consent.to_dict() for consent in file.consents]),
        "templates.json": _json([item.to_dict() for item in file.templates]),
        "log.json": _json({"entries_without_content": file.pruned, "entries": [line.to_dict() for line in file.log]}),
        "complaints.json": _json([item.to_dict() for item in file.complaints]),
        "logic.txt": _steps(file),
        "logic.json": _json(_logic(file)),
    }
    for consent in file.consents:
        receipt = ConsentReceipt.issue(consent, resources.signer, file.made_at)
        members[f"receipts/{consent.record_id}.json"] = receipt.to_json()
        members[f"receipts/{consent.record_id}.txt"] = receipt.to_text()
    return members


def _steps(file: AccessFile) -> str:
    """The steps of a decision as plain text, numbered, in lines of at most 100 characters."""
    steps = enumerate(logic_sentences(file), start=1)
    return (
        "\n\n".join(textwrap.fill(text, 100, initial_indent=f"{n}. ", subsequent_indent="   ") for n, text in steps)
        + "\n"
    )


def _logic(file: AccessFile) -> dict[str, Any]:
    found, ruling = file.threshold, file.policy
    return {
        "steps": list(logic_sentences(file)),
        "model": file.models.embedder,
        "contract": file.models.contract,
        "score": "raw cosine from -1 to 1; not a probability",
        "threshold": None if found is None else found.threshold,
        "rule": None if found is None else found.rule,
        "calibration": None
        if found is None
        else {
            "digest": found.digest,
            "target_fpir": found.target,
            "people": found.trials,
            "errors": found.errors,
            "fpir_upper": found.upper,
            "confidence": found.confidence,
            "gallery_size": found.gallery_size,
            "templates": found.templates,
            "data": found.data,
            "measured_at": found.measured_at,
        },
        "human_review": human_review(ruling.policy),
        "policy": {
            "title": ruling.policy.title,
            "version": ruling.version,
            "digest": ruling.digest,
            "effective_from": ruling.effective_from.isoformat(),
            "rules": [text._asdict() for text in ruling.policy.describe()],
        },
    }


def _json(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _write_zip(part: Path, members: dict[str, str], now: datetime) -> None:
    """Write the archive, readable by its owner only, and see it on the disk."""
    moment = max(now, _OLDEST).timetuple()[:6]
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in members.items():
                info = zipfile.ZipInfo(name, date_time=moment)
                info.external_attr = 0o600 << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, text)
        stream.flush()
        os.fsync(stream.fileno())
