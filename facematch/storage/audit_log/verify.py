"""Verifying the log in the database: everything is computed anew and compared, in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, literal, or_, select

from facematch.errors import AuditTampered, InvalidArgument
from facematch.governance.audit.entries import compose
from facematch.governance.audit.findings import AuditVerification
from facematch.governance.audit.verifier import (
    OUTSIDE,
    Checkpoint,
    Finding,
    LogCheck,
    compare_checkpoints,
    compared,
    listed,
    outside_checkpoint,
    places,
    ranges,
    read_checkpoints,
)
from facematch.governance.time import from_microseconds
from facematch.storage.audit_log.state import Head, is_untouched, public_keys, read_head
from facematch.storage.schema import audit, audit_checkpoints, audit_nodes

__all__ = ["canonical_row", "verify_log"]

_CHUNK = 4096
_LISTED = 1000


def verify_log(
    connection: Connection, *, public_key: bytes, origin: str, outside: str | None = None
) -> AuditVerification:
    """Recompute every leaf, node, root and signature, and name what does not fit.

    Args:
        connection: A connection in a transaction, so that everything belongs to one moment.
        public_key: The log's key, from a source that does not lie in the database.
        origin: Name of the log in its signatures.
        outside: A checkpoint that was kept elsewhere.
    """
    return _Verification(connection, public_key, origin).run(outside)


def canonical_row(row: tuple[object, ...]) -> bytes | None:
    """The canonical bytes of a row of ``audit``, in the order of its columns; ``None`` when it is damaged."""
    seq, time, actor, action, outcome, subject_ref, details, sealed, nonce = row
    texts = (actor, action, outcome, details, nonce)
    if not isinstance(seq, int) or not isinstance(time, int) or not all(isinstance(text, str) for text in texts):
        return None
    if not isinstance(subject_ref, str | None) or not isinstance(sealed, str | None):
        return None
    try:
        return compose(
            seq=seq,
            time=from_microseconds(time),
            actor=str(actor),
            action=str(action),
            outcome=str(outcome),
            subject_ref=subject_ref,
            details=str(details),
            sealed=sealed,
            nonce=str(nonce),
        )
    except (InvalidArgument, UnicodeError):
        return None


@dataclass(slots=True)
class _Nodes:
    """Places of stored nodes that are not what they should be, by the tree that they were compared with."""

    by_leaf: list[tuple[int, int]] = field(default_factory=list)
    by_entry: list[tuple[int, int]] = field(default_factory=list)
    missing: list[tuple[int, int]] = field(default_factory=list)


class _Verification:
    def __init__(self, connection: Connection, public_key: bytes, origin: str) -> None:
        self._connection = connection
        self._public_key = public_key
        self._origin = origin
        self._found: list[Finding] = []

    def run(self, outside: str | None) -> AuditVerification:
        keys = {self._public_key, *self._keys().values()}
        kept, problems = (None, []) if outside is None else outside_checkpoint(outside, keys, self._origin)
        self._found += problems
        head, genuine = self._head()
        own, top = self._checkpoints(keys)
        anchors = [(checkpoint.size, checkpoint.root) for checkpoint in (*own.values(), *([kept] if kept else []))]
        if head is not None and genuine:
            anchors.append((head.size, head.root))
        size = head.size if head is not None and genuine else self._stored()
        check = LogCheck(anchors, 0 if head is None else head.pruned)
        nodes = self._walk(check, size)
        self._found += check.finish()
        self._report_nodes(nodes, check)
        self._extra(size)
        self._found += compare_checkpoints(own, top, check)
        self._found += [] if kept is None else compared(OUTSIDE, kept, check)
        return AuditVerification(check.size, check.root(), listed(self._found), outside is not None)

    def _keys(self) -> dict[str, bytes]:
        return public_keys(self._connection)

    def _head(self) -> tuple[Head | None, bool]:
        try:
            head = read_head(self._connection)
        except AuditTampered:
            self._found.append(Finding("head", "is damaged"))
            return None, False
        if head is None:
            if not is_untouched(self._connection):
                self._found.append(Finding("head", "is missing"))
            return None, False
        filed = self._keys().get(head.key_id)
        if filed != self._public_key:
            problem = "is missing" if filed is None else "is not the key of this log"
            self._found.append(Finding(f"key {head.key_id}", problem))
        genuine = 0 <= head.pruned <= head.size and head.signed_by(self._public_key, self._origin)
        if not genuine:
            self._found.append(Finding("head", "is not signed by the key of this log"))
        return head, genuine

    def _checkpoints(self, keys: set[bytes]) -> tuple[dict[int, Checkpoint], int]:
        rows = self._connection.execute(select(audit_checkpoints).order_by(audit_checkpoints.c.id)).all()
        own, problems = read_checkpoints([(row.id, str(row.note)) for row in rows], keys, self._origin)
        self._found += problems
        for row in rows:
            made = own.get(row.id)
            if made is not None and (row.size, from_microseconds(row.created_at)) != (made.size, made.time):
                self._found.append(Finding(f"checkpoint {row.id}", "is filed with another size or time"))
        return own, max((row.id for row in rows), default=0)

    def _stored(self) -> int:
        """Size of a log whose head says nothing that can be believed."""
        leaves = select(func.count()).select_from(audit_nodes).where(audit_nodes.c.level == 0)
        entries = select(func.count()).select_from(audit)
        return max(self._connection.execute(leaves).scalar_one(), self._connection.execute(entries).scalar_one())

    def _walk(self, check: LogCheck, size: int) -> _Nodes:
        nodes = _Nodes()
        for start in range(0, size, _CHUNK):
            end = min(start + _CHUNK, size)
            rows = select(audit).where(audit.c.seq > start, audit.c.seq <= end)
            entries = {row[0]: canonical_row(row) or b"" for row in self._connection.execute(rows)}
            leaves = self._level(0, start, end)
            expected: dict[int, list[tuple[int, bytes, bytes]]] = {}
            for seq in range(start + 1, end + 1):
                by_leaf, by_entry = check.add(entries.get(seq), leaves.get(seq - 1))
                for (level, position, node), (_, _, other) in zip(by_leaf[1:], by_entry[1:], strict=True):
                    expected.setdefault(level, []).append((position, node, other))
            for level, wanted in expected.items():
                self._compare(level, wanted, nodes)
        return nodes

    def _level(self, level: int, start: int, end: int) -> dict[int, bytes]:
        query = select(audit_nodes.c.position, audit_nodes.c.hash).where(
            audit_nodes.c.level == level, audit_nodes.c.position >= start, audit_nodes.c.position < end
        )
        rows = self._connection.execute(query)
        return {position: node for position, node in rows if isinstance(node, bytes) and len(node) == 32}

    def _compare(self, level: int, wanted: list[tuple[int, bytes, bytes]], nodes: _Nodes) -> None:
        stored = self._level(level, wanted[0][0], wanted[-1][0] + 1)
        for position, by_leaf, by_entry in wanted:
            node = stored.get(position)
            if node is None:
                nodes.missing.append((level, position))
                continue
            if node != by_leaf and len(nodes.by_leaf) < _LISTED:
                nodes.by_leaf.append((level, position))
            if node != by_entry and len(nodes.by_entry) < _LISTED:
                nodes.by_entry.append((level, position))

    def _report_nodes(self, nodes: _Nodes, check: LogCheck) -> None:
        wrong = nodes.by_leaf if check.leaves_are_right else nodes.by_entry
        if not check.decided:  # what lies above a wrong node is wrong as well, and says nothing new
            below = set(wrong)
            wrong = [(at, p) for at, p in wrong if not below & {(at - 1, 2 * p), (at - 1, 2 * p + 1)}]
        for level, position in wrong:
            first, last = (position << level) + 1, (position + 1) << level
            if check.lost is None or last < check.lost:
                place = f"node {level}/{position}"
                self._found.append(Finding(place, f"is not the root over entries {first} to {last}"))
        for level in sorted({level for level, _ in nodes.missing}):
            positions = sorted(position for at, position in nodes.missing if at == level)
            self._found += [Finding(f"node {level}/{place}", "is missing") for place in ranges(positions)]

    def _extra(self, size: int) -> None:
        outside = select(audit.c.seq).where(or_(audit.c.seq < 1, audit.c.seq > size)).order_by(audit.c.seq)
        seqs: Iterator[int] = self._connection.execute(outside.limit(_LISTED)).scalars()
        self._found += [Finding(place, "is not in the tree: inserted") for place in places(seqs, "entry")]
        level, position = audit_nodes.c.level, audit_nodes.c.position
        full = literal(size).op(">>")(level)
        beyond = select(level, position).where(or_(level < 0, position < 0, position >= full)).limit(_LISTED)
        for at, where in self._connection.execute(beyond):
            self._found.append(Finding(f"node {at}/{where}", "is not part of the tree"))
