"""Erasure of a subject, certified."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, select

from facematch.errors import DatabaseCorrupt, DatabaseUnavailable, ErasureUnfinished, KeyUnavailable
from facematch.governance import AuditAction, check_subject_id
from facematch.governance.certificates import sign_certificate
from facematch.governance.names import check_text
from facematch.storage.audit_log.prove import prove_consistency, prove_inclusion
from facematch.storage.schema import consents, templates
from facematch.storage.subjects import Subject
from facematch.types import Erasure, FloatArray
from facematch.watchlist.resources import Resources
from facematch.watchlist.session import Session, Transaction

__all__ = ["erase"]

logger = logging.getLogger(__name__)

_NOWHERE = -1
"""The key of a subject that has no row."""


def erase(
    session: Session,
    subject_id: str,
    reason: str,
    *,
    unless: Callable[[Connection, Subject, datetime], None] | None = None,
    scrub: bool = True,
) -> Erasure:
    """Erase a subject; see :meth:`facematch.watchlist.Watchlist.erase`.

    Args:
        session: The actor's session.
        subject_id: The subject.
        reason: Why.
        unless: Raises where the subject must stay; asked in the transaction that erases.
        scrub: Rebuild the file now; a caller that erases many does it once at the end.
    """
    with session.operation(AuditAction.ERASE, subject_id=subject_id) as operation:
        check_subject_id(subject_id)
        check_text(reason, "reason")
        resources = operation.resources
        with operation.write() as tx:
            former = resources.cipher.former_refs(subject_id, resources.subjects.references(tx.connection))
            subject = _present_or_former(tx, subject_id, former)
            if unless is not None:
                unless(tx.connection, subject, tx.now)
            before = resources.subjects.generation(tx.connection)
            ids, vectors = _templates_of(resources, tx.connection, subject.key)
            records = _record_ids(tx.connection, subject.key)
            erased = resources.subjects.erase(tx.connection, subject.key)
            resources.gallery.discard_file()
            tx.bury("ERASED", subject.subject_ref, *former, *records)
            generation = tx.begin_generation(unscrubbed=True)
            details = {"templates": erased.templates, "consents": erased.consent_records, "generation": generation}
            seq = tx.audit(details, subject=subject)
        logger.debug("rows deleted", extra={"templates": erased.templates, "consent_records": erased.consent_records})
        destroyed = resources.cipher.destroy_subject(subject.subject_ref)
        for ref in former:
            resources.cipher.destroy_subject(ref)
        logger.debug("data key destroyed", extra={"destroyed": destroyed, "former": len(former)})
        found = _self_search(resources, ids, vectors)
        logger.debug("gallery searched for what was erased", extra={"probes": len(ids), "found": found})
        certificate = sign_certificate(
            {
                "certificate_id": str(uuid.uuid4()),
                "watchlist_id": resources.vault.watchlist_id,
                "subject_id": subject_id,
                "subject_ref": subject.subject_ref,
                "erased_at": tx.now.isoformat(),
                "actor": tx.actor,
                "reason": reason,
                "templates": erased.templates,
                "consent_records": list(records),
                "data_key": {"name": subject.subject_ref, "destroyed": destroyed},
                "generation": {"before": before, "after": generation},
                "self_search": {"probes": len(ids), "templates_found": found},
                "fingerprints": [value.hex() for value in erased.fingerprints],
                "audit": _audit_proof(resources, seq),
            },
            resources.signer,
        )
    receipt = Erasure(
        subject_id, reason, tx.now, erased.templates, erased.consent_records, generation, certificate=certificate
    )
    if scrub:
        try:
            resources.database.scrub(required=True)
        except DatabaseUnavailable as error:  # the certificate must not be lost with it
            raise ErasureUnfinished(error.message, receipt=receipt, hint=error.hint) from error
        logger.debug("files rebuilt")
    logger.info("subject erased", extra={"generation": generation, "audit_entry": seq})
    return receipt


def _present_or_former(tx: Transaction, subject_id: str, former: list[str]) -> Subject:
    """The subject, or one that only a backup still holds: its key is destroyed all the same.

    Raises:
        SubjectNotFound: There is neither.
    """
    if former and tx.operation.resources.subjects.subject(tx.connection, subject_id) is None:
        return Subject(_NOWHERE, subject_id, former[0])
    return tx.require_subject(subject_id)


def _templates_of(resources: Resources, connection: Connection, subject_key: int) -> tuple[list[int], list[FloatArray]]:
    contract = resources.subjects.contract(connection)
    query = select(templates.c.template_id).where(templates.c.subject == subject_key).order_by(templates.c.template_id)
    ids = [int(value) for value in connection.execute(query).scalars()]
    if contract is None or not ids:
        return [], []
    try:
        return ids, resources.subjects.vectors(connection, ids, contract)
    except (DatabaseCorrupt, KeyUnavailable):  # what cannot be read any more must still be erasable
        return ids, []


def _record_ids(connection: Connection, subject_key: int) -> tuple[str, ...]:
    query = select(consents.c.record_id).where(consents.c.subject == subject_key).order_by(consents.c.id)
    return tuple(connection.execute(query).scalars())


def _self_search(resources: Resources, ids: list[int], vectors: list[FloatArray]) -> int:
    """Number of the erased templates that a search of the whole gallery with themselves still returns."""
    try:
        snapshot = resources.snapshot()
    except (DatabaseCorrupt, KeyUnavailable):  # of another subject: nothing can be searched, and the rows still count
        with resources.database.read() as connection:
            left = connection.execute(select(templates.c.template_id).where(templates.c.template_id.in_(ids)))
            return len(left.all())
    present = snapshot.columns.template_ids
    if snapshot.view is None or not vectors or not present.size:
        return int(np.isin(ids, present).sum())
    _, found = snapshot.view.search(np.stack(vectors), min(5, present.size))
    return int(np.isin(found, ids).sum())


def _audit_proof(resources: Resources, seq: int) -> dict[str, object]:
    """The proof that the entry of the erasure is in the log, for the certificate."""
    key, origin = resources.signer.public_key, resources.origin
    with resources.database.read() as connection:
        proof = prove_inclusion(connection, seq, public_key=key, origin=origin)
        _, root = prove_consistency(connection, proof.size, public_key=key, origin=origin)
    return {"origin": origin, "proof": proof.to_dict(), "root": root.hex()}
