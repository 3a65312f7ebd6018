"""Appending to the log: what is stored, what fails, and how much it costs."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from facematch.errors import AuditError, AuditTampered, DatabaseCorrupt, InvalidArgument, KeyUnavailable
from facematch.governance import AuditAction
from facematch.governance.audit.verifier import EMPTY_ROOT, leaf_hash, root_of
from facematch.governance.keys.envelope import new_key, seal, unseal
from facematch.storage.audit_log import AuditLog, TableAuditWriter
from tests.examples import scaled
from tests.integration.watchlist.audit_support import KEY, STRANGER, Log, PlainAccess, record
from tests.unit.watchlist.support import AUTHORIZATION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w.db"


def test_an_empty_log_verifies(path: Path) -> None:
    log = Log(path)
    result = log.log.verify()
    assert (result.size, result.root, result.findings) == (0, EMPTY_ROOT, ())
    assert (len(log.log), log.log.entries(), log.log.checkpoints()) == (0, [], [])
    assert log.fill(0) == range(0)
    assert log.value("SELECT count(*) FROM audit_head") == 0


def test_the_root_is_that_of_the_entries_however_they_came(path: Path) -> None:
    log = Log(path)
    seqs = [*log.fill(3), *log.fill(1, 3), *log.fill(4, 4)]
    with log.writer() as writer:
        seqs += [writer.append(record(8)), writer.append(record(9))]
    entries = log.log.entries()
    assert seqs == [entry.seq for entry in entries] == list(range(1, 11))
    assert [entry.details["probes"] for entry in entries] == list(range(10))
    result = log.log.verify()
    assert result.findings == ()
    assert result.root == root_of(leaf_hash(entry.canonical()) for entry in entries)
    assert result.root.hex() == log.value("SELECT hex(root) FROM audit_head").lower()
    assert len({entry.nonce for entry in entries}) == 10
    assert {len(entry.nonce) for entry in entries} == {32}


@settings(max_examples=scaled(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 40), max_size=6))
def test_a_log_that_nobody_touched_has_no_findings(tmp_path: Path, batches: list[int]) -> None:
    log = Log(tmp_path / f"{secrets.token_hex(8)}.db")
    for size in batches:
        log.fill(size)
    result = log.log.verify()
    assert (result.size, result.findings) == (sum(batches), ())
    assert [log.log.prove(seq).verify(result.root) for seq in range(1, result.size + 1)] == [True] * result.size


def test_a_batch_costs_a_small_constant_number_of_statements(path: Path) -> None:
    log = Log(path, 1023)
    seen: list[str] = []
    event.listen(log.database._engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
    log.fill(1000)
    assert len([sql for sql in seen if not sql.startswith(("BEGIN", "PRAGMA"))]) <= 7
    reads = [sql for sql in seen if "FROM audit_nodes" in sql]
    assert [sql.count("level = ?") for sql in reads] == [10]  # 1023 has ten bits
    with log.database.read() as connection:
        plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + reads[0], (0, 0) * 10).all()
    assert not [row for row in plan if "SCAN" in str(row)]


def test_a_checkpoint_is_made_whenever_a_thousand_entries_are_full(path: Path) -> None:
    log = Log(path, 999)
    assert log.log.checkpoints() == []
    log.fill(1)
    log.fill(998)
    log.fill(2001)
    made = log.log.checkpoints()
    assert [(checkpoint.number, checkpoint.size) for checkpoint in made] == [(1, 1000), (2, 3999)]
    log.fill(1)
    assert [checkpoint.size for checkpoint in log.log.checkpoints()] == [1000, 3999, 4000]
    assert [checkpoint.signed_by([KEY.public_key]) for checkpoint in made] == [True, True]
    assert log.log.verify(made[1]).findings == ()


def test_a_checkpoint_covers_the_entry_that_names_it(path: Path) -> None:
    log = Log(path, 4)
    made = log.log.checkpoint()
    last = log.log.entries(limit=1)[0]
    assert (made.size, made.number, made.time) == (5, 1, log.now)
    assert (last.action, last.actor, last.details) == ("checkpoint", "rita", {"checkpoint": 1})
    assert log.log.verify(made.note).with_outside_checkpoint
    assert log.log.verify(made.note).findings == ()
    assert log.log.verify().root == made.root


def test_proofs_hold_against_checkpoints(path: Path) -> None:
    log = Log(path, 5)
    old = log.log.checkpoint()
    log.fill(7)
    new = log.log.checkpoint()
    assert log.log.consistency(old.size).verify(old.root, new.root)
    assert log.log.prove(3).verify(new.root)
    assert not log.log.prove(3).verify(old.root)
    for seq in (0, -1, 15):
        with pytest.raises(InvalidArgument, match="no audit entry"):
            log.log.prove(seq)
    with pytest.raises(InvalidArgument, match="none of size 15"):
        log.log.consistency(15)


def test_every_earlier_root_can_be_had(path: Path) -> None:
    log = Log(path, 21)
    leaves = [leaf_hash(entry.canonical()) for entry in log.log.entries()]
    assert [log.root_at(size) for size in range(22)] == [root_of(leaves[:size]) for size in range(22)]
    with pytest.raises(InvalidArgument, match="none of size 22"):
        log.root_at(22)


@pytest.mark.parametrize("statement", ["UPDATE audit_nodes SET hash = zeroblob(32)", "DELETE FROM audit_nodes"])
def test_no_earlier_root_comes_from_a_tree_that_was_tampered_with(path: Path, statement: str) -> None:
    log = Log(path, 21)
    log.sql(f"{statement} WHERE level = 2 AND position = 2")
    with pytest.raises(AuditTampered):
        log.root_at(12)
    with pytest.raises(AuditTampered):
        log.log.consistency(12)


def test_an_empty_log_has_nothing_to_prove(path: Path) -> None:
    with pytest.raises(InvalidArgument, match="empty"):
        Log(path).log.prove(1)


def test_entries_can_be_asked_for_in_parts(path: Path) -> None:
    log = Log(path, 3)
    with log.writer() as writer:
        writer.append_many([record(3, subject_ref="r1"), record(4, subject_ref="r2"), record(5, subject_ref="r1")])

    def seqs(**options: Any) -> list[int]:
        return [entry.seq for entry in log.log.entries(**options)]

    assert seqs() == [1, 2, 3, 4, 5, 6]
    assert seqs(limit=2) == [5, 6]
    assert seqs(limit=0) == []
    assert seqs(since_seq=5) == [5, 6]
    assert seqs(subject_ref="r1") == [4, 6]
    assert seqs(subject_ref="r1", since_seq=5, limit=1) == [6]
    assert len(log.log) == 6
    with pytest.raises(InvalidArgument):
        seqs(limit=-1)


def test_private_fields_are_sealed_and_gone_with_the_key(path: Path) -> None:
    log, keys = Log(path), {"r1": new_key()}
    with log.database.write(AUTHORIZATION) as connection:
        writer = TableAuditWriter(connection, KEY, lambda ref, plain, bound: seal(keys[ref], plain, bound))
        writer.append(record(0, subject_ref="r1", private={"reason": "asked in person"}))
    entry = log.log.entries()[0]

    def opened(ref: str, sealed: bytes, bound: bytes) -> bytes:
        return unseal(keys[ref], sealed, bound, what="an audit entry")

    assert entry.private(opened) == {"reason": "asked in person"}
    assert "in person" not in str(entry.to_dict())
    assert b"in person" not in path.read_bytes()
    keys["r1"] = new_key()
    with pytest.raises(KeyUnavailable):
        entry.private(opened)
    assert log.log.verify().findings == ()


@pytest.mark.parametrize(
    "bad",
    [
        record(0, private={"reason": "x"}),
        record(0, private={"reason": "x"}, subject_ref="r1"),
        record(0, details={"x": float("nan")}),
        record(0, details={"x": 2**60}),
        record(0, details={"x": b"bytes"}),
        record(0, details={"x": "\ud800"}),
        record(0, subject_ref="\ud800"),
    ],
)
def test_what_cannot_be_written_fails_the_whole_transaction(path: Path, bad: Any) -> None:
    log = Log(path, 2)
    before = log.log.verify()

    def write() -> None:
        with log.writer() as writer:
            writer.append(record(3))
            writer.append_many([record(4), bad, record(5)])

    with pytest.raises(AuditError) as caught:
        write()
    assert caught.value.code == "audit_failed"
    assert log.log.verify() == before
    assert len(log.log) == 2


def test_a_time_without_a_zone_is_refused(path: Path) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the point
    with pytest.raises(AuditError, match="no timezone"), Log(path).writer() as writer:
        writer.append(type(record(0))(naive, "ana", AuditAction.ENROLL, record(0).outcome))


@pytest.mark.parametrize("table", ["audit", "audit_nodes", "audit_checkpoints"])
def test_a_failure_of_the_database_leaves_nothing(path: Path, table: str) -> None:
    log = Log(path, 998)
    log.sql(f"CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no more'); END")
    with pytest.raises(AuditError, match="no more"):
        log.fill(5)
    assert (len(log.log), log.log.checkpoints()) == (998, [])
    assert log.log.verify().findings == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_head SET size = 4, root = (SELECT hash FROM audit_nodes WHERE level = 2)",
        "UPDATE audit_head SET root = zeroblob(32)",
        "UPDATE audit_head SET signature = zeroblob(64)",
        "UPDATE audit_head SET key_id = 'x'",
        "UPDATE audit_head SET pruned = 1",
        "UPDATE audit_head SET size = 'x'",
        "UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 2",
        "UPDATE audit_nodes SET hash = zeroblob(3) WHERE level = 2",
        "DELETE FROM audit_nodes WHERE level = 2",
        "DELETE FROM audit_head",
    ],
)
def test_nothing_is_added_to_a_log_whose_end_was_tampered_with(path: Path, statement: str) -> None:
    log = Log(path, 5)
    log.sql(statement)
    with pytest.raises(AuditTampered):
        log.fill(1)
    assert log.value("SELECT count(*) FROM audit") == 5


def test_another_key_cannot_go_on_with_the_log(path: Path) -> None:
    log = Log(path, 5)
    with pytest.raises(AuditTampered, match=STRANGER.key_id), log.writer(STRANGER) as writer:
        writer.append(record(6))


def test_a_key_hands_over_to_the_next(path: Path) -> None:
    log = Log(path, 1000)
    old = log.log.checkpoint()
    with log.writer() as writer:
        writer.hand_over(record(6), STRANGER)
        writer.append(record(7))
    assert log.log.entries(since_seq=1002)[0].details["public_key"] == STRANGER.public_key.hex()
    with log.writer(STRANGER) as writer:
        writer.append(record(8))
    renewed = AuditLog(PlainAccess(log.database, lambda: log.now), STRANGER)
    assert renewed.verify(old).findings == ()
    assert log.places() == {"head", f"key {STRANGER.key_id}"}
    with pytest.raises(AuditTampered):
        log.fill(1)


def test_a_key_that_is_filed_with_other_bytes_is_refused(path: Path) -> None:
    log = Log(path)
    log.sql(f"INSERT INTO signing_keys VALUES ('{KEY.key_id}', zeroblob(32), 0, NULL)")
    with pytest.raises(AuditTampered, match="another public key"):
        log.fill(1)


def test_the_tables_are_append_only_for_everybody(path: Path) -> None:
    log = Log(path, 1000)
    statements = [
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit WHERE seq = 1",
        "UPDATE audit_nodes SET hash = zeroblob(32)",
        "DELETE FROM audit_nodes",
        "UPDATE audit_checkpoints SET note = ''",
        "DELETE FROM audit_checkpoints",
        "DELETE FROM audit_head",
        "DELETE FROM signing_keys",
    ]
    refused = []
    for statement in statements:
        with pytest.raises(DatabaseCorrupt, match="append-only"), log.database.write(AUTHORIZATION) as connection:
            connection.exec_driver_sql(statement)
        refused.append(statement)
    assert refused == statements
    assert log.log.verify().findings == ()


def test_threads_append_one_after_the_other(path: Path) -> None:
    log = Log(path)
    results: list[range] = []

    def work() -> None:
        own = Log(path)
        results.extend(own.fill(3) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(seq for batch in results for seq in batch) == list(range(1, 241))
    assert log.log.verify().findings == ()


def test_a_damaged_entry_is_not_read_and_not_proved(path: Path) -> None:
    log = Log(path, 3)
    log.sql("UPDATE audit SET details = '{' WHERE seq = 2")
    with pytest.raises(DatabaseCorrupt):
        log.log.entries()
    with pytest.raises(AuditTampered, match="entry 2"):
        log.log.prove(2)
    assert log.log.prove(1).verify(log.log.verify().root)


@pytest.mark.parametrize("ask", [lambda log: log.prove(1), lambda log: log.consistency(1)])
def test_nothing_is_proved_under_a_head_that_is_not_genuine(path: Path, ask: Callable[[AuditLog], Any]) -> None:
    log = Log(path, 3)
    log.sql("UPDATE audit_head SET signature = zeroblob(64)")
    with pytest.raises(AuditTampered, match="head"):
        ask(log.log)


def test_a_damaged_checkpoint_is_not_read(path: Path) -> None:
    log = Log(path, 1000)
    log.sql("UPDATE audit_checkpoints SET note = 'x'")
    with pytest.raises(AuditTampered, match="checkpoint"):
        log.log.checkpoints()


def test_the_clock_is_asked_for_the_time_of_a_checkpoint(path: Path) -> None:
    log = Log(path, 1)
    log.now += timedelta(days=1)
    assert log.log.checkpoint().time == log.now
