"""One watchlist, many threads: group commits of searches, and changes between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from facematch.errors import AuditError, DatabaseUnavailable, FacematchError
from facematch.governance import AuditAction, AuditOutcome, AuditRecord
from facematch.storage.audit_log.group_commit import GroupCommit
from facematch.storage.database import Database
from facematch.storage.sql import generation_of
from facematch.testing import FakeAnalyzer, ManualClock, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import AUTHORIZATION

PURPOSE = "site-access"


def _found(watchlist: Watchlist, person: int) -> list[str]:
    result = watchlist.identify(synthetic_picture([person]), purpose=PURPOSE)
    return [candidate.subject_id for candidate in result.candidates]


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_threads_share_a_watchlist(tmp_path: Path, kind: str) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}" if kind == "file" else "sqlite://"
    with Watchlist.open(url, actor="ana", analyzer=FakeAnalyzer()) as watchlist:
        watchlist.enroll("stays", synthetic_picture([0]), consent=synthetic_consent("stays"))

        def live(number: int) -> list[bool]:
            name = f"s{number}"
            picture = synthetic_picture([number])
            seen = []
            watchlist.enroll(name, picture, consent=synthetic_consent(name))
            for step in (None, watchlist.withdraw, watchlist.erase):
                if step is not None:
                    step(name, reason="left")
                seen.append(name in _found(watchlist, number))
            return seen

        work: list[tuple[Callable[[int], object], int]] = []
        for number in range(1, 15):
            work += [(live, number), *[(lambda _: _found(watchlist, 0), 0)] * 3]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda item: item[0](item[1]), work))
        lives = [answer for (task, _), answer in zip(work, answers, strict=True) if task is live]
        searches = [answer for (task, _), answer in zip(work, answers, strict=True) if task is not live]
        assert lives == [[True, False, False]] * 14
        assert searches == [["stays"]] * 42
        entries = watchlist.audit.entries()
        assert len(entries) == 2 + 14 * 6 + 42
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert watchlist.audit.verify().findings == ()
        assert watchlist.keys.status().subjects == 1


def test_sixteen_threads_that_search_leave_one_entry_an_answer(tmp_path: Path) -> None:
    with Watchlist.open(f"sqlite:///{tmp_path / 'a.db'}", actor="ana", analyzer=FakeAnalyzer()) as watchlist:
        for number in range(4):
            watchlist.enroll(f"s{number}", synthetic_picture([number]), consent=synthetic_consent(f"s{number}"))
        before = len(watchlist.audit)
        refs = watchlist._session.resources.snapshot().columns.subject_refs.tolist()
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda number: (number % 5, _found(watchlist, number % 5)), range(400)))
        assert dict(answers) == {
            0: ["s0"],
            1: ["s1"],
            2: ["s2"],
            3: ["s3"],
            4: [],
        }
        entries = watchlist.audit.entries(since_seq=before + 1)
        assert len(entries) == 400
        logged = sorted(entry.details["candidates"] for entry in entries)
        names = dict(zip(watchlist._session.resources.snapshot().columns.subject_ids, refs, strict=True))
        assert logged == sorted([names[name] for name in found] for _, found in answers)
        assert watchlist.audit.verify().findings == ()


def test_searches_that_changes_overtake_are_done_again(tmp_path: Path) -> None:
    with Watchlist.open(f"sqlite:///{tmp_path / 'a.db'}", actor="ana", analyzer=FakeAnalyzer()) as watchlist:
        watchlist.enroll("s", synthetic_picture([1]), consent=synthetic_consent("s"))
        stop = threading.Event()
        results: list[Any] = []

        def search() -> None:
            while not stop.is_set():
                results.append(watchlist.identify(synthetic_picture([1]), purpose=PURPOSE))

        with ThreadPoolExecutor(16) as pool:
            running = [pool.submit(search) for _ in range(16)]
            for number in range(12):
                watchlist.enroll(f"t{number}", synthetic_picture([2]), consent=synthetic_consent(f"t{number}"))
            left = watchlist.withdraw("s", reason="left").generation
            for number in range(12):
                watchlist.erase(f"t{number}", reason="left")
            stop.set()
            for future in running:
                future.result()
        wrong = [r for r in results if bool(r.candidates) != (r.generation < left)]
        assert wrong == []
        entries = [entry for entry in watchlist.audit.entries() if entry.action == "identify"]
        assert len(entries) == len(results) > 16
        generation, in_order = 0, []
        for entry in watchlist.audit.entries():
            if entry.action == "identify":
                in_order.append(entry.details["generation"] == generation)
            elif "generation" in entry.details:
                generation = entry.details["generation"]
        assert all(in_order)


# --- the group commit by itself


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'a.db'}")
    yield made
    made.close()


def _record(number: int) -> AuditRecord:
    return AuditRecord(datetime.now(UTC), "ana", AuditAction.IDENTIFY, AuditOutcome.DONE, details={"number": number})


@contextmanager
def _all_waiting(
    database: Database, commits: GroupCommit, count: int, generation: int
) -> Iterator[tuple[list[Any], Connection]]:
    """Threads that wait together for a commit: none is written before the block ends.

    Yields their outcomes, to be read afterwards, and the connection that they wait for.
    """
    outcomes: list[Any] = [None] * count

    def commit(number: int) -> None:
        try:
            outcomes[number] = commits.commit(generation, _record(number), AUTHORIZATION)
        except BaseException as error:  # noqa: BLE001  # whatever reaches the thread is what the test is about
            outcomes[number] = error

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(count)]
    with database.write(AUTHORIZATION) as connection:
        for thread in threads:
            thread.start()
        while len(commits._queue) < count - 1:  # one has taken its own entry and waits for the lock
            threading.Event().wait(0.001)
        yield outcomes, connection
    for thread in threads:
        thread.join(60)


def test_threads_that_wait_are_written_together(database: Database) -> None:
    batches: list[list[int]] = []
    commits = GroupCommit(database, lambda _, records: batches.append([r.details["number"] for r in records]))
    with _all_waiting(database, commits, 16, 0) as (outcomes, _):
        pass
    assert outcomes == [True] * 16
    assert sorted(number for batch in batches for number in batch) == list(range(16))
    assert len(batches) == 2  # the first alone, all others with the second


def test_an_entry_that_cannot_be_written_fails_every_search_that_waited_for_it(database: Database) -> None:
    def append(_: object, records: Any) -> None:
        raise AuditError("full", hint="free some space")

    commits = GroupCommit(database, append)
    with _all_waiting(database, commits, 16, 0) as (outcomes, _):
        pass
    assert {type(outcome) for outcome in outcomes} == {AuditError}
    assert [str(outcome) for outcome in outcomes] == [str(outcomes[0])] * 16


def test_an_error_of_another_kind_reaches_one_thread_and_fails_the_others(database: Database) -> None:
    def append(_: object, records: Any) -> None:
        raise KeyboardInterrupt

    commits = GroupCommit(database, append)
    with _all_waiting(database, commits, 8, 0) as (outcomes, _):
        pass
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds.count(KeyboardInterrupt) == 2  # a thread a batch
    assert kinds.count(AuditError) == 6
    assert all("search again" in str(o.hint) for o in outcomes if isinstance(o, AuditError))


def test_entries_of_an_older_generation_are_not_written(database: Database) -> None:
    written: list[int] = []
    commits = GroupCommit(database, lambda _, records: written.extend(r.details["number"] for r in records))
    assert commits.commit(0, _record(1), AUTHORIZATION) is True
    with database.write(AUTHORIZATION) as connection:
        connection.exec_driver_sql("UPDATE meta SET generation = 5")
    assert commits.commit(0, _record(2), AUTHORIZATION) is False
    assert commits.commit(6, _record(3), AUTHORIZATION) is False
    assert commits.commit(5, _record(4), AUTHORIZATION) is True
    assert written == [1, 4]


def test_a_change_between_search_and_commit_makes_all_that_waited_search_again(database: Database) -> None:
    written: list[int] = []
    commits = GroupCommit(database, lambda _, records: written.extend(r.details["number"] for r in records))
    with _all_waiting(database, commits, 8, 0) as (outcomes, connection):
        connection.exec_driver_sql("UPDATE meta SET generation = generation + 1")
    assert outcomes == [False] * 8
    assert written == []
    with database.read() as connection:
        assert generation_of(connection) == 1


def test_a_database_that_cannot_be_written_fails_every_search(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer()) as watchlist:
        watchlist.enroll("s", synthetic_picture([1]), consent=synthetic_consent("s"))
        before = len(watchlist.audit)
        real = watchlist._session.resources.append_audit

        def failing(*_: object) -> None:
            raise DatabaseUnavailable("the disk is full", hint="free some space")

        watchlist._session.resources.group_commit._append = failing
        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(_found, watchlist, 1) for _ in range(8)]
            errors = [answer.exception() for answer in answers]
        assert {type(error) for error in errors} == {DatabaseUnavailable}
        watchlist._session.resources.group_commit._append = real
        assert _found(watchlist, 1) == ["s"]
        assert len(watchlist.audit) == before + 1


def test_a_clock_that_jumps_never_lets_a_search_outlive_a_consent(tmp_path: Path) -> None:
    clock = ManualClock()
    start = clock.now
    end = start + timedelta(days=30)
    with Watchlist.open(
        f"sqlite:///{tmp_path / 'a.db'}", actor="ana", analyzer=FakeAnalyzer(), clock=clock
    ) as watchlist:
        consent = synthetic_consent("s", now=start, valid_for=timedelta(days=30))
        watchlist.enroll("s", synthetic_picture([1]), consent=consent)
        first = len(watchlist.audit) + 1
        moments = [start, end, start - timedelta(microseconds=1), end - timedelta(microseconds=1), end]
        stop = threading.Event()

        def jump() -> None:
            number = 0
            while not stop.is_set():
                clock.now = moments[number % len(moments)]
                number += 1

        jumping = threading.Thread(target=jump)
        jumping.start()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: _found(watchlist, 1), range(200)))
        stop.set()
        jumping.join()
        entries = watchlist.audit.entries(since_seq=first)
        ref = watchlist._session.resources.snapshot().columns.subject_refs.tolist()[0]
        assert len(entries) == len(answers) == 200
        wrong = [e for e in entries if (e.details["candidates"] == [ref]) != (start <= e.time < end)]
        assert wrong == []
        assert sorted(len(answer) for answer in answers) == sorted(len(e.details["candidates"]) for e in entries)
        assert {len(answer) for answer in answers} == {0, 1}
        assert watchlist.audit.verify().findings == ()


def test_many_threads_that_end_one_consent_end_it_once(tmp_path: Path) -> None:
    with Watchlist.open(f"sqlite:///{tmp_path / 'a.db'}", actor="ana", analyzer=FakeAnalyzer()) as watchlist:
        watchlist.enroll("s", synthetic_picture([1]), consent=synthetic_consent("s"))

        def end(number: int) -> str:
            try:
                (watchlist.withdraw if number % 2 else watchlist.erase)("s", reason="left")
            except FacematchError as error:
                return error.code
            return "done"

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(end, range(8)))
        assert outcomes[::2].count("done") == 1
        assert outcomes[1::2].count("done") <= 1
        assert set(outcomes) <= {"done", "subject_not_found", "consent_transition"}
        assert watchlist.keys.status().subjects == 0
        assert watchlist.audit.verify().findings == ()
