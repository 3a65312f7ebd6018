"""A process that dies without a word leaves a database that opens and holds nothing half done."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from facematch.testing import FakeAnalyzer, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist
from tests.integration.watchlist.conftest import Worker


def _open(path: Path) -> Watchlist:
    return Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer())


def _check(path: Path) -> int:
    """Everything that must hold between any two transactions; returns the number of entries in the audit log."""
    with _open(path) as watchlist:
        entries = watchlist.audit.entries()
        subjects = watchlist.subjects()
        watchlist.identify(synthetic_picture([1]), purpose="site-access")  # reads and checks every template
    done = [entry for entry in entries if entry.outcome == "done"]
    changes = [entry for entry in done if entry.action in {"enroll", "withdraw", "erase"}]
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT generation, scrub_pending FROM meta").fetchone() == (len(changes), 0)
        enrolled = sum(e.details["templates"] for e in changes if e.action == "enroll")
        erased = sum(e.details["templates"] for e in changes if e.action == "erase")
        assert connection.execute("SELECT count(*) FROM templates").fetchone() == (enrolled - erased,)
        bare = "SELECT count(*) FROM {} WHERE id NOT IN (SELECT {} FROM templates)"
        assert connection.execute(bare.format("subjects", "subject")).fetchone() == (0,)
        assert connection.execute(bare.format("consents", "consent")).fetchone() == (0,)
    finally:
        connection.close()
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert all(record.templates > 0 for record in subjects)
    return len(entries)


def test_killed_at_random_moments(tmp_path: Path, start_worker: Callable[[], Worker]) -> None:
    path, rng = tmp_path / "a.db", random.Random(20260101)
    lengths = [0]
    for seed in range(8):
        worker = start_worker()
        worker.ask("open", path=str(path))
        worker.ask("churn", seed=seed)
        time.sleep(rng.uniform(0.02, 0.25))
        worker.kill()
        lengths.append(_check(path))
    assert lengths == sorted(set(lengths))  # every round got something done


@pytest.mark.parametrize(
    ("op", "point", "found"),
    [
        ("enroll", "bump", ["s"]),
        ("enroll", "add_template", ["s"]),
        ("withdraw", "bump", ["s"]),
        ("withdraw", "record_transition", ["s"]),
        ("erase", "mark_unscrubbed", ["s"]),
        ("erase", "scrub", []),
    ],
)
def test_killed_at_a_certain_step(
    tmp_path: Path, start_worker: Callable[[], Worker], op: str, point: str, found: list[str]
) -> None:
    path = tmp_path / "a.db"
    with _open(path) as watchlist:
        watchlist.enroll("s", synthetic_picture([1]), consent=synthetic_consent("s"))
    worker = start_worker()
    worker.ask("open", path=str(path))
    worker.ask("die_in", point=point)
    worker.send(op, subject="t" if op == "enroll" else "s", person=1)
    assert worker.wait_for_death() == -9
    _check(path)
    with _open(path) as watchlist:
        result = watchlist.identify(synthetic_picture([1]), purpose="site-access")
    assert [candidate.subject_id for candidate in result.candidates] == found


def test_killed_between_erasure_and_cleaning_the_next_open_cleans(
    tmp_path: Path, start_worker: Callable[[], Worker]
) -> None:
    path, name = tmp_path / "a.db", "subject-unmistakable"
    worker = start_worker()
    worker.ask("open", path=str(path))
    worker.ask("enroll", subject=name, person=1)
    worker.ask("die_in", point="scrub")
    worker.send("erase", subject=name)
    assert worker.wait_for_death() == -9
    assert name.encode() in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    _open(path).close()
    assert name.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
