"""Attacks on the governance of a watchlist, each tried for real."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import AccessDenied, InvalidArgument, Suspended
from facematch.testing import FakeAnalyzer, ManualClock, synthetic_consent
from facematch.watchlist import Watchlist, installation
from facematch.watchlist.filing import ConsentFiling
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, open_bench, picture
from tests.unit.watchlist.test_opening import _plain_database


def opened(bench: Bench, actor: str, **options: Any) -> Watchlist:
    """The same watchlist for another actor."""
    analyzer = options.pop("analyzer", None) or FakeAnalyzer()
    return Watchlist.open(f"sqlite:///{bench.path}", actor=actor, analyzer=analyzer, clock=bench.clock, **options)


class DuringTheModels(FakeAnalyzer):
    """Does something in the middle of a call, where real models take their time."""

    def __init__(self, something: Callable[[], object]) -> None:
        super().__init__()
        self._something = something

    def detect(self, images: Any) -> Any:
        self._something()
        return super().detect(images)


def put_back(copy: Path, path: Path) -> None:
    """A database file copied over another, while nobody has it open."""
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    shutil.copy(copy, path)


def test_an_upgrade_that_is_cut_off_before_its_commit_is_finished_by_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, clock = tmp_path / "old.db", ManualClock()
    _plain_database(path, [synthetic_consent("s-1", now=clock.now)], "0002")
    seal = installation.seal_plain_rows

    def cut_off(core: Any, connection: Any) -> int:
        seal(core, connection)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(installation, "seal_plain_rows", cut_off)
        with pytest.raises(KeyboardInterrupt):
            Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer(), clock=clock)
    with open_bench(path, clock=clock) as bench:
        assert bench.found(1) == ["s-1"]


def test_an_opening_beside_a_busy_process_does_not_take_its_work_for_a_restored_backup(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.enroll("alice", 1)
    read, done = ConsentFiling.open_records, []

    def meanwhile(self: ConsentFiling, connection: Any) -> Any:
        if not done:
            done.append(bench.watchlist.actors.grant("zoe", "operator"))
        return read(self, connection)

    monkeypatch.setattr(ConsentFiling, "open_records", meanwhile)
    with opened(bench, "ana") as other:
        assert (len(done), other.suspensions()) == (1, ())
    assert bench.found(1) == ["alice"]


def test_a_role_that_is_taken_while_the_models_run_enrolls_nobody_any_more(bench: Bench) -> None:
    bench.watchlist.actors.grant("bob", "enroller")
    models = DuringTheModels(lambda: bench.watchlist.actors.revoke("bob"))
    with opened(bench, "bob", analyzer=models) as other, pytest.raises(AccessDenied, match="'bob' has no role"):
        other.enroll("alice", picture(1), consent=bench.consent("alice"))
    assert bench.watchlist.subjects() == []
    refusal = bench.watchlist.audit.entries(limit=2)[0]
    assert (refusal.action, refusal.outcome, refusal.actor) == ("enroll", "refused", "bob")


def test_a_glance_at_an_older_copy_does_not_destroy_the_keys_of_the_newer_one(tmp_path: Path) -> None:
    path, copy, newer = (tmp_path / name for name in ("watchlist.db", "copy.db", "newer.db"))
    with open_bench(path) as bench:
        bench.enroll("alice", 1)
        bench.watchlist.backup(copy)
        bench.enroll("bob", 2)
    shutil.copy(path, newer)
    put_back(copy, path)
    with open_bench(path) as bench:
        assert [item.reason for item in bench.watchlist.suspensions()] == ["the database was restored from a backup"]
    put_back(newer, path)
    with open_bench(path) as bench:
        assert [record.subject_id for record in bench.watchlist.subjects()] == ["alice", "bob"]


def test_an_older_copy_does_not_bring_a_longer_consent_back_unnoticed(tmp_path: Path) -> None:
    path, copy = tmp_path / "watchlist.db", tmp_path / "copy.db"
    with open_bench(path) as bench:
        enrolment = bench.enroll("alice", 1)
        bench.watchlist.backup(copy)
        evidence = tmp_path / "again.pdf"
        evidence.write_bytes(b"signed again")
        bench.watchlist.renew("alice", valid_for=timedelta(days=1), evidence=evidence)
        assert bench.watchlist.consents("alice")[0].record_id == enrolment.record_id
    put_back(copy, path)
    with open_bench(path) as bench:
        assert len(bench.watchlist.suspensions()) == 1


def test_a_suspension_while_the_models_run_stops_the_look_alikes_of_a_preview(bench: Bench) -> None:
    bench.enroll("alice", 1)
    models = DuringTheModels(lambda: bench.watchlist.suspend(reason="a test"))
    with opened(bench, "ana", analyzer=models) as other, pytest.raises(Suspended):
        other.preview(picture(1, 1), purpose=PURPOSE, site=SITE)
    assert (bench.last().action, bench.last().outcome) == ("preview", "refused")


def test_a_role_that_is_taken_while_the_models_run_previews_nothing(bench: Bench) -> None:
    bench.watchlist.actors.grant("bob", "enroller")
    models = DuringTheModels(lambda: bench.watchlist.actors.revoke("bob"))
    with opened(bench, "bob", analyzer=models) as other, pytest.raises(AccessDenied):
        other.preview(picture(1))


def test_the_word_of_somebody_who_lost_the_role_does_not_lift_a_suspension(bench: Bench) -> None:
    bench.watchlist.actors.grant("mallory", "admin")
    bench.watchlist.actors.grant("bob", "admin")
    number = bench.watchlist.suspend(reason="a test").suspension_id
    with opened(bench, "mallory") as other:
        assert other.resume(number) is False
    bench.watchlist.actors.revoke("mallory")
    assert bench.watchlist.resume(number) is False
    with opened(bench, "bob") as other:
        assert other.resume(number) is True


@pytest.mark.parametrize("end", [".vault", ".key", "", ".backup"])
def test_a_copy_of_the_vault_does_not_overwrite_a_file_of_the_watchlist(bench: Bench, end: str) -> None:
    bench.enroll("alice", 1)
    with pytest.raises(InvalidArgument, match="of the watchlist itself"):
        bench.watchlist.backup(f"{bench.path}.backup", vault_copy=f"{bench.path}{end}")
    assert bench.watchlist.erase("alice", reason="asked for it").subject_id == "alice"
