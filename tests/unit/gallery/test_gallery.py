"""The gallery follows the database by what has changed, and starts from a sealed file."""

from __future__ import annotations

import itertools
import random
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facematch.gallery import gallery
from facematch.gallery.cache_file import gallery_path
from facematch.gallery.metadata import GalleryMetadata
from facematch.gallery.snapshot import Snapshot
from facematch.settings import Settings
from facematch.storage.subjects import SubjectTable
from facematch.testing import synthetic_picture
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, open_bench, picture

OPTIONS: list[dict[str, Any]] = [{}, {"purposes": ["events"]}, {"sites": []}, {"sites": ["a", "b"]}]
COLUMNS = tuple(name for name in GalleryMetadata.__slots__ if name not in {"scopes", "consent_scopes"})


@pytest.fixture(autouse=True)
def files_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "WORTH_SAVING", 1)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Template ids that are opened from the database one by one."""
    opened: list[int] = []
    original = SubjectTable.vectors

    def watched(self: SubjectTable, connection: Any, template_ids: Any, contract: Any) -> Any:
        opened.extend(template_ids)
        return original(self, connection, template_ids, contract)

    monkeypatch.setattr(SubjectTable, "vectors", watched)
    return opened


def _snapshot(watchlist: Watchlist) -> Snapshot:
    return watchlist._session.resources.snapshot()


def _assert_same(left: Snapshot, right: Snapshot) -> None:
    assert left.generation == right.generation
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(left.columns, name), getattr(right.columns, name), err_msg=name)
    for each in (left, right):
        assert each.columns.consent_scopes.size == each.columns.consent_keys.size
    a = [left.columns.scopes[number] for number in left.columns.consent_scopes]
    assert a == [right.columns.scopes[number] for number in right.columns.consent_scopes]
    np.testing.assert_array_equal(left.vectors(), right.vectors())


def _afresh(path: Path, clock: Any) -> Iterator[Snapshot]:
    with open_bench(path, clock=clock, settings=Settings(gallery_file=False)) as other:
        yield _snapshot(other.watchlist)


def test_a_gallery_brought_up_step_by_step_equals_one_read_afresh(bench: Bench) -> None:
    rng = random.Random(7)
    names: list[str] = []
    with open_bench(bench.path, clock=bench.clock) as follower:
        for step in range(60):
            act = rng.choice(["enroll", "enroll", "more", "withdraw", "erase", "renew", "complain", "rotate"])
            name = rng.choice(names) if names else ""
            record = next((found for found in bench.watchlist.subjects.list() if found.subject_id == name), None)
            if act == "enroll" or record is None:
                names.append(f"s{step}")
                bench.enroll(names[-1], step, **rng.choice(OPTIONS))
            elif act == "more" and record.state == "active":
                bench.watchlist.enroll(name, picture(step, 3), consent=bench.consent(name))
            elif act == "withdraw" and record.state == "active":
                bench.watchlist.withdraw(name, reason="left")
            elif act == "erase":
                bench.watchlist.erase(name, reason="asked")
                names.remove(name)
            elif act == "renew" and record.state == "active":
                bench.watchlist.consents.renew(name, valid_for=timedelta(days=30 + step), evidence=__file__)
            elif act == "complain" and record.state == "active":
                bench.watchlist.rights.open_complaint(name, ground="not me")
            elif act == "rotate" and step % 3 == 0:
                bench.watchlist.keys.renew_templates()
            bench.clock.advance(timedelta(minutes=1))
            for fresh in _afresh(bench.path, bench.clock):
                _assert_same(_snapshot(follower.watchlist), fresh)
    assert len(names) > 5


def test_only_what_has_changed_is_opened(bench: Bench, decoded: list[int]) -> None:
    for number in range(12):
        bench.enroll(f"s{number}", number)
    with open_bench(bench.path, clock=bench.clock) as other:
        assert other.found(3) == ["s3"]
        decoded.clear()
        bench.enroll("new", 14)
        bench.watchlist.withdraw("s3", reason="left")
        own = bench.watchlist._session.resources.snapshot().columns.template_ids[-1]
        decoded.clear()
        assert other.found(3) == []
        assert decoded == [own]
        assert other.found(14) == ["new"]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE changes SET subjects = '[]' WHERE generation = (SELECT generation FROM meta)",
        "DELETE FROM changes WHERE generation = (SELECT generation FROM meta)",
        "DELETE FROM changes",
        "UPDATE changes SET nonce = 'x'",
        "UPDATE changes SET mark = 'x'",
    ],
)
def test_a_history_that_was_changed_from_outside_hides_nothing(bench: Bench, damage: str) -> None:
    bench.enroll("s", 1)
    bench.enroll("t", 2)
    with open_bench(bench.path, clock=bench.clock) as other:
        assert other.found(1) == ["s"]
        bench.watchlist.withdraw("s", reason="left")
        with closing(sqlite3.connect(bench.path, isolation_level=None)) as raw:
            raw.execute(damage)
        assert other.found(1) == []
        assert other.found(2) == ["t"]


def test_what_a_connection_changes_is_noted_whatever_stands_in_the_file(bench: Bench) -> None:
    bench.enroll("s", 1)
    with closing(sqlite3.connect(bench.path, isolation_level=None)) as raw:
        triggers = raw.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            raw.execute(f"DROP TRIGGER {name}")
    assert len(triggers) > 5
    with open_bench(bench.path, clock=bench.clock) as other:
        assert other.found(1) == ["s"]
        bench.watchlist.withdraw("s", reason="left")
        assert other.found(1) == []


# --- the file


def _filled(bench: Bench, count: int = 8) -> Path:
    for number in range(count):
        bench.enroll(f"s{number}", number)
    bench.watchlist._session.resources.snapshot()
    bench.watchlist.close()
    path = gallery_path(bench.path)
    assert path.exists()
    return path


def test_a_start_reads_the_file_and_only_what_came_later_from_the_database(bench: Bench, decoded: list[int]) -> None:
    path = _filled(bench)
    saved = path.read_bytes()
    with open_bench(bench.path, clock=bench.clock) as later:
        later.enroll("new", 14)
        later.watchlist.withdraw("s2", reason="left")
        new = int(_snapshot(later.watchlist).columns.template_ids[-1])
    path.write_bytes(saved)  # the file as it was before
    decoded.clear()
    with open_bench(bench.path, clock=bench.clock) as again:
        assert again.found(14) == ["new"]
        assert again.found(2) == []
        assert again.found(5) == ["s5"]
        assert decoded == [new]
        for fresh in _afresh(bench.path, bench.clock):
            _assert_same(_snapshot(again.watchlist), fresh)


def test_an_erasure_leaves_no_file_that_can_be_opened(bench: Bench, decoded: list[int]) -> None:
    path = _filled(bench)
    saved = path.read_bytes()
    with open_bench(bench.path, clock=bench.clock) as later:
        erased = later.watchlist.erase("s1", reason="asked")
        assert not path.exists() or path.read_bytes() != saved
        assert erased.certificate is not None
        assert later.watchlist.verify_erasure(erased.certificate).ok
    path.write_bytes(saved)
    decoded.clear()
    with open_bench(bench.path, clock=bench.clock) as again:
        assert again.found(1) == []
        assert len(decoded) == 7  # everything: the old file's key is gone
        assert again.found(5) == ["s5"]


@pytest.mark.parametrize("ending", ["renew_templates", "restore"])
def test_the_file_goes_with_a_new_rotation_and_with_a_restored_backup(bench: Bench, ending: str) -> None:
    path = _filled(bench)
    with open_bench(bench.path, clock=bench.clock) as later:
        if ending == "restore":
            backup = later.watchlist.backup(bench.path.with_name("backup.db"))
            later.watchlist.restore(backup)
        else:
            later.watchlist.keys.renew_templates()
        assert not path.exists()


def _sections(data: bytes) -> list[tuple[int, int]]:
    head = 8 + 16 + 60
    (count,) = struct.unpack_from("<I", data, head)
    lengths = struct.unpack_from(f"<{count}Q", data, head + 4)
    start = head + 4 + 8 * count
    ends = np.cumsum([start, *lengths])
    return [(int(a), int(b)) for a, b in itertools.pairwise(ends)]


def test_a_flipped_byte_anywhere_costs_time_and_nothing_else(bench: Bench, decoded: list[int]) -> None:
    path = _filled(bench)
    data = path.read_bytes()
    places = [0, 9, 30, 84, 90, *(place for start, end in _sections(data) for place in (start, start + 20, end - 1))]
    assert len(places) == 5 + 3 * 4
    tried = 0
    for place in places:
        broken = bytearray(data)
        broken[place] ^= 1
        path.write_bytes(bytes(broken))
        decoded.clear()
        with open_bench(bench.path, clock=bench.clock) as again:
            assert again.found(3) == ["s3"]
            assert len(decoded) == 8, place
        tried += 1
    assert tried == len(places)


@pytest.mark.parametrize("kept", [0, 1, 50, 84, 100, 500, -1, -3000])
def test_a_torn_file_is_not_read(bench: Bench, decoded: list[int], kept: int) -> None:
    path = _filled(bench)
    data = path.read_bytes()
    path.write_bytes(data[:kept])
    decoded.clear()
    with open_bench(bench.path, clock=bench.clock) as again:
        assert again.found(3) == ["s3"]
        assert len(decoded) == 8


def test_a_section_in_the_place_of_another_is_not_read(bench: Bench, decoded: list[int]) -> None:
    path = _filled(bench)
    data = bytearray(path.read_bytes())
    (a, b), (c, d) = _sections(bytes(data))[1:3]
    first, second = bytes(data[a:b]), bytes(data[c:d])
    lengths = 8 + 16 + 60 + 4 + 8
    data[lengths : lengths + 16] = struct.pack("<QQ", len(second), len(first))
    data[a:d] = second + first
    path.write_bytes(bytes(data))
    decoded.clear()
    with open_bench(bench.path, clock=bench.clock) as again:
        assert again.found(3) == ["s3"]
        assert len(decoded) == 8


def test_the_file_of_another_watchlist_is_not_read(bench: Bench, tmp_path: Path, decoded: list[int]) -> None:
    path = _filled(bench)
    with open_bench(tmp_path / "other.db") as other:
        for number in range(8):
            other.enroll(f"x{number}", number + 8)
        _snapshot(other.watchlist)
    shutil.copyfile(gallery_path(tmp_path / "other.db"), path)
    decoded.clear()
    with open_bench(bench.path, clock=bench.clock) as again:
        assert again.found(3) == ["s3"]
        assert again.found(10) == []
        assert len(decoded) == 8


def test_a_database_put_back_does_not_meet_the_file_of_its_future(bench: Bench, decoded: list[int]) -> None:
    for number in range(4):
        bench.enroll(f"s{number}", number)
    bench.watchlist.close()
    old = bench.path.read_bytes()
    with open_bench(bench.path, clock=bench.clock) as later:
        later.enroll("future", 9)
        _snapshot(later.watchlist)
    assert gallery_path(bench.path).exists()
    saved = gallery_path(bench.path).read_bytes()
    bench.path.write_bytes(old)
    for end in ("-wal", "-shm"):
        bench.path.with_name(bench.path.name + end).unlink(missing_ok=True)
    with open_bench(bench.path, clock=bench.clock) as again:
        assert not gallery_path(bench.path).exists()
        again.watchlist.actors.grant("bob", "owner")
        with open_bench(bench.path, clock=bench.clock, actor="bob") as bob:
            for stop in again.watchlist.suspensions.list():
                again.watchlist.suspensions.lift(stop.suspension_id)
                assert bob.watchlist.suspensions.lift(stop.suspension_id).lifted
        again.enroll("other", 10)
        gallery_path(bench.path).write_bytes(saved)
    decoded.clear()
    with open_bench(bench.path, clock=bench.clock) as third:
        assert third.found(9) == []
        assert third.found(10) == ["other"]


def test_the_file_says_nothing_to_whoever_has_no_key(bench: Bench) -> None:
    path = _filled(bench)
    data = path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    assert b'"s3"' not in data
    with open_bench(bench.path, clock=bench.clock) as again:
        vectors = _snapshot(again.watchlist).vectors()
        assert len(vectors) == 8
        assert [row for row in vectors if row[:4].tobytes() in data] == []


def test_no_file_where_the_settings_say_so(bench: Bench) -> None:
    with open_bench(bench.path.with_name("b.db"), settings=Settings(gallery_file=False)) as other:
        other.enroll("s", 1)
        assert other.found(1) == ["s"]
    assert not gallery_path(bench.path.with_name("b.db")).exists()


def test_a_file_is_not_finished_when_the_database_has_moved_on(bench: Bench) -> None:
    bench.enroll("s", 1)
    core = bench.watchlist._session.resources
    before = core.snapshot()
    gallery_path(bench.path).unlink(missing_ok=True)
    bench.enroll("t", 2)
    file = core.gallery._file
    assert file is not None
    assert not file.save(before)
    assert not gallery_path(bench.path).exists()
    assert list(bench.path.parent.glob(".*.part")) == []
    assert file.save(core.snapshot())


def test_a_file_that_cannot_be_written_costs_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("facematch.gallery.cache_file._write", full)
    bench.enroll("s", 1)
    assert bench.found(1) == ["s"]
    bench.watchlist.close()
    assert not gallery_path(bench.path).exists()
    assert list(bench.path.parent.glob(".*.part")) == []
    with open_bench(bench.path, clock=bench.clock) as again:
        assert again.found(1) == ["s"]


def test_scopes_are_remembered_only_while_they_hold(bench: Bench) -> None:
    bench.enroll("s", 1, valid_for=timedelta(days=10))
    assert bench.found(1) == ["s"]
    snapshot = _snapshot(bench.watchlist)
    first = snapshot.scope(PURPOSE, SITE, bench.clock.now)
    bench.clock.advance(timedelta(days=9))
    assert snapshot.scope(PURPOSE, SITE, bench.clock.now) is first
    bench.clock.advance(timedelta(days=2))
    assert len(snapshot.scope(PURPOSE, SITE, bench.clock.now).templates) == 0
    assert bench.found(1) == []
    bench.clock.advance(timedelta(days=-2))
    assert snapshot.scope(PURPOSE, SITE, bench.clock.now).subjects == 1
    bench.clock.advance(timedelta(days=-30))  # a clock that jumps back to before the consent
    assert snapshot.scope(PURPOSE, SITE, bench.clock.now).subjects == 0
    assert bench.watchlist.identify(synthetic_picture([1]), purpose=PURPOSE, site=SITE).candidates == ()
