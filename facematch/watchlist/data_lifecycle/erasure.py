"""Erasing a subject, certifying it, and proving afterwards that nothing is left."""

from __future__ import annotations

import mmap
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from facematch.errors import DatabaseCorrupt, DatabaseUnavailable, ErasureUnfinished, ErasureUnproven, KeyUnavailable
from facematch.gallery.cache_file import gallery_path
from facematch.governance import AuditAction, AuditOutcome, check_subject_id, to_microseconds
from facematch.governance.audit import InclusionProof
from facematch.governance.certificates import sign_certificate, verify_certificate
from facematch.governance.names import check_text
from facematch.storage.audit_log import TableAuditLog
from facematch.storage.key_vault import vault_path
from facematch.storage.schema import consents, templates
from facematch.storage.subjects import Subject
from facematch.types import Erasure, FloatArray
from facematch.watchlist.session import Core

__all__ = ["ErasureCheck", "check_erasure", "erase"]

_NOWHERE = -1
"""The key of a subject that has no row."""

_SHORTEST_NAME = 6
"""Subject ids shorter than this, in bytes, stand in any file by chance, so they are not looked for."""


@dataclass(frozen=True, slots=True)
class ErasureCheck:
    """What was looked at to prove an erasure.

    Attributes:
        subject_ref: The reference that the subject had.
        findings: What is still there and where; empty when the erasure is proved.
        files: The files whose bytes were scanned.
    """

    subject_ref: str
    findings: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def require(self) -> ErasureCheck:
        """Itself when nothing was found.

        Raises:
            ErasureUnproven: Something is still there.
        """
        if self.findings:
            raise ErasureUnproven(
                "the erasure is not complete: " + "; ".join(self.findings),
                hint="close other processes that hold the database open and open the watchlist again",
            )
        return self

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "ok": self.ok,
            "subject_ref": self.subject_ref,
            "findings": list(self.findings),
            "files": list(self.files),
        }


def erase(
    core: Core,
    subject_id: str,
    reason: str,
    *,
    unless: Callable[[Connection, Subject, datetime], None] | None = None,
    scrub: bool = True,
) -> Erasure:
    """Erase a subject; see :meth:`facematch.watchlist.Watchlist.erase`.

    Args:
        core: The open watchlist.
        subject_id: The subject.
        reason: Why.
        unless: Raises where the subject must stay; asked in the transaction that erases.
        scrub: Rebuild the file now; whoever erases many does it once at the end.
    """
    with core.operation(AuditAction.ERASE, subject_id=subject_id):
        check_subject_id(subject_id)
        check_text(reason, "reason")
        with core.concluding() as (connection, endings):
            former = core.codec.former_refs(subject_id, core.store.references(connection))
            subject = _present_or_former(core, connection, subject_id, former)
            now = core.now()
            if unless is not None:
                unless(connection, subject, now)
            moment = to_microseconds(now)
            before = core.store.generation(connection)
            ids, vectors = _templates_of(core, connection, subject.key)
            records = _record_ids(connection, subject.key)
            erased = core.store.erase(connection, subject.key)
            core.gallery.discard_file()
            generation = core.store.bump(connection)
            core.store.mark_unscrubbed(connection, generation)
            endings.extend(("ERASED", ref, moment) for ref in (subject.subject_ref, *former))
            endings.extend(("ERASED", record_id, moment) for record_id in records)
            details = {"templates": erased.templates, "consents": erased.consent_records, "generation": generation}
            seq = core.audit(connection, AuditAction.ERASE, AuditOutcome.DONE, details, subject=subject, now=now)
    destroyed = core.codec.destroy_subject(subject.subject_ref)
    for ref in former:
        core.codec.destroy_subject(ref)
    found = _self_search(core, ids, vectors)
    proof, root = _proof(core, seq)
    certificate = sign_certificate(
        {
            "certificate_id": str(uuid.uuid4()),
            "watchlist_id": core.vault.watchlist_id,
            "subject_id": subject_id,
            "subject_ref": subject.subject_ref,
            "erased_at": now.isoformat(),
            "actor": core.actor,
            "reason": reason,
            "templates": erased.templates,
            "consent_records": list(records),
            "data_key": {"name": subject.subject_ref, "destroyed": destroyed},
            "generation": {"before": before, "after": generation},
            "self_search": {"probes": len(ids), "templates_found": found},
            "fingerprints": [value.hex() for value in erased.fingerprints],
            "audit": {"origin": core.origin, "proof": proof.to_dict(), "root": root.hex()},
        },
        core.signer,
    )
    receipt = Erasure(
        subject_id, reason, now, erased.templates, erased.consent_records, generation, certificate=certificate
    )
    if scrub:
        try:
            core.database.scrub(required=True)
        except DatabaseUnavailable as error:  # the certificate must not be lost with it
            raise ErasureUnfinished(error.message, receipt=receipt, hint=error.hint) from error
    return receipt


def check_erasure(core: Core, certificate: Mapping[str, Any] | str | bytes, also: Sequence[Path] = ()) -> ErasureCheck:
    """Look for what a certificate says has gone; see :meth:`facematch.watchlist.Watchlist.check_erasure`."""
    with core.operation(AuditAction.CHECK_ERASURE):
        data = verify_certificate(certificate, public_key=core.signer.public_key)
        subject_id, subject_ref = str(data["subject_id"]), str(data["subject_ref"])
        findings = []
        with core.database.read() as connection:
            if subject_ref in core.store.references(connection):
                findings.append("the subject is in the database")
            snapshot = core.gallery.refresh(connection)
        if subject_ref in snapshot.columns.subject_refs:
            findings.append("a search can return the subject")
        if subject_ref in core.codec.subject_refs():
            findings.append("the subject's data key is in the vault")
        if core.vault.endings().get(subject_ref, ("", 0))[0] != "ERASED":
            findings.append("the vault does not know of the erasure")
        findings.extend(_audit_findings(core, data))
        wanted = [bytes.fromhex(value) for value in data["fingerprints"]]
        if len(subject_id.encode()) >= _SHORTEST_NAME:
            wanted.append(subject_id.encode())
        files = [*_files_of(core), *also]
        findings.extend(f"bytes of the subject are in {path.name!r}" for path in files if _holds(path, wanted))
        result = ErasureCheck(subject_ref, tuple(findings), tuple(str(path) for path in files))
        with core.writing() as connection:
            details = {"erased_ref": subject_ref, "findings": len(findings)}
            core.audit(connection, AuditAction.CHECK_ERASURE, AuditOutcome.DONE, details)
    return result


def _present_or_former(core: Core, connection: Connection, subject_id: str, former: list[str]) -> Subject:
    """The subject, or one that only a backup still holds: its key is destroyed all the same.

    Raises:
        SubjectNotFound: There is neither.
    """
    if former and core.store.subject(connection, subject_id) is None:
        return Subject(_NOWHERE, subject_id, former[0])
    return core.require_subject(connection, subject_id)


def _templates_of(core: Core, connection: Connection, subject_key: int) -> tuple[list[int], list[FloatArray]]:
    contract = core.store.contract(connection)
    query = select(templates.c.template_id).where(templates.c.subject == subject_key).order_by(templates.c.template_id)
    ids = [int(value) for value in connection.execute(query).scalars()]
    if contract is None or not ids:
        return [], []
    try:
        return ids, core.store.vectors(connection, ids, contract)
    except (DatabaseCorrupt, KeyUnavailable):  # what cannot be read any more must still be erasable
        return ids, []


def _record_ids(connection: Connection, subject_key: int) -> tuple[str, ...]:
    query = select(consents.c.record_id).where(consents.c.subject == subject_key).order_by(consents.c.id)
    return tuple(connection.execute(query).scalars())


def _self_search(core: Core, ids: list[int], vectors: list[FloatArray]) -> int:
    """How many of the erased templates a search of the whole gallery with themselves still returns."""
    try:
        snapshot = core.snapshot()
    except (DatabaseCorrupt, KeyUnavailable):  # of somebody else: nothing can be searched, and the rows still count
        with core.database.read() as connection:
            left = connection.execute(select(templates.c.template_id).where(templates.c.template_id.in_(ids)))
            return len(left.all())
    present = snapshot.columns.template_ids
    if snapshot.view is None or not vectors or not present.size:
        return int(np.isin(ids, present).sum())
    _, found = snapshot.view.search(np.stack(vectors), min(5, present.size))
    return int(np.isin(found, ids).sum())


def _proof(core: Core, seq: int) -> tuple[InclusionProof, bytes]:
    log = TableAuditLog(core.database, core.signer, origin=core.origin, actor=core.actor, clock=core.clock)
    proof = log.prove(seq)
    return proof, log.root_at(proof.size)


def _audit_findings(core: Core, data: Mapping[str, Any]) -> list[str]:
    log = TableAuditLog(core.database, core.signer, origin=core.origin, actor=core.actor, clock=core.clock)
    proof = InclusionProof.from_dict(data["audit"]["proof"])
    if proof.size > len(log):
        return ["the audit log is shorter than when the certificate was issued"]
    if log.root_at(proof.size) != bytes.fromhex(data["audit"]["root"]):
        return ["the audit log is not the one that the certificate was issued from"]
    return []


def _files_of(core: Core) -> list[Path]:
    """The files that belong to the watchlist."""
    database = core.database.path
    if database is None:
        return []
    vault = vault_path(database)
    assert vault is not None
    names = [database, *(database.with_name(database.name + end) for end in ("-wal", "-shm", "-journal"))]
    names += [vault, vault.with_name(vault.name + "-journal"), gallery_path(database)]
    return [path for path in names if path.exists()]


def _holds(path: Path, wanted: Iterable[bytes]) -> bool:
    """Whether a file holds one of the byte strings."""
    try:
        if path.stat().st_size == 0:
            return False
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(value) >= 0 for value in wanted)
    except OSError as error:
        raise DatabaseUnavailable(
            f"{path.name!r} cannot be scanned: {error.strerror}", hint="check the path"
        ) from error
