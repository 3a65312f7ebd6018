"""HMAC over the plaintext rows that govern, so that rows changed from outside are found.

Roles, policies, zones, suspensions, calibrations, complaints and pending enrollments stand in the clear in the
database. An attacker who can write the file, but has no key, could become owner or approve an enrollment with one line
of SQL. The MAC covers those rows and the generation; it is renewed with every generation and checked when the rows are
read. An older state of the whole file, put back, has its own right MAC; see the vault and the audit log for that.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Select, select, update

from facematch.errors import DatabaseCorrupt
from facematch.storage.encryption import SubjectCipher
from facematch.storage.schema import (
    actor_roles,
    calibrations,
    complaints,
    enrollments,
    meta,
    policies,
    suspensions,
    zones,
)

__all__ = ["check_governance_mac", "write_governance_mac"]

_GOVERNING: tuple[Select[Any], ...] = (
    select(meta.c.generation, meta.c.watchlist_id, meta.c.contract_digest, meta.c.rotation, meta.c.next_template),
    select(policies.c.version, policies.c.digest, policies.c.effective_from, policies.c.actor).order_by(
        policies.c.version
    ),
    select(actor_roles).order_by(actor_roles.c.actor, actor_roles.c.role),
    select(zones).order_by(zones.c.id),
    select(suspensions).order_by(suspensions.c.id),
    select(calibrations.c.id, calibrations.c.digest).order_by(calibrations.c.id),
    select(complaints.c.id, complaints.c.subject, complaints.c.decided_at, complaints.c.upheld).order_by(
        complaints.c.id
    ),
    select(enrollments.c.id, enrollments.c.subject).where(enrollments.c.state == "PENDING").order_by(enrollments.c.id),
)


def write_governance_mac(connection: Connection, cipher: SubjectCipher) -> None:
    """Store the MAC of the present rows; called with every new generation."""
    connection.execute(update(meta).values(standing_mark=_mark(connection, cipher)))


def check_governance_mac(connection: Connection, cipher: SubjectCipher) -> None:
    """Refuse rows that are not what facematch wrote.

    Raises:
        DatabaseCorrupt: They are not.
    """
    stored = connection.execute(select(meta.c.standing_mark)).scalar_one()
    if stored != _mark(connection, cipher):
        raise DatabaseCorrupt(
            "roles, policies, zones, suspensions, complaints or approvals in the database were changed from outside",
            hint="facematch audit show says what was decided; restore a backup",
        )


def _mark(connection: Connection, cipher: SubjectCipher) -> str:
    rows = [[list(row) for row in connection.execute(query)] for query in _GOVERNING]
    try:
        return cipher.mark("standing", json.dumps(rows, ensure_ascii=False, separators=(",", ":")))
    except (TypeError, ValueError) as error:  # a value of a kind that facematch never writes
        raise DatabaseCorrupt("a table of the watchlist's governance is damaged", hint="restore a backup") from error
