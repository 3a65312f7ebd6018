"""Reads of the log's head, nodes and keys that the writer and the reader share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from facematch.errors import AuditTampered
from facematch.governance.audit.merkle import NodeGetter, peaks
from facematch.governance.audit.verifier import CompactRange, head_message, verify_signature
from facematch.storage.schema import audit, audit_checkpoints, audit_nodes, signing_keys

__all__ = [
    "TAMPERED_HINT",
    "Head",
    "is_untouched",
    "node_getter",
    "public_keys",
    "read_head",
    "read_nodes",
    "read_tree",
]

TAMPERED_HINT = "run verify() on the audit log to see where, keep the file as it is, and restore a backup"


@dataclass(frozen=True, slots=True)
class Head:
    """The row of ``audit_head``.

    Attributes:
        size: Number of entries.
        root: Root of the tree over them.
        pruned: The content of so many entries at the beginning was deleted.
        key_id: Name of the key that signed.
        signature: Ed25519 signature over :func:`~facematch.governance.audit.verifier.head_message`.
    """

    size: int
    root: bytes
    pruned: int
    key_id: str
    signature: bytes

    def signed_by(self, public_key: bytes, origin: str) -> bool:
        """Whether the key signed it."""
        message = head_message(origin, self.size, self.root, self.pruned)
        return verify_signature(public_key, self.signature, message)


def read_head(connection: Connection) -> Head | None:
    """The head; ``None`` where there is none.

    Raises:
        AuditTampered: The row is damaged.
    """
    # plain SQL, because this is on every append's way
    row = connection.exec_driver_sql("SELECT size, root, pruned, key_id, signature FROM audit_head").one_or_none()
    if row is None:
        return None
    values = (row.size, row.root, row.pruned, row.key_id, row.signature)
    kinds = (int, bytes, int, str, bytes)
    if not all(isinstance(value, kind) for value, kind in zip(values, kinds, strict=True)):
        raise AuditTampered("the head of the audit log is damaged", hint=TAMPERED_HINT)
    return Head(*values)


def is_untouched(connection: Connection) -> bool:
    """Whether nothing was ever written to the log."""
    tables = (audit, audit_nodes, audit_checkpoints)
    counts = select(*(select(func.count()).select_from(table).limit(1).scalar_subquery() for table in tables))
    return sum(connection.execute(counts).one()) == 0


def read_nodes(connection: Connection, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """The stored hashes at (level, position), in one statement.

    Raises:
        AuditTampered: One is missing or damaged.
    """
    wanted = list(places)
    found: dict[tuple[int, int], object] = {}
    if wanted:
        # an OR of equalities uses the key (IN over pairs scans); plain SQL, because this is on every append's way
        which = " OR ".join(["level = ? AND position = ?"] * len(wanted))
        query = f"SELECT level, position, hash FROM audit_nodes WHERE {which}"  # noqa: S608 - placeholders only
        rows = connection.exec_driver_sql(query, tuple(number for pair in wanted for number in pair))
        found = {(row[0], row[1]): row[2] for row in rows}
    nodes: dict[tuple[int, int], bytes] = {}
    for place in wanted:
        node = found.get(place)
        if not isinstance(node, bytes) or len(node) != 32:
            raise AuditTampered(f"node {place[0]}/{place[1]} of the audit log is missing", hint=TAMPERED_HINT)
        nodes[place] = node
    return nodes


def node_getter(connection: Connection) -> NodeGetter:
    """Reads single nodes, for proofs."""

    def get(level: int, position: int) -> bytes:
        return read_nodes(connection, [(level, position)])[level, position]

    return get


def read_tree(connection: Connection, size: int) -> CompactRange:
    """The tree of the first ``size`` entries, ready to be appended to.

    Raises:
        AuditTampered: A node is missing or damaged.
    """
    places = peaks(size)
    nodes = read_nodes(connection, places)
    return CompactRange(size, [nodes[place] for place in places])


def public_keys(connection: Connection) -> dict[str, bytes]:
    """The public keys that the log was signed with, by name; only as trustworthy as the database."""
    rows = connection.execute(select(signing_keys.c.key_id, signing_keys.c.public_key))
    return {str(key_id): key for key_id, key in rows if isinstance(key, bytes)}
