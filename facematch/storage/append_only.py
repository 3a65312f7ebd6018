"""Triggers that make history tables append-only: rows are never changed, replaced or deleted.

They stop mistakes and careless tools, not an attacker who can write the file; what such a one changes is found by the
audit log's hashes and by the MACs.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["triggers"]

_NO_UPDATE = ("audit", "audit_checkpoints", "audit_nodes", "calibrations", "consent_events", "policies")
_NO_DELETE = ("audit_checkpoints", "audit_head", "audit_nodes", "calibrations", "policies", "signing_keys")
_NO_REPLACE = {
    "audit": ("seq",),
    "audit_checkpoints": ("id",),
    "audit_head": ("id",),
    "audit_nodes": ("level", "position"),
    "calibrations": ("id",),
    "policies": ("version",),
    "signing_keys": ("key_id",),
}


def triggers() -> Iterator[str]:
    """The statements that create the triggers, for SQLite."""
    for table in _NO_UPDATE:
        yield _forbid(table, "no_update", "UPDATE")
    for table in _NO_DELETE:
        yield _forbid(table, "no_delete", "DELETE")
    for table, key in _NO_REPLACE.items():
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        yield _forbid(table, "no_replace", "INSERT", f"EXISTS (SELECT 1 FROM {table} WHERE {same})")  # noqa: S608
    pruned = "OLD.seq > COALESCE((SELECT pruned FROM audit_head), 0)"
    yield _forbid("audit", "no_delete", "DELETE", pruned)
    yield _forbid("audit_head", "no_return", "UPDATE", "NEW.size < OLD.size OR NEW.pruned < OLD.pruned")


def _forbid(table: str, name: str, statement: str, when: str | None = None) -> str:
    condition = "" if when is None else f"WHEN {when} "
    return (
        f"CREATE TRIGGER {table}_{name} BEFORE {statement} ON {table} {condition}"
        f"BEGIN SELECT RAISE(ABORT, 'the table {table} is append-only'); END"
    )
