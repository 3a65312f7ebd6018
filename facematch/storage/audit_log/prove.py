"""Inclusion and consistency proofs of the log in the database, checked against its signed head."""

from __future__ import annotations

from sqlalchemy import Connection, select

from facematch.errors import AuditTampered, InvalidArgument
from facematch.governance.audit.merkle import consistency_path, inclusion_path
from facematch.governance.audit.proofs import ConsistencyProof, InclusionProof
from facematch.storage.audit_log.state import TAMPERED_HINT, Head, node_getter, read_head, read_tree
from facematch.storage.audit_log.verify import canonical_row
from facematch.storage.schema import audit

__all__ = ["prove_consistency", "prove_inclusion", "signed_head"]


def signed_head(connection: Connection, *, public_key: bytes, origin: str) -> Head:
    """The head of the log.

    Raises:
        InvalidArgument: The log is empty.
        AuditTampered: The head is not signed by the log's key.
    """
    head = read_head(connection)
    if head is None:
        raise InvalidArgument("the audit log is empty", hint="it begins with the first call of the watchlist")
    if not head.signed_by(public_key, origin):
        raise AuditTampered("the head of the audit log is not signed by its key", hint=TAMPERED_HINT)
    return head


def prove_inclusion(connection: Connection, seq: int, *, public_key: bytes, origin: str) -> InclusionProof:
    """The proof that an entry is in the log as it stands now.

    Args:
        connection: A transaction.
        seq: Number of the entry, from 1.
        public_key: The log's key, from a source that does not lie in the database.
        origin: Name of the log in its signatures.

    Raises:
        InvalidArgument: There is no such entry, or its content was pruned.
        AuditTampered: The proof does not hold: the entry or the tree is not what was signed.
    """
    head = signed_head(connection, public_key=public_key, origin=origin)
    if not head.pruned < seq <= head.size:
        raise InvalidArgument(
            f"there is no audit entry {seq}: the log has {head.pruned + 1} to {head.size}",
            hint="entries() lists what is there",
        )
    row = connection.execute(select(audit).where(audit.c.seq == seq)).one_or_none()
    entry = None if row is None else canonical_row(row)
    path = inclusion_path(seq - 1, head.size, node_getter(connection))
    proof = InclusionProof(seq, head.size, tuple(path), entry or b"")
    if not proof.verify(head.root):
        raise AuditTampered(f"audit entry {seq} is not what was signed", hint=TAMPERED_HINT)
    return proof


def prove_consistency(
    connection: Connection, size: int, *, public_key: bytes, origin: str
) -> tuple[ConsistencyProof, bytes]:
    """The proof that the log begins with its first ``size`` entries, and the root over these, 32 bytes.

    Args:
        connection: A transaction.
        size: Size of the earlier log.
        public_key: The log's key, from a source that does not lie in the database.
        origin: Name of the log in its signatures.

    Raises:
        InvalidArgument: The log was never of that size.
        AuditTampered: The proof does not hold: the tree is not what was signed.
    """
    head = signed_head(connection, public_key=public_key, origin=origin)
    if not 0 <= size <= head.size:
        raise InvalidArgument(
            f"the log has {head.size} entries, so none of size {size} came before",
            hint="a checkpoint with more entries than the log says that its end was cut off: run verify()",
        )
    path = consistency_path(size, head.size, node_getter(connection))
    root = read_tree(connection, size).root()
    proof = ConsistencyProof(size, head.size, tuple(path))
    if not proof.verify(root, head.root):
        raise AuditTampered(f"the tree over the first {size} audit entries is not what was signed", hint=TAMPERED_HINT)
    return proof, root
