"""A process that dies without a word leaves a watchlist that opens and holds nothing half done."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from facematch.governance.keys import FileKeys
from facematch.testing import FakeAnalyzer, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist
from tests.integration.watchlist.churn import NAMES, Known, churn_until_killed, open_watchlist
from tests.integration.watchlist.conftest import Worker
from tests.unit.watchlist.support import roles_of


def _lift(watchlist: Watchlist, path: Path) -> None:
    """Lift the suspensions that restores leave behind: two people agree."""
    stops = watchlist.suspensions.list()
    if not stops:
        return
    if "bob" not in roles_of(watchlist):
        watchlist.actors.grant("bob", "owner")
    with Watchlist.open(f"sqlite:///{path}", actor="bob", analyzer=FakeAnalyzer()) as other:
        for stop in stops:
            people = [one for one in (watchlist, other) if one.actor not in stop.resume_asked_by]
            assert [one.suspensions.lift(stop.suspension_id).lifted for one in people][-1]


def _settled(path: Path, known: Known) -> Known:
    """Check everything that must hold between any two calls; returns what has turned out to be so."""
    with open_watchlist(path) as watchlist:
        assert watchlist.audit.verify().findings == ()
        _lift(watchlist, path)
        listed = {record.subject_id: record for record in watchlist.subjects.list()}
        found = {
            name
            for number, name in enumerate(NAMES)
            for candidate in watchlist.identify(synthetic_picture([number]), purpose="site-access").candidates
            if candidate.subject_id == name
        }
        keys = watchlist.keys.status().subjects
        settled = {name: watchlist.subjects.count_templates(name).templates for name in listed}
    truth = {name: "gone" if name not in listed else listed[name].state for name in NAMES}
    for name, state in truth.items():
        possible = {known.states[name]}
        if known.begun is not None and known.begun[1] == name:
            possible |= {"enroll": {"active"}, "more": {"active"}, "withdraw": {"withdrawn"}, "erase": {"gone"}}.get(
                known.begun[0], set()
            )
            if known.begun[0] == "complain":
                possible |= {"restricted"}
        assert state in possible, (name, state, known)
    assert found == {name for name, state in truth.items() if state == "active"}
    assert all(settled.values()), "a subject has no template"
    assert keys == len(listed)
    _check_tables(path)
    return Known(truth, done=known.done)


def _check_tables(path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT scrub_pending FROM meta").fetchone() == (0,)
        for table, column in (("subjects", "subject"), ("consents", "consent"), ("enrollments", "enrollment")):
            bare = f"SELECT count(*) FROM {table} WHERE id NOT IN (SELECT {column} FROM templates)"
            assert connection.execute(bare).fetchone() == (0,), table
    finally:
        connection.close()
    vault = sqlite3.connect(f"{path}.vault")
    try:
        assert vault.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        vault.close()


def _kill_often(path: Path, kills: int) -> int:
    """Number of calls that returned between the kills; every kill is checked."""
    rng = random.Random(20261121)
    with open_watchlist(path) as watchlist:
        watchlist.actors.grant("bob", "owner")
    known = Known()
    for seed in range(kills):
        known = _settled(path, churn_until_killed(path, seed, known, rng.uniform(0.0, 0.2)))
        for name, state in known.states.items():
            if state == "restricted":  # a complaint was taken up and not decided: begin anew with that subject
                with open_watchlist(path) as watchlist:
                    watchlist.erase(name, reason="begin anew")
                known.states[name] = "gone"
    return known.done


def test_killed_at_random_moments(tmp_path: Path) -> None:
    assert _kill_often(tmp_path / "a.db", 12) > 3  # a disk is slow


@pytest.mark.slow
def test_killed_at_very_many_random_moments(tmp_path: Path) -> None:
    assert _kill_often(tmp_path / "a.db", 400) > 400


@pytest.mark.parametrize(
    ("op", "point", "found"),
    [
        ("enroll", "SubjectTable.begin_generation", ["s"]),
        ("enroll", "SubjectTable.add_template", ["s"]),
        ("enroll", "SubjectTable.add_enrollment", ["s"]),
        ("enroll", "TableAuditWriter.append", ["s"]),
        ("withdraw", "SubjectTable.begin_generation", ["s"]),
        ("withdraw", "ConsentTable.record_transition", ["s"]),
        ("withdraw", "KeyVault.record_tombstones", ["s"]),
        ("withdraw", "after KeyVault.record_tombstones", []),  # the next opening carries it out
        ("withdraw", "KeyVault.note_generation", []),
        ("erase", "SubjectTable.mark_unscrubbed", ["s"]),
        ("erase", "KeyVault.record_tombstones", ["s"]),
        ("erase", "after KeyVault.record_tombstones", []),
        ("erase", "KeyVault.note_generation", []),
        ("erase", "KeyVault.destroy", []),
        ("erase", "after KeyVault.destroy", []),
        ("erase", "Database.scrub", []),
        ("rotate", "after FileKeys.add_key", ["s"]),
        ("rotate", "KeyVault.rotate", ["s"]),
        ("rotate", "after KeyVault.rotate", ["s"]),
        ("rotate", "FileKeys.retire", ["s"]),
        ("renew_templates", "after KeyVault.make_key", ["s"]),
        ("renew_templates", "after SubjectTable.renew_templates", ["s"]),
        ("renew_templates", "KeyVault.note_generation", ["s"]),
        ("renew_templates", "Database.scrub", ["s"]),
    ],
)
def test_killed_at_a_certain_step(
    tmp_path: Path, start_worker: Callable[[], Worker], op: str, point: str, found: list[str]
) -> None:
    path = tmp_path / "a.db"
    with open_watchlist(path) as watchlist:
        watchlist.enroll("s", synthetic_picture([1]), consent=synthetic_consent("s"))
        watchlist.actors.grant("worker", "owner")
    worker = start_worker()
    worker.ask("open", path=str(path))
    worker.ask("die_in", point=point)
    worker.send(op, subject="t" if op == "enroll" else "s", person=1)
    assert worker.wait_for_death() == -9
    with open_watchlist(path) as watchlist:
        result = watchlist.identify(synthetic_picture([1]), purpose="site-access")
        assert [candidate.subject_id for candidate in result.candidates] == found
        assert watchlist.audit.verify().findings == ()
        listed = [record.subject_id for record in watchlist.subjects.list()]
        assert listed == ([] if op == "erase" and not found else ["s"])
        assert watchlist.keys.status().subjects == len(listed)
        before = watchlist.keys.status()
        assert watchlist.keys.rotate().provider_key != before.provider_key
        assert watchlist.keys.renew_templates().rotation > before.rotation
    assert len(FileKeys(path.with_name("a.db.key"))._read()[1]) == 1
    _check_tables(path)


def test_killed_between_erasure_and_cleaning_the_next_open_cleans(
    tmp_path: Path, start_worker: Callable[[], Worker]
) -> None:
    path = tmp_path / "a.db"
    worker = start_worker()
    worker.ask("open", path=str(path))
    worker.ask("enroll", subject="s", person=1)
    connection = sqlite3.connect(path)
    needle = connection.execute("SELECT vector FROM templates").fetchone()[0]
    connection.close()
    worker.ask("die_in", point="Database.scrub")
    worker.send("erase", subject="s")
    assert worker.wait_for_death() == -9
    assert needle in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    with Watchlist.open(f"sqlite:///{path}", actor="worker", analyzer=FakeAnalyzer()) as watchlist:
        assert watchlist.subjects.list() == ()
        assert watchlist.keys.status().subjects == 0
        assert needle not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_killed_while_a_new_watchlist_is_set_up_the_next_open_finishes_it(
    tmp_path: Path, start_worker: Callable[[], Worker]
) -> None:
    points = [
        "KeyVault.create",
        "KeyVault.make_key",
        "after KeyVault.make_key",
        "TableAuditWriter.append_many",
        "SubjectTable.generation",
    ]
    for number, point in enumerate(points):
        path = tmp_path / str(number) / "a.db"
        path.parent.mkdir()
        worker = start_worker()
        worker.ask("die_in", point=point)
        worker.send("open", path=str(path))
        assert worker.wait_for_death() == -9
        with open_watchlist(path) as watchlist:
            watchlist.enroll("s", synthetic_picture([1]), consent=synthetic_consent("s"))
            found = watchlist.identify(synthetic_picture([1]), purpose="site-access").candidates
            assert [candidate.subject_id for candidate in found] == ["s"], point
            assert watchlist.audit.verify().findings == ()
