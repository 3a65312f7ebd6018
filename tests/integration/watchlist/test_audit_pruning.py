"""Old entries lose their content and the log still verifies."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from facematch.errors import AuditTampered, InvalidArgument
from facematch.governance.audit.checkpoint import DEFAULT_ORIGIN, sign_head
from facematch.storage.audit_log import MIN_KEEP
from tests.integration.watchlist.audit_support import KEY, START, Log, record


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """100 entries, one a minute; the clock stands a year later."""
    return Log(tmp_path / "w.db", 100)


def test_the_content_goes_and_the_hashes_stay(log: Log) -> None:
    before = log.log.prove(50)
    old = log.log.checkpoint()
    assert log.prune(40) == 40
    assert [entry.seq for entry in log.log.entries()] == list(range(41, 103))
    last = log.log.entries(limit=1)[0]
    assert (last.action, last.actor, last.details["until_seq"], last.details["entries"]) == (
        "prune_audit",
        "rita",
        40,
        40,
    )
    assert log.log.checkpoints()[-1].size == last.seq == len(log.log) == 102
    assert log.log.verify(old).findings == ()
    assert before.verify(log.value("SELECT root FROM audit_head")) is False
    assert log.log.prove(50).entry == before.entry
    assert log.value("SELECT count(*) FROM audit_nodes WHERE level = 0") == 102
    with pytest.raises(InvalidArgument, match="the log has 41 to 102"):
        log.log.prove(40)


def test_it_can_be_done_again_and_again(log: Log) -> None:
    assert [log.prune(minutes) for minutes in (10, 10, 5, 30, 0, 99, 1000)] == [10, 0, 0, 20, 0, 69, 1]
    assert log.log.entries()[0].seq == 101
    assert log.log.verify().findings == ()
    log.fill(3, 10**6)
    assert log.log.verify().findings == ()


def test_only_the_unbroken_run_at_the_beginning_goes(log: Log) -> None:
    with log.writer() as writer:
        writer.append_many([record(10**6), record(5)])  # a clock that went back
    assert log.prune(10**5) == 100
    assert [entry.seq for entry in log.log.entries()] == [101, 102, 103]


def test_entries_are_kept_for_half_a_year(log: Log) -> None:
    log.now = START + MIN_KEEP + timedelta(minutes=50)
    with pytest.raises(InvalidArgument, match="at least 183 days"):
        log.prune(51)
    assert len(log.log.entries()) == 100
    assert log.prune(50) == 50


def test_a_changed_entry_stays_as_evidence(log: Log) -> None:
    log.sql("UPDATE audit SET actor = 'x' WHERE seq = 7")
    with pytest.raises(AuditTampered, match="entries 1 to 40"):
        log.prune(40)
    assert log.value("SELECT count(*) FROM audit") == 100
    assert log.prune(6) == 6
    assert log.findings() == {"entry 7: is not what was written"}


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit WHERE seq = 7",
        "UPDATE audit SET seq = -7 WHERE seq = 7",
        "UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 3 AND position = 5",
        "DELETE FROM audit_nodes WHERE level = 3 AND position = 5",
    ],
)
def test_nothing_is_pruned_that_is_not_proved_to_be_what_was_signed(log: Log, statement: str) -> None:
    log.sql(statement)
    count = log.value("SELECT count(*) FROM audit")
    with pytest.raises(AuditTampered):
        log.prune(40)
    assert log.value("SELECT count(*) FROM audit") == count


def test_an_empty_log_has_nothing_to_prune(tmp_path: Path) -> None:
    log = Log(tmp_path / "empty.db")
    assert log.prune(5) == 0
    assert log.log.verify().size == 0


TAMPERED = {
    "put back": (
        "INSERT INTO audit VALUES (7, 20, 'x', 'erase', 'done', NULL, '{}', NULL, 'n')",
        {"entry 7: is there although it was pruned", "entry 7: is not what was written"},
    ),
    "more taken out": ("DELETE FROM audit WHERE seq = 41", {"entry 41: is missing"}),
    "the word taken out": (
        "DELETE FROM audit WHERE action = 'prune_audit'",
        {
            "entry 101: is missing",
            "entry 1 to 40: is gone, but no entry says that it was pruned",
        },
    ),
    "another leaf of what is gone": (
        "UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 0 AND position = 6",
        {"entry 1 to 101: does not give the root that was signed"},
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_with_a_pruned_log_is_found(log: Log, what: str) -> None:
    log.prune(40)
    statement, expected = TAMPERED[what]
    log.sql(statement)
    found = {text for text in log.findings() if not text.startswith(("node", "checkpoint"))}
    assert found == expected


def test_pruning_that_no_entry_announces_is_found_even_under_a_signed_head(log: Log) -> None:
    root = log.log.verify().root
    signature = sign_head(KEY, origin=DEFAULT_ORIGIN, size=100, root=root, pruned=7)
    log.sql(
        "DELETE FROM audit WHERE seq <= 7",
        f"UPDATE audit_head SET pruned = 7, signature = x'{signature.hex()}'",
    )
    assert log.findings() == {"entry 1 to 7: is gone, but no entry says that it was pruned"}
