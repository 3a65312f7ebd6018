"""Deleting the content of old entries. Their hashes stay, so everything that remains can still be verified."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from facematch.errors import AuditTampered, InvalidArgument
from facematch.governance.audit.entries import AuditAction, AuditOutcome, AuditRecord
from facematch.governance.audit.merkle import consistency_path
from facematch.governance.audit.verifier import leaf_hash, verify_consistency
from facematch.governance.time import to_microseconds, to_utc
from facematch.storage.audit_log.state import TAMPERED_HINT, Head, node_getter, read_head, read_tree
from facematch.storage.audit_log.verify import canonical_row
from facematch.storage.audit_log.writer import TableAuditWriter
from facematch.storage.schema import audit

__all__ = ["MIN_KEEP", "prune"]

MIN_KEEP = timedelta(days=183)
"""Entries are kept at least this long: six months."""

_CHUNK = 4096


def prune(connection: Connection, writer: TableAuditWriter, before: datetime, *, now: datetime, actor: str) -> int:
    """Delete the content of the entries at the log's beginning that are older than ``before``.

    Only the unbroken run of older entries at the beginning goes. Before it goes, it is proved to be what was signed;
    a changed entry is evidence and stays. An entry says what went, and a signed checkpoint covers it.

    Args:
        connection: A connection in a write transaction; the writer's.
        writer: Appends the entry.
        before: Entries of this moment and later stay.
        now: The present moment.
        actor: Who asked.

    Returns:
        The number of entries whose content went; with 0, nothing is written.

    Raises:
        InvalidArgument: ``before`` is less than 183 days ago.
        AuditTampered: The entries are not what was signed.
        AuditError: The entry could not be written.
    """
    limit, present = to_utc(before, "before"), to_utc(now, "now")
    if present - limit < MIN_KEEP:
        raise InvalidArgument(
            f"audit entries are kept at least {MIN_KEEP.days} days; {limit.isoformat()} is less than that ago",
            hint=f"pass before={(present - MIN_KEEP).isoformat()} or earlier",
        )
    head = read_head(connection)
    if head is None:
        return 0
    later = select(func.min(audit.c.seq)).where(audit.c.seq > head.pruned, audit.c.time >= to_microseconds(limit))
    first_kept = connection.execute(later).scalar_one()
    until = head.size if first_kept is None else first_kept - 1
    if until <= head.pruned:
        return 0
    _require_unchanged(connection, head, until)
    details = {"entries": until - head.pruned, "before": limit.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    writer.mark_pruned(AuditRecord(present, actor, AuditAction.PRUNE_AUDIT, AuditOutcome.DONE, details=details), until)
    connection.execute(delete(audit).where(audit.c.seq <= until))
    return until - head.pruned


def _require_unchanged(connection: Connection, head: Head, until: int) -> None:
    """Recompute the entries that go, and prove that the signed tree begins with them."""
    tree = read_tree(connection, head.pruned)
    for start in range(head.pruned, until, _CHUNK):
        end = min(start + _CHUNK, until)
        query = select(audit).where(audit.c.seq > start, audit.c.seq <= end).order_by(audit.c.seq)
        for row in connection.execute(query):
            tree.append(leaf_hash(canonical_row(row) or b""))
    path = consistency_path(until, head.size, node_getter(connection))
    if tree.size != until or not verify_consistency(until, tree.root(), head.size, head.root, path):
        raise AuditTampered(
            f"the entries {head.pruned + 1} to {until} are not what was signed, so they stay", hint=TAMPERED_HINT
        )
