"""Several real processes on one database file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from facematch.governance.keys import FileKeys
from facematch.testing import FakeAnalyzer, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist
from tests.integration.watchlist.conftest import Worker
from tests.unit.watchlist.support import end_all


def _set_up(path: Path) -> Watchlist:
    """A new watchlist where the workers may do everything."""
    watchlist = Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer())
    watchlist.actors.grant("worker", "owner")
    return watchlist


def _wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something another process does has happened; fail after half a minute."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "the other process did not come to it"
        time.sleep(0.001)


def _found(out: Path, name: str) -> bool:
    return out.exists() and f'"{name}"' in out.read_text(encoding="utf-8")


def test_a_withdrawal_in_one_process_is_seen_by_the_very_next_search_in_another(
    tmp_path: Path, start_worker: Callable[[], Worker]
) -> None:
    here, there = start_worker(), start_worker()
    path = str(tmp_path / "a.db")
    _set_up(Path(path)).close()
    here.ask("open", path=path)
    there.ask("open", path=path)
    found = []
    for number in range(10):
        name = f"s{number}"
        here.ask("enroll", subject=name, person=1)
        before = there.ask("search", person=1)["found"]
        here.ask("withdraw" if number % 2 else "erase", subject=name)
        found.append((before, there.ask("search", person=1)["found"]))
    assert found == [([f"s{number}"], []) for number in range(10)]


def test_no_search_that_begins_after_a_withdrawal_returns_the_subject_under_load(
    tmp_path: Path, start_worker: Callable[[], Worker]
) -> None:
    worker, path, out, stop = start_worker(), tmp_path / "a.db", tmp_path / "results", tmp_path / "stop"
    spans: dict[str, tuple[int, int, float, float]] = {}
    with _set_up(path) as watchlist:
        worker.ask("open", path=str(path))
        worker.send("loop", person=1, out=str(out), stop=str(stop))
        for number in range(25):
            name = f"s{number}"
            enrolled = watchlist.enroll(name, synthetic_picture([1]), consent=synthetic_consent(name))
            enrolled_at = time.monotonic()
            if number % 2:
                _wait_until(partial(_found, out, name))
            asked_at = time.monotonic()
            withdrawn = watchlist.withdraw(name, reason="left")
            withdrawn_at = time.monotonic()
            spans[name] = (enrolled.generation, withdrawn.generation, enrolled_at, withdrawn_at)
            assert asked_at <= withdrawn_at
        stop.touch()
        searches = worker.receive()["searches"]
        entries = watchlist.audit.entries()
        assert watchlist.audit.verify().findings == ()

    results: list[dict[str, Any]] = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(results) == searches
    assert searches > 25
    hits = [(result, name) for result in results for name in result["found"]]
    assert len({name for _, name in hits}) >= 12  # those that were waited for, at least
    late = [(r, name) for r, name in hits if r["start"] >= spans[name][3]]
    assert late == []
    outside = [(r, name) for r, name in hits if not spans[name][0] <= r["generation"] < spans[name][1]]
    assert outside == []
    missed = [
        (r, name)
        for r in results
        for name, (first, end, _, _) in spans.items()
        if first <= r["generation"] < end and name not in r["found"]
    ]
    assert missed == []
    generation = 1  # somebody was granted a role
    order = []
    for entry in entries:  # every search was audited between the changes that its generation names
        if entry.action == "identify":
            order.append(entry.details["generation"] == generation)
        elif entry.action in {"enroll", "withdraw"}:
            generation = entry.details["generation"]
    assert len(order) == searches
    assert all(order)


def test_processes_may_open_a_new_database_at_once(tmp_path: Path, start_worker: Callable[[], Worker]) -> None:
    workers = [start_worker() for _ in range(3)]
    for worker in workers:
        worker.ask("open", path=str(tmp_path / "warm-up.db"))
    answers = []
    for number in range(8):
        for worker in workers:
            worker.send("open", path=str(tmp_path / f"{number}.db"))
        answers.append([worker.receive() for worker in workers])
    assert answers == [[0, 0, 0]] * 8


def test_processes_may_write_at_once(tmp_path: Path, start_worker: Callable[[], Worker]) -> None:
    workers, path = [start_worker() for _ in range(2)], str(tmp_path / "a.db")
    _set_up(Path(path)).close()
    for worker in workers:
        worker.ask("open", path=path)
    for number in range(15):
        for index, worker in enumerate(workers):
            worker.send("enroll", subject=f"w{index}-{number}", person=number)
    generations = sorted(worker.receive() for worker in workers for _ in range(15))
    assert generations == list(range(2, 32))
    assert len(workers[0].ask("subjects")) == 30


def _searching(worker: Worker, path: Path, enough: int, act: Callable[[], None]) -> list[dict[str, Any]]:
    """What a worker answers that searches all the while, begun before ``act`` and ended ``enough`` searches after."""
    out, stop = path.with_name("results"), path.with_name("stop")
    worker.ask("open", path=str(path))
    worker.send("loop", person=1, out=str(out), stop=str(stop))
    deadline = time.monotonic() + 120
    seen = 0
    while seen < 50 and time.monotonic() < deadline and worker.process.is_alive():
        time.sleep(0.02)
        seen = len(out.read_text().splitlines()) if out.exists() else 0
    act()
    before = len(out.read_text().splitlines())
    while seen < before + enough and time.monotonic() < deadline and worker.process.is_alive():
        time.sleep(0.05)
        seen = len(out.read_text().splitlines())
    stop.touch()
    assert worker.receive()["searches"] >= enough
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("act", "searches"),
    [("withdraw", 1000), ("complain", 1000), ("suspend", 1000), ("erase", 200), ("revoke", 200), ("invalidate", 200)],
)
def test_of_many_searches_after_an_end_in_another_process_none_returns_the_subject(
    tmp_path: Path, start_worker: Callable[[], Worker], act: str, searches: int
) -> None:
    path, returned_at = tmp_path / "a.db", []
    with _set_up(path) as watchlist:
        watchlist.enroll("s", synthetic_picture([1]), consent=synthetic_consent("s"))

        def end() -> None:
            if act == "suspend":
                watchlist.suspensions.add(reason="a fault")
            elif act == "complain":
                watchlist.rights.open_complaint("s", ground="not me")
            else:
                end_all(watchlist, act, "s")
            returned_at.append(time.monotonic())

        results = _searching(start_worker(), path, searches, end)
    before = [result for result in results if result["end"] < returned_at[0]]
    after = [result for result in results if result["start"] >= returned_at[0]]
    assert [result["found"] for result in before[:50]] == [["s"]] * 50
    assert len(after) >= searches
    assert [result for result in after if result["found"]] == []
    assert {result.get("code") for result in after} == ({"suspended"} if act == "suspend" else {None})


def test_a_restore_in_one_process_is_seen_by_the_very_next_search_in_another(
    tmp_path: Path, start_worker: Callable[[], Worker]
) -> None:
    path, worker = tmp_path / "a.db", start_worker()
    with _set_up(path) as watchlist:
        watchlist.enroll("first", synthetic_picture([1]), consent=synthetic_consent("first"))
        watchlist.enroll("gone", synthetic_picture([1]), consent=synthetic_consent("gone"))
        watchlist.backup(tmp_path / "backup")
        watchlist.enroll("later", synthetic_picture([2]), consent=synthetic_consent("later"))
        watchlist.erase("gone", reason="asked")
        worker.ask("open", path=str(path))
        assert worker.ask("search", person=1)["found"] == ["first"]
        assert worker.ask("search", person=2)["found"] == ["later"]
        watchlist.restore(tmp_path / "backup")
        stop = watchlist.suspensions.list()[0]
        worker.send("search", person=1)
        assert worker.answer()["error"] == "suspended"
        assert worker.ask("resume", number=stop.suspension_id) is False
        assert watchlist.suspensions.lift(stop.suspension_id).lifted is True
        assert worker.ask("search", person=1)["found"] == ["first"]
        assert worker.ask("search", person=2)["found"] == []
        # template ids are not used twice, so the worker's gallery cannot take a new one for an old one
        watchlist.enroll("new", synthetic_picture([3]), consent=synthetic_consent("new"))
        assert worker.ask("search", person=2)["found"] == []
        assert worker.ask("search", person=3)["found"] == ["new"]


def test_processes_may_rotate_keys_at_once(tmp_path: Path, start_worker: Callable[[], Worker]) -> None:
    workers, path = [start_worker() for _ in range(3)], tmp_path / "a.db"
    with _set_up(path) as watchlist:
        watchlist.enroll("s", synthetic_picture([1]), consent=synthetic_consent("s"))
    for worker in workers:
        worker.ask("open", path=str(path))
    for _ in range(12):
        for worker in workers:
            worker.send("rotate")
    names = [worker.receive() for worker in workers for _ in range(12)]
    assert len(names) == 36
    with Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer()) as watchlist:
        assert watchlist.identify(synthetic_picture([1]), purpose="site-access").candidates[0].subject_id == "s"
        assert watchlist.keys.status().provider_key == FileKeys(path.with_name("a.db.key")).key_id
    assert len(FileKeys(path.with_name("a.db.key"))._read()[1]) == 1
    assert [worker.ask("search", person=1)["found"] for worker in workers] == [["s"]] * 3


def test_templates_renewed_in_one_process_are_found_in_another(
    tmp_path: Path, start_worker: Callable[[], Worker]
) -> None:
    path, worker = tmp_path / "a.db", start_worker()
    with _set_up(path) as watchlist:
        for number in range(5):
            watchlist.enroll(f"s{number}", synthetic_picture([number]), consent=synthetic_consent(f"s{number}"))
        worker.ask("open", path=str(path))
        assert [worker.ask("search", person=number)["found"] for number in range(5)] == [[f"s{n}"] for n in range(5)]
        for _ in range(3):
            watchlist.keys.renew_templates()
            found = [worker.ask("search", person=number)["found"] for number in range(5)]
            assert found == [[f"s{n}"] for n in range(5)]
        worker.ask("enroll", subject="s5", person=5)
        assert [c.subject_id for c in watchlist.identify(synthetic_picture([5]), purpose="site-access").candidates] == [
            "s5"
        ]
