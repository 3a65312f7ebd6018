"""Appending to the log: entries, nodes, the new signed head and due checkpoints, all in the caller's transaction."""

from __future__ import annotations

import base64
import dataclasses
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import rfc8785
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import DBAPIError

from facematch.errors import AuditError, AuditTampered, InvalidArgument
from facematch.governance.audit.checkpoint import DEFAULT_ORIGIN, AuditSigner, sign_checkpoint, sign_head
from facematch.governance.audit.entries import AuditRecord, Sealer, canonical_json, compose, sealed_binding
from facematch.governance.audit.verifier import AUTO_CHECKPOINT, EMPTY_ROOT, Checkpoint, CompactRange, leaf_hash
from facematch.governance.time import to_microseconds, to_utc
from facematch.storage.audit_log.state import TAMPERED_HINT, is_untouched, public_keys, read_head, read_tree
from facematch.storage.schema import audit_checkpoints, audit_head, signing_keys

__all__ = ["TableAuditWriter"]

_INSERT_ENTRY = (
    "INSERT INTO audit (seq, time, actor, action, outcome, subject_ref, details, sealed, nonce) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_NODE = "INSERT INTO audit_nodes (level, position, hash) VALUES (?, ?, ?)"
_UPDATE_HEAD = "UPDATE audit_head SET size = ?, root = ?, pruned = ?, key_id = ?, signature = ?"


class TableAuditWriter:
    """Appends entries inside one transaction: an entry commits together with what it records, or neither does.

    It keeps no state: every call reads the head, refuses to build on one that is not what was signed, and leaves a new
    signed head. Whoever cuts off the end of the log with SQL cannot sign the shorter one.

    Args:
        connection: A connection in a write transaction.
        signer: The log's key.
        seal: Encrypts what is personal; without it, records with private fields are refused.
        origin: Name of the log in its signatures.
    """

    def __init__(
        self,
        connection: Connection,
        signer: AuditSigner,
        seal: Sealer | None = None,
        *,
        origin: str = DEFAULT_ORIGIN,
    ) -> None:
        self._connection = connection
        self._signer = signer
        self._seal = seal
        self._origin = origin

    def append(self, record: AuditRecord) -> int:
        """Append one entry and return its ``seq``.

        Raises:
            AuditError: It could not be written.
            AuditTampered: The end of the log is not what was signed.
        """
        return self.append_many([record])[0]

    def append_many(self, records: Iterable[AuditRecord]) -> range:
        """Append entries in order, with a small constant number of statements, and return their ``seq``.

        Raises:
            AuditError: They could not be written.
            AuditTampered: The end of the log is not what was signed.
        """
        batch = list(records)
        if not batch:
            return range(0)
        return self._write(batch)[0]

    def checkpoint(self, record: AuditRecord) -> Checkpoint:
        """Append an entry, and store a signed checkpoint that covers it; the entry's details name its number.

        Raises:
            AuditError: It could not be written.
            AuditTampered: The end of the log is not what was signed.
        """
        return self._write_with_checkpoint(record)

    def mark_pruned(self, record: AuditRecord, until_seq: int) -> Checkpoint:
        """Append an entry that says so, note in the head that entries up to ``until_seq`` go, and store a checkpoint.

        Raises:
            AuditError: It could not be written.
            AuditTampered: The end of the log is not what was signed.
        """
        details = {**record.details, "until_seq": until_seq}
        return self._write_with_checkpoint(dataclasses.replace(record, details=details), pruned=until_seq)

    def hand_over(self, record: AuditRecord, signer: AuditSigner) -> None:
        """Append an entry that names a new key, sign the head with that key, and go on with it.

        Raises:
            AuditError: It could not be written.
            AuditTampered: The end of the log is not what the old key signed.
        """
        details = {**record.details, "key_id": signer.key_id, "public_key": signer.public_key.hex()}
        self._write([dataclasses.replace(record, details=details)], signer=signer)
        self._signer = signer

    def _write_with_checkpoint(self, record: AuditRecord, *, pruned: int | None = None) -> Checkpoint:
        with _as_audit_error(record):
            number = self._next_checkpoint()
        details = {**record.details, "checkpoint": number}
        _, made = self._write([dataclasses.replace(record, details=details)], pruned=pruned, number=number)
        assert made is not None
        return made

    def _write(
        self,
        records: Sequence[AuditRecord],
        *,
        pruned: int | None = None,
        number: int | None = None,
        signer: AuditSigner | None = None,
    ) -> tuple[range, Checkpoint | None]:
        with _as_audit_error(records[0]):
            tree, kept = self._verified_tree(to_utc(records[0].time, "the time of an audit record"))
            old = tree.size
            rows, nodes = self._rows(records, tree)
            self._connection.exec_driver_sql(_INSERT_ENTRY, rows)
            self._connection.exec_driver_sql(_INSERT_NODE, nodes)
            by = self._signer if signer is None else signer
            self._sign(tree, kept if pruned is None else pruned, by, to_utc(records[-1].time, "time"))
            if number is None and old // AUTO_CHECKPOINT != tree.size // AUTO_CHECKPOINT:
                number = self._next_checkpoint()
            made = None if number is None else self._store_checkpoint(tree, number, records[-1].time)
        return range(old + 1, tree.size + 1), made

    def _verified_tree(self, now: datetime) -> tuple[CompactRange, int]:
        """The tree to append to, and the number of pruned entries."""
        head = read_head(self._connection)
        if head is None:
            if not is_untouched(self._connection):
                raise AuditTampered("the head of the audit log is missing", hint=TAMPERED_HINT)
            self._register(self._signer, now)
            first = {"id": 1, "size": 0, "root": EMPTY_ROOT, "pruned": 0, "key_id": "", "signature": b""}
            self._connection.execute(insert(audit_head).values(first))
            return CompactRange(), 0
        if head.key_id != self._signer.key_id or not head.signed_by(self._signer.public_key, self._origin):
            raise AuditTampered(
                f"the head of the audit log is not signed by the key {self._signer.key_id!r}", hint=TAMPERED_HINT
            )
        tree = read_tree(self._connection, head.size)
        if tree.root() != head.root:
            raise AuditTampered("the nodes of the audit log do not give the root in its head", hint=TAMPERED_HINT)
        return tree, head.pruned

    def _rows(
        self, records: Sequence[AuditRecord], tree: CompactRange
    ) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """The rows of entries and nodes; ``tree`` grows by them."""
        rows: list[tuple[Any, ...]] = []
        nodes: list[tuple[Any, ...]] = []
        randomness = secrets.token_hex(16 * len(records))
        for number, record in enumerate(records):
            seq = tree.size + 1
            nonce = randomness[32 * number : 32 * number + 32]
            time = to_utc(record.time, "the time of an audit record")
            actor, action, outcome, subject = (
                record.actor,
                record.action.value,
                record.outcome.value,
                record.subject_ref,
            )
            details = canonical_json(dict(record.details))
            sealed = self._sealed(record, seq, nonce)
            entry = compose(
                seq=seq,
                time=time,
                actor=actor,
                action=action,
                outcome=outcome,
                subject_ref=subject,
                details=details,
                sealed=sealed,
                nonce=nonce,
            )
            rows.append((seq, to_microseconds(time), actor, action, outcome, subject, details, sealed, nonce))
            nodes += tree.append(leaf_hash(entry))
        return rows, nodes

    def _sealed(self, record: AuditRecord, seq: int, nonce: str) -> str | None:
        if not record.private:
            return None
        if self._seal is None or record.subject_ref is None:
            raise InvalidArgument(
                "an audit record with private fields needs a subject and a log that can seal",
                hint="pass subject_ref, and give the writer seal=",
            )
        plain = canonical_json(dict(record.private)).encode()
        return base64.b64encode(self._seal(record.subject_ref, plain, sealed_binding(seq, nonce))).decode()

    def _sign(self, tree: CompactRange, pruned: int, signer: AuditSigner, now: datetime) -> None:
        if signer is not self._signer:
            self._register(signer, now)
        root = tree.root()
        signature = sign_head(signer, origin=self._origin, size=tree.size, root=root, pruned=pruned)
        self._connection.exec_driver_sql(_UPDATE_HEAD, (tree.size, root, pruned, signer.key_id, signature))

    def _register(self, signer: AuditSigner, now: datetime) -> None:
        known = public_keys(self._connection).get(signer.key_id)
        if known is None:
            row = {"key_id": signer.key_id, "public_key": signer.public_key, "created_at": to_microseconds(now)}
            self._connection.execute(insert(signing_keys).values(row))
        elif known != signer.public_key:
            raise AuditTampered(f"the key {signer.key_id!r} is filed with another public key", hint=TAMPERED_HINT)

    def _next_checkpoint(self) -> int:
        return (
            int(self._connection.execute(select(func.coalesce(func.max(audit_checkpoints.c.id), 0))).scalar_one()) + 1
        )

    def _store_checkpoint(self, tree: CompactRange, number: int, time: datetime) -> Checkpoint:
        made = sign_checkpoint(
            self._signer, origin=self._origin, size=tree.size, root=tree.root(), time=time, number=number
        )
        row = {"id": number, "size": made.size, "created_at": to_microseconds(made.time), "note": made.note}
        self._connection.execute(insert(audit_checkpoints).values(row))
        return made


@contextmanager
def _as_audit_error(record: AuditRecord) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, rfc8785.CanonicalizationError, UnicodeError, RecursionError, InvalidArgument) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise AuditError(
            f"the audit entry of {record.action.value!r} could not be written, so nothing was done: {reason}",
            hint="check the disk and the database file; the operation may be repeated",
        ) from error
