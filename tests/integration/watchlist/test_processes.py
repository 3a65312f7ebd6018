"""Several real processes on one database file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facematch.testing import FakeAnalyzer, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist
from tests.integration.watchlist.conftest import Worker


def test_a_withdrawal_in_one_process_is_seen_by_the_very_next_search_in_another(
    tmp_path: Path, start_worker: Callable[[], Worker]
) -> None:
    here, there = start_worker(), start_worker()
    path = str(tmp_path / "a.db")
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
    with Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer()) as watchlist:
        worker.ask("open", path=str(path))
        worker.send("loop", person=1, out=str(out), stop=str(stop))
        for number in range(25):
            name = f"s{number}"
            enrolled = watchlist.enroll(name, synthetic_picture([1]), consent=synthetic_consent(name))
            enrolled_at = time.monotonic()
            time.sleep(0.01 * (number % 4))
            asked_at = time.monotonic()
            withdrawn = watchlist.withdraw(name, reason="left")
            withdrawn_at = time.monotonic()
            spans[name] = (enrolled.generation, withdrawn.generation, enrolled_at, withdrawn_at)
            assert asked_at <= withdrawn_at
        stop.touch()
        searches = worker.receive()["searches"]
        entries = watchlist.audit.entries()

    results: list[dict[str, Any]] = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(results) == searches
    assert searches > 25
    hits = [(result, name) for result in results for name in result["found"]]
    assert len({name for _, name in hits}) > 10  # so the load was real
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
    generation = 0
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
    for worker in workers:
        worker.ask("open", path=path)
    for number in range(15):
        for index, worker in enumerate(workers):
            worker.send("enroll", subject=f"w{index}-{number}", person=number)
    generations = sorted(worker.receive() for worker in workers for _ in range(15))
    assert generations == list(range(1, 31))
    assert len(workers[0].ask("subjects")) == 30
