"""Attacks on the governance of a watchlist, each tried for real."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facematch.testing import FakeAnalyzer, ManualClock, synthetic_consent
from facematch.watchlist import Watchlist, installation
from facematch.watchlist.filing import ConsentFiling
from tests.unit.watchlist.support import Bench, open_bench
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
