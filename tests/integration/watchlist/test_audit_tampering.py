"""Whoever can write the database file tampers with it; the verification names the place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from facematch.governance import AuditAction, to_microseconds
from facematch.governance.audit.checkpoint import DEFAULT_ORIGIN, sign_checkpoint, sign_head
from facematch.governance.audit.verifier import EMPTY_ROOT, CompactRange, leaf_hash
from facematch.storage.audit_log import AuditLog
from facematch.storage.audit_log.verify import canonical_row
from facematch.storage.schema import audit
from tests.integration.watchlist.audit_support import KEY, START, STRANGER, Log, PlainAccess, copied, record
from tests.unit.watchlist.support import AUTHORIZATION

SIZE = 2100
ALL = "time, actor, action, outcome, subject_ref, details, sealed, nonce"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2100 entries with two automatic checkpoints (1000, 2000) and a third one by hand over entry 2101."""
    log = Log(tmp_path_factory.mktemp("log") / "w.db")
    for first in range(0, 2000, 1000):
        log.fill(1000, first)
    log.fill(100, 2000)
    log.log.checkpoint()
    log.database.close()
    return log.path


@pytest.fixture
def log(filled: Path, tmp_path: Path) -> Log:
    return copied(filled, tmp_path / "w.db")


def renumber(after: int, by: int) -> list[str]:
    """Shift the numbers of all later entries."""
    return [
        f"UPDATE audit SET seq = -seq WHERE seq > {after}",
        f"UPDATE audit SET seq = {by} - seq WHERE seq < 0",
    ]


def insert(seq: int) -> str:
    return f"INSERT INTO audit VALUES ({seq}, 20, 'x', 'erase', 'done', NULL, '{{}}', NULL, 'n')"


CHANGED = "is not what was written"
EDITS: dict[str, tuple[list[str], set[str]]] = {
    "actor": (["UPDATE audit SET actor = 'x' WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "action": (["UPDATE audit SET action = 'erase' WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "outcome": (["UPDATE audit SET outcome = 'failed' WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "details": (["UPDATE audit SET details = '{}' WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "a space in the details": (["UPDATE audit SET details = details || ' ' WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "time": (["UPDATE audit SET time = time + 1 WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "subject": (["UPDATE audit SET subject_ref = 'x' WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "sealed": (["UPDATE audit SET sealed = 'x' WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "nonce": (["UPDATE audit SET nonce = 'x' WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "a type": (["UPDATE audit SET details = x'00' WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "a type that may be null": (["UPDATE audit SET sealed = x'00' WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "a time beyond dates": (["UPDATE audit SET time = 9e18 WHERE seq = 7"], {f"entry 7: {CHANGED}"}),
    "several": (
        ["UPDATE audit SET actor = 'x' WHERE seq IN (7, 8, 9, 1500, 2100)"],
        {f"entry 7 to 9: {CHANGED}", f"entry 1500: {CHANGED}", f"entry 2100: {CHANGED}"},
    ),
    "one missing": (["DELETE FROM audit WHERE seq = 7"], {"entry 7: is missing"}),
    "the first missing": (["DELETE FROM audit WHERE seq = 1"], {"entry 1: is missing"}),
    "some missing": (["DELETE FROM audit WHERE seq BETWEEN 7 AND 1200"], {"entry 7 to 1200: is missing"}),
    "the last missing": (["DELETE FROM audit WHERE seq = 2101"], {"entry 2101: is missing"}),
    "the end cut off": (
        ["DELETE FROM audit WHERE seq > 2050", "DELETE FROM audit_nodes WHERE level = 0 AND position >= 2050"],
        {
            "entry 2051 to 2101: is missing",
            "entry 2051 to 2101: has no leaf hash in the tree",
        },
    ),
    "one more at the end": ([insert(2102)], {"entry 2102: is not in the tree: inserted"}),
    "one before the first": ([insert(0), insert(-5)], {f"entry {n}: is not in the tree: inserted" for n in (-5, 0)}),
    "swapped": (
        [f"UPDATE audit SET seq = {to} WHERE seq = {at}" for at, to in ((5, -5), (9, 5), (-5, 9))],
        {
            "entry 5: is what was written as entry 9: reordered",
            "entry 9: is what was written as entry 5: reordered",
        },
    ),
    "contents swapped": (
        [
            "CREATE TEMP TABLE old AS SELECT * FROM audit WHERE seq IN (5, 9)",
            f"UPDATE audit SET ({ALL}) = (SELECT {ALL} FROM old WHERE old.seq = 14 - audit.seq) WHERE seq IN (5, 9)",
        ],
        {
            "entry 5: is what was written as entry 9: reordered",
            "entry 9: is what was written as entry 5: reordered",
        },
    ),
    "one taken out and the others moved up": (
        ["DELETE FROM audit WHERE seq = 2090", *renumber(2090, -1)],
        {
            "entry 2101: is missing",
            "entry 2090: what was written here is gone",
            *(f"entry {seq}: is what was written as entry {seq + 1}: reordered" for seq in range(2090, 2101)),
        },
    ),
    "one put in and the others moved down": (
        [*renumber(2090, 1), insert(2091)],
        {
            f"entry 2091: {CHANGED}",
            "entry 2102: is not in the tree: inserted",
            *(f"entry {seq}: is what was written as entry {seq - 1}: reordered" for seq in range(2092, 2102)),
            "entry 2101: what was written here is gone",
        },
    ),
    "a changed leaf": (
        ["UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 0 AND position = 6"],
        {"node 0/6: is not the leaf hash of entry 7"},
    ),
    "a missing leaf": (
        ["DELETE FROM audit_nodes WHERE level = 0 AND position = 6"],
        {"entry 7: has no leaf hash in the tree"},
    ),
    "a short leaf": (
        ["UPDATE audit_nodes SET hash = x'00' WHERE level = 0 AND position = 6"],
        {"entry 7: has no leaf hash in the tree"},
    ),
    "a changed node": (
        ["UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 3 AND position = 5"],
        {"node 3/5: is not the root over entries 41 to 48"},
    ),
    "a missing node": (
        ["DELETE FROM audit_nodes WHERE level = 3 AND position = 5"],
        {"node 3/5: is missing"},
    ),
    "extra nodes": (
        [
            "INSERT INTO audit_nodes VALUES (0, 2101, zeroblob(32))",
            "INSERT INTO audit_nodes VALUES (12, 0, zeroblob(32))",
            "INSERT INTO audit_nodes VALUES (-1, 0, zeroblob(32))",
            "INSERT INTO audit_nodes VALUES (3, -1, zeroblob(32))",
        ],
        {f"node {place}: is not part of the tree" for place in ("0/2101", "12/0", "-1/0", "3/-1")},
    ),
    "a changed checkpoint": (
        ["UPDATE audit_checkpoints SET note = replace(note, 'number 2', 'number 4') WHERE id = 2"],
        {"checkpoint 2: is not signed by a key of this log"},
    ),
    "a damaged checkpoint": (
        ["UPDATE audit_checkpoints SET note = 'x' WHERE id = 2"],
        {"checkpoint 2: is damaged"},
    ),
    "another size of a checkpoint": (
        ["UPDATE audit_checkpoints SET size = 1 WHERE id = 2"],
        {"checkpoint 2: is filed with another size or time"},
    ),
    "another time of a checkpoint": (
        ["UPDATE audit_checkpoints SET created_at = 1 WHERE id = 2"],
        {"checkpoint 2: is filed with another size or time"},
    ),
    "a missing checkpoint": (["DELETE FROM audit_checkpoints WHERE id = 1"], {"checkpoint 1: is missing"}),
    "the last checkpoint missing": (
        ["DELETE FROM audit_checkpoints WHERE id = 3"],
        {"checkpoint 3: is missing; entry 2101 says it was made"},
    ),
    "all checkpoints missing": (
        ["DELETE FROM audit_checkpoints"],
        {
            "checkpoint 3: is missing; entry 2101 says it was made",
            "checkpoints: none covers 2000 entries, although one was due",
        },
    ),
    "a checkpoint under another number": (
        ["UPDATE audit_checkpoints SET id = 9 WHERE id = 3"],
        {"checkpoint 9: was made as checkpoint 3", "checkpoint 3 to 8: is missing"},
    ),
    "a root in the head": (
        ["UPDATE audit_head SET root = zeroblob(32)"],
        {"head: is not signed by the key of this log"},
    ),
    "a signature": (
        ["UPDATE audit_head SET signature = zeroblob(64)"],
        {"head: is not signed by the key of this log"},
    ),
    "a key in the head": (["UPDATE audit_head SET key_id = 'x'"], {"key x: is missing"}),
    "a damaged head": (["UPDATE audit_head SET root = 'x'"], {"head: is damaged"}),
    "no head": (["DELETE FROM audit_head"], {"head: is missing"}),
    "no key": (["DELETE FROM signing_keys"], {f"key {KEY.key_id}: is missing"}),
    "another key": (
        [f"UPDATE signing_keys SET public_key = x'{STRANGER.public_key.hex()}'"],
        {f"key {KEY.key_id}: is not the key of this log"},
    ),
    "pruned without a word": (
        ["DELETE FROM audit WHERE seq <= 7", "UPDATE audit_head SET pruned = 7"],
        {
            "head: is not signed by the key of this log",
            "entry 1 to 7: is gone, but no entry says that it was pruned",
        },
    ),
    "a size in the head that hides the end": (
        ["DELETE FROM audit WHERE seq > 2100", "UPDATE audit_head SET size = 2100"],
        {"head: is not signed by the key of this log", "entry 2101: is missing"},
    ),
    "a giant size in the head": (
        ["UPDATE audit_head SET size = 1000000000000000"],
        {"head: is not signed by the key of this log"},
    ),
    "an entry and its leaf": (
        ["DELETE FROM audit WHERE seq = 7", "DELETE FROM audit_nodes WHERE level = 0 AND position = 6"],
        {"entry 7: is missing", "entry 7: has no leaf hash in the tree"},
    ),
    "everything but the nodes above": (
        ["DELETE FROM audit", "DELETE FROM audit_nodes WHERE level = 0"],
        {"entry 1 to 2101: is missing", "entry 1 to 2101: has no leaf hash in the tree"},
    ),
}


@pytest.mark.parametrize("what", EDITS)
def test_tampering_is_found_and_its_place_is_named(log: Log, what: str) -> None:
    statements, expected = EDITS[what]
    assert log.findings() == set()
    log.sql(*statements)
    assert log.findings() == expected


def spoil_and_compute_anew(log: Log) -> CompactRange:
    """Change entry 7 and compute every node anew: all that is possible without the key."""
    log.sql("UPDATE audit SET actor = 'x' WHERE seq = 7", "DELETE FROM audit_nodes")
    tree = CompactRange()
    with log.database.write(AUTHORIZATION) as connection:
        rows = connection.execute(select(audit).order_by(audit.c.seq)).all()
        nodes = [node for row in rows for node in tree.append(leaf_hash(canonical_row(row) or b""))]
        connection.exec_driver_sql("INSERT INTO audit_nodes VALUES (?, ?, ?)", nodes)
    assert tree.size == SIZE + 1
    return tree


FORKED = {
    f"checkpoint {number}: has another root than the first {size} entries: the log was forked"
    for number, size in ((1, 1000), (2, 2000), (3, 2101))
}


def test_an_entry_with_its_leaf_changed_is_found_by_the_node_above(log: Log) -> None:
    log.sql("UPDATE audit SET actor = 'x' WHERE seq = 7")
    with log.database.write(AUTHORIZATION) as connection:
        row = connection.execute(select(audit).where(audit.c.seq == 7)).one()
        leaf = leaf_hash(canonical_row(row) or b"").hex()
    log.sql(f"UPDATE audit_nodes SET hash = x'{leaf}' WHERE level = 0 AND position = 6")
    assert log.findings() == {
        "node 1/3: is not the root over entries 7 to 8",
        "entry 1 to 1000: does not give the root that was signed",
        *FORKED,
    }


def test_a_tree_computed_anew_does_not_give_the_signed_root(log: Log) -> None:
    spoil_and_compute_anew(log)
    assert log.findings() == {"entry 1 to 1000: does not give the root that was signed", *FORKED}


def test_a_new_root_in_the_head_is_not_signed(log: Log) -> None:
    tree = spoil_and_compute_anew(log)
    log.sql(f"UPDATE audit_head SET root = x'{tree.root().hex()}'")
    assert log.findings() == {
        "head: is not signed by the key of this log",
        "entry 1 to 1000: does not give the root that was signed",
        *FORKED,
    }


@pytest.mark.parametrize("name", [STRANGER.key_id, KEY.key_id])
def test_a_head_signed_by_another_key_is_refused_even_where_the_database_lists_that_key(log: Log, name: str) -> None:
    tree = spoil_and_compute_anew(log)
    signature = sign_head(STRANGER, origin=DEFAULT_ORIGIN, size=tree.size, root=tree.root(), pruned=0)
    log.sql(
        "DELETE FROM audit_checkpoints",
        f"UPDATE audit_head SET root = x'{tree.root().hex()}', key_id = '{name}', signature = x'{signature.hex()}'",
        f"INSERT OR REPLACE INTO signing_keys VALUES ('{name}', x'{STRANGER.public_key.hex()}', 0, NULL)",
    )
    assert log.findings() == {
        f"key {name}: is not the key of this log",
        "head: is not signed by the key of this log",
        "checkpoint 3: is missing; entry 2101 says it was made",
        "checkpoints: none covers 2000 entries, although one was due",
    }


def test_a_checkpoint_signed_by_a_key_that_was_put_in_says_nothing(log: Log) -> None:
    forged = sign_checkpoint(STRANGER, origin=DEFAULT_ORIGIN, size=5, root=EMPTY_ROOT, time=START, number=4)
    log.sql(
        f"INSERT INTO signing_keys VALUES ('x', x'{STRANGER.public_key.hex()}', 0, NULL)",
        f"INSERT INTO audit_checkpoints VALUES (4, 5, {to_microseconds(START)}, '{forged.note}')",
    )
    assert log.findings() == {"checkpoint 4: has another root than the first 5 entries: the log was forked"}


def copy(log: Log, path: Path) -> Path:
    """The database as it stands."""
    with closing(sqlite3.connect(log.path)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return path


def test_an_older_state_put_back_is_found_by_an_outside_checkpoint_only(log: Log, tmp_path: Path) -> None:
    older = copy(log, tmp_path / "older.db")
    log.fill(50, 2200)
    outside = log.log.checkpoint()
    again = Log(older)
    assert again.findings() == set()
    assert again.findings(outside.note) == {
        "outside checkpoint: covers 2152 entries, the log has 2101: its end was cut off"
    }


def test_a_fork_is_found_by_an_outside_checkpoint_only(log: Log, tmp_path: Path) -> None:
    other = Log(copy(log, tmp_path / "fork.db"))
    log.fill(5, 2300)
    other.fill(5, 2400)
    outside = log.log.checkpoint()
    other.log.checkpoint()
    assert other.findings() == set()
    assert other.findings(outside.note) == {
        "outside checkpoint: has another root than the first 2107 entries: the log was forked"
    }
    other.fill(5, 2500)
    assert other.findings(outside.note) == {
        "outside checkpoint: has another root than the first 2107 entries: the log was forked"
    }
    assert log.findings(outside.note) == set()


def test_an_outside_checkpoint_must_be_genuine(log: Log) -> None:
    forged = sign_checkpoint(STRANGER, origin=DEFAULT_ORIGIN, size=5, root=EMPTY_ROOT, time=START, number=1)
    foreign = sign_checkpoint(KEY, origin="other/log", size=5, root=EMPTY_ROOT, time=START, number=1)
    refused = {"outside checkpoint: is not signed by a key of this log"}
    assert log.findings(forged.note) == log.findings(foreign.note) == refused
    assert log.findings("x") == {"outside checkpoint: is not a checkpoint of an audit log"}


def test_an_outside_checkpoint_of_a_log_that_was_emptied(tmp_path: Path, log: Log) -> None:
    outside = log.log.checkpoint()
    empty = Log(tmp_path / "empty.db")
    assert empty.findings() == set()
    assert empty.findings(outside.note) == {
        "outside checkpoint: covers 2102 entries, the log has 0: its end was cut off"
    }


def test_a_log_of_another_name_does_not_verify(log: Log) -> None:
    renamed = AuditLog(PlainAccess(log.database, lambda: log.now), KEY, origin="other/log").verify()
    assert {finding.place for finding in renamed.findings} >= {"head", "checkpoint 1", "checkpoint 2", "checkpoint 3"}


def test_thousands_of_findings_are_counted_and_not_listed(log: Log) -> None:
    log.sql("UPDATE audit SET actor = 'x' WHERE seq % 2 = 1")
    findings = log.log.verify().findings
    assert (len(findings), str(findings[-1])) == (201, "log: 851 more findings are not listed")


def test_an_entry_that_says_more_was_pruned_than_was_is_found(log: Log) -> None:
    with log.writer() as writer:
        writer.append(record(9, action=AuditAction.PRUNE_AUDIT, details={"until_seq": 9}))
    assert log.findings() == {"head: says 0 entries were pruned; an entry says 9"}
