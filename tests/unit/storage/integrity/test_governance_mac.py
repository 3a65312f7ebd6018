"""Rows that govern, changed with SQL by somebody who can write the file and has not the key."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from facematch.errors import BackupInvalid, DatabaseCorrupt
from facematch.governance.policy import Policy
from facematch.governance.zones import Zone
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, open_bench, picture

DUAL = {**Policy.profile("access-control").to_dict(), "dual_control": {"required": True}}


def governed(path: Path) -> Bench:
    """A watchlist where everything that the mark covers is there."""
    with open_bench(path, policy=Policy.from_dict(DUAL)) as bench:
        bench.watchlist.actors.grant("ben", "auditor")
        place = {"site": SITE, "zone": "door", "notice_id": "n", "assessment_ref": "a", "capture_basis": "consent"}
        bench.watchlist.zones.open(Zone.from_dict(place))
        bench.watchlist.suspensions.add(reason="check", site="elsewhere")
        bench.enroll("pending", 1)
        bench.watchlist.rights.open_complaint("pending", ground="not me")
    return bench


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for statement in statements:
            raw.execute(statement)


@pytest.mark.parametrize(
    "statements",
    [
        ["INSERT INTO actor_roles VALUES ('eve', 'owner', 'ana', 0)"],
        ["UPDATE actor_roles SET role = 'owner' WHERE actor = 'ben'"],
        ["UPDATE actor_roles SET actor = 'eve'  WHERE actor = 'ben'"],
        ["DELETE FROM suspensions"],
        ["UPDATE suspensions SET lifted_at = 1, lifted_by = 'ana'"],
        ["UPDATE suspensions SET resume_asked_by = '[\"ben\"]'"],
        ["DELETE FROM zones"],
        ["UPDATE zones SET zone = 'till'"],
        ["UPDATE enrollments SET state = 'ACTIVE'"],
        ["DELETE FROM complaints"],
        ["UPDATE complaints SET decided_at = 1, upheld = 0"],
        ["UPDATE meta SET next_template = 1"],
        ["UPDATE meta SET generation = generation + 1"],
        ["UPDATE meta SET standing_mark = NULL"],
        ["DROP TRIGGER policies_no_delete", "DELETE FROM policies"],
        ["DROP TRIGGER policies_no_update", "UPDATE policies SET effective_from = 9e15"],
        ["INSERT INTO calibrations VALUES (1, 'x', '{}', 'eve', 0)"],
    ],
)
def test_a_change_from_outside_serves_nothing(tmp_path: Path, statements: list[str]) -> None:
    path = tmp_path / "w.db"
    clock = governed(path).clock
    change(path, *statements)
    with pytest.raises(DatabaseCorrupt), open_bench(path, clock=clock) as again:
        again.watchlist.identify(picture(1), purpose=PURPOSE, site=SITE)


def test_an_untouched_watchlist_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "w.db"
    clock = governed(path).clock
    with open_bench(path, clock=clock) as again:
        assert again.watchlist.identify(picture(1), purpose=PURPOSE, site=SITE).candidates == ()
        assert again.watchlist.audit.verify().ok


def test_a_change_under_an_open_watchlist_is_not_covered_up_by_its_next_change(tmp_path: Path) -> None:
    with open_bench(tmp_path / "w.db") as bench:
        bench.enroll("s", 1)
        change(bench.path, "INSERT INTO actor_roles VALUES ('eve', 'owner', 'ana', 0)")
        with pytest.raises(DatabaseCorrupt):
            bench.enroll("t", 2)
        with pytest.raises(DatabaseCorrupt):
            bench.watchlist.withdraw("s", reason="left")
    with pytest.raises(DatabaseCorrupt), open_bench(tmp_path / "w.db", clock=bench.clock) as other:
        other.watchlist.subjects.list()


def test_a_pending_template_moved_under_an_approved_enrollment_serves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.db"
    with open_bench(path, policy=Policy.from_dict(DUAL)) as bench:
        bench.enroll("approved", 1)
        bench.watchlist.actors.grant("ben", "approver")
        with open_bench(path, clock=bench.clock, actor="ben") as ben:
            ben.watchlist.approvals.approve(1)
        bench.enroll("pending", 2)
        assert (bench.found(1), bench.found(2)) == (["approved"], [])
    change(path, "UPDATE templates SET enrollment = 1 WHERE enrollment = 2")
    with pytest.raises(DatabaseCorrupt), open_bench(path, clock=bench.clock) as again:
        again.found(2)


def test_an_approval_written_into_a_backup_does_not_come_in_with_it(tmp_path: Path) -> None:
    with open_bench(tmp_path / "w.db", policy=Policy.from_dict(DUAL)) as bench:
        bench.enroll("pending", 1)
        backup = bench.watchlist.backup(tmp_path / "backup.db")
        change(backup, "UPDATE enrollments SET state = 'ACTIVE'")
        with pytest.raises(BackupInvalid, match="changed"):
            bench.watchlist.restore(backup)
        assert [item.subject_id for item in bench.watchlist.approvals.list()] == ["pending"]
        assert bench.watchlist.suspensions.list() == ()
