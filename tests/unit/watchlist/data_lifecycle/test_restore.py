"""Backups: what they hold, what putting one back brings back, and what it never does."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from facematch.errors import BackupInvalid, FacematchError, InvalidArgument, ReferenceRestricted, Suspended
from facematch.governance.policy import Policy
from facematch.governance.zones import Zone
from facematch.testing import FakeAnalyzer
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, end_all, open_bench, picture, roles_of


def _lift(bench: Bench) -> None:
    """Two people lift every suspension."""
    if "bob" not in roles_of(bench.watchlist):
        bench.watchlist.actors.grant("bob", "owner")
    with Watchlist.open(f"sqlite:///{bench.path}", actor="bob", analyzer=FakeAnalyzer(), clock=bench.clock) as bob:
        lifted = [
            (bench.watchlist.suspensions.lift(s.suspension_id).lifted, bob.suspensions.lift(s.suspension_id).lifted)
            for s in bob.suspensions.list()
        ]
    assert set(lifted) == {(False, True)}


def _put_back(bench: Bench, backup: Path, how: str) -> None:
    """Restore by the call, or by copying the file as after the loss of a disk."""
    if how == "call":
        bench.watchlist.restore(backup)
        return
    bench.watchlist.close()
    for end in ("-wal", "-shm"):
        Path(f"{bench.path}{end}").unlink(missing_ok=True)
    shutil.copyfile(backup, bench.path)
    url = f"sqlite:///{bench.path}"
    bench.watchlist = Watchlist.open(url, actor="ana", analyzer=FakeAnalyzer(), clock=bench.clock)


@pytest.fixture(params=["call", "copy"])
def how(request: pytest.FixtureRequest) -> str:
    """The two ways to put a backup back."""
    return str(request.param)


@pytest.fixture
def backup(bench: Bench) -> Path:
    """A backup with four subjects, after which much has changed."""
    for number, name in enumerate(("stays", "leaves", "goes", "complains")):
        bench.enroll(name, number)
    return bench.watchlist.backup(bench.path.with_name("backup"))


def test_a_backup_is_private_whole_and_without_keys(bench: Bench, backup: Path) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    connection = sqlite3.connect(backup)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("SELECT count(*) FROM subjects").fetchone() == (4,)
    connection.close()
    data = backup.read_bytes()
    assert [name for name, key in bench.watchlist._session.resources.vault.keys("").items() if key in data] == []
    with pytest.raises(InvalidArgument, match="there already"):
        bench.watchlist.backup(backup)
    assert not list(bench.path.parent.glob(".*backup*"))


def test_what_ended_since_stays_ended(bench: Bench, backup: Path, how: str) -> None:
    bench.watchlist.withdraw("leaves", reason="left")
    bench.watchlist.erase("goes", reason="asked")
    _put_back(bench, backup, how)
    with pytest.raises(Suspended):
        bench.found(0)
    _lift(bench)
    assert [bench.found(number) for number in range(4)] == [["stays"], [], [], ["complains"]]
    assert [(r.subject_id, r.state) for r in bench.watchlist.subjects.list()] == [
        ("complains", "active"),
        ("leaves", "withdrawn"),
        ("stays", "active"),
    ]
    assert bench.watchlist.keys.status().subjects == 3
    assert bench.watchlist.audit.verify().findings == ()


@pytest.mark.parametrize(
    ("verb", "state"), [("withdraw", "WITHDRAWN"), ("revoke", "REVOKED"), ("invalidate", "INVALIDATED")]
)
def test_an_end_comes_back_as_what_it_was_and_when_it_was(
    bench: Bench, backup: Path, how: str, verb: str, state: str
) -> None:
    bench.clock.advance(timedelta(days=2))
    ended = bench.clock.now
    end_all(bench.watchlist, verb, "leaves")
    bench.clock.advance(timedelta(days=3))
    _put_back(bench, backup, how)
    event = bench.watchlist.consents.list("leaves")[0].events[-1]
    assert (event.state.value, event.time) == (state, ended)


def test_an_erased_subject_cannot_be_read_out_of_an_old_backup_even_by_hand(bench: Bench, backup: Path) -> None:
    certificate = bench.watchlist.erase("goes", reason="asked").certificate
    assert certificate is not None
    for _ in range(2):
        bench.watchlist.restore(backup)
        assert bench.watchlist.verify_erasure(certificate).findings == ()
    _lift(bench)
    assert bench.found(2) == []


def test_a_consent_ended_since_is_not_filed_again(bench: Bench, backup: Path, how: str) -> None:
    consent = bench.watchlist.consents.list("leaves")[0]
    bench.watchlist.withdraw("leaves", reason="left")
    _put_back(bench, backup, how)
    with pytest.raises(FacematchError) as caught:
        bench.watchlist.enroll("leaves", picture(1, 2), consent=consent)
    assert caught.value.code == "consent_required"


def test_what_governs_stays_as_it_is(bench: Bench, backup: Path) -> None:
    zone = Zone(site=SITE, zone="door", capture_basis="consent", notice_id="n-7", assessment_ref="dpia-7")
    bench.watchlist.zones.open(zone)
    bench.watchlist.actors.grant("eve", "auditor")
    narrow = Policy.from_dict(
        {**Policy.profile("access-control").to_dict(), "purposes": {"allowed": [PURPOSE, "events"]}}
    )
    bench.watchlist.policies.set(narrow)
    stopped = bench.watchlist.suspensions.add(reason="a fault", site="store-13")
    complaint = bench.watchlist.rights.open_complaint("complains", ground="not me").complaint_id
    entries = len(bench.watchlist.audit)
    bench.watchlist.restore(backup)
    assert [item.zone for item in bench.watchlist.zones.list()] == [zone]
    assert set(roles_of(bench.watchlist)) == {"ana", "eve"}
    assert bench.watchlist.policies.current().digest == narrow.digest
    assert bench.watchlist.suspensions.list()[0].suspension_id == stopped.suspension_id
    assert len(bench.watchlist.suspensions.list()) == 2
    assert len(bench.watchlist.audit) > entries
    _lift(bench)
    assert bench.found(3) == []
    with pytest.raises(ReferenceRestricted):
        bench.watchlist.enroll("complains", picture(3, 5))
    bench.watchlist.rights.decide_complaint(complaint, upheld=False)
    assert bench.found(3) == ["complains"]


def test_a_complaint_decided_since_stays_decided(bench: Bench) -> None:
    bench.enroll("s", 1)
    complaint = bench.watchlist.rights.open_complaint("s", ground="not me").complaint_id
    backup = bench.watchlist.backup(bench.path.with_name("backup"))
    bench.watchlist.rights.decide_complaint(complaint, upheld=False)
    bench.watchlist.restore(backup)
    _lift(bench)
    assert bench.found(1) == ["s"]


def test_who_came_later_is_gone_until_a_later_backup_comes(bench: Bench, backup: Path) -> None:
    bench.enroll("later", 7)
    newer = bench.watchlist.backup(bench.path.with_name("newer"))
    bench.watchlist.restore(backup)
    _lift(bench)
    assert bench.found(7) == []
    with pytest.raises(FacematchError):
        bench.watchlist.consents.list("later")
    bench.watchlist.restore(newer)
    _lift(bench)
    assert bench.found(7) == ["later"]
    assert [bench.found(number) for number in range(2)] == [["stays"], ["leaves"]]


def test_ids_of_templates_and_generations_go_on(bench: Bench, backup: Path) -> None:
    later = bench.watchlist.enroll("later", picture(7), consent=bench.consent("later"))
    bench.watchlist.restore(backup)
    _lift(bench)
    new = bench.watchlist.enroll("new", picture(8), consent=bench.consent("new"))
    assert new.template_ids[0] > later.template_ids[0]
    assert new.generation > later.generation
    assert (bench.found(7), bench.found(8)) == ([], ["new"])


def test_a_backup_from_before_renewed_keys_and_templates_is_still_good(bench: Bench, backup: Path, how: str) -> None:
    bench.watchlist.keys.renew_templates()
    bench.watchlist.keys.rotate()
    bench.watchlist.keys.renew_templates()
    _put_back(bench, backup, how)
    _lift(bench)
    assert [bench.found(number) for number in range(4)] == [["stays"], ["leaves"], ["goes"], ["complains"]]
    assert bench.watchlist.keys.renew_templates().rotation == 4
    assert bench.found(0) == ["stays"]


def test_a_pending_enrollment_comes_back_as_pending(tmp_path: Path) -> None:
    dual = Policy.from_dict({**Policy.profile("access-control").to_dict(), "dual_control": {"required": True}})
    with open_bench(tmp_path / "a.db", policy=dual) as bench:
        bench.enroll("s", 1)
        backup = bench.watchlist.backup(tmp_path / "backup")
        bench.watchlist.approvals.reject(1, reason="no")
        bench.watchlist.restore(backup)
        _lift(bench)
        assert bench.found(1) == []
        assert [item.subject_id for item in bench.watchlist.approvals.list()] == ["s"]


def _foreign(folder: Path) -> Path:
    with open_bench(folder / "foreign.db", copied=False) as other:
        other.enroll("stranger", 9)
        return other.watchlist.backup(folder / "foreign-backup")


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "cut", "foreign", "another application"])
def test_what_is_no_backup_of_this_watchlist_changes_nothing(
    bench: Bench, backup: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "candidate"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("no database at all")
    elif kind == "cut":
        path.write_bytes(backup.read_bytes()[:9000])
    elif kind == "foreign":
        path = _foreign(tmp_path)
    elif kind == "another application":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE t (x)")
        connection.close()
    with pytest.raises(BackupInvalid):
        bench.watchlist.restore(path)
    assert bench.found(0) == ["stays"]
    assert bench.watchlist.suspensions.list() == ()
    assert next(e for e in reversed(bench.entries()) if e.action == "restore").details["code"] == "backup_invalid"
    assert list(bench.path.parent.glob(".*restore*")) == []


def test_a_watchlist_in_memory_has_nothing_to_put_back(tmp_path: Path, backup: Path) -> None:
    with Watchlist.open("sqlite://", actor="ana", analyzer=FakeAnalyzer()) as watchlist, pytest.raises(BackupInvalid):
        watchlist.restore(backup)


def test_the_vault_copy_is_the_present_one(bench: Bench, tmp_path: Path) -> None:
    bench.enroll("s", 1)
    copy = tmp_path / "vault-copy"
    bench.watchlist.backup(tmp_path / "first", vault_copy=copy)
    bench.watchlist.erase("s", reason="asked")
    bench.enroll("t", 2)
    bench.watchlist.backup(tmp_path / "second", vault_copy=copy)
    _put_back(bench, tmp_path / "second", "copy")
    bench.watchlist.close()
    shutil.copyfile(copy, f"{bench.path}.vault")
    bench.watchlist = Watchlist.open(f"sqlite:///{bench.path}", actor="ana", analyzer=FakeAnalyzer(), clock=bench.clock)
    assert (bench.found(1), bench.found(2)) == ([], ["t"])
    bench.watchlist.close()
