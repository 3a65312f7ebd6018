"""Forks: parent and child each have connections of their own, and neither's close hurts the other."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import DatabaseUnavailable
from facematch.governance import AuditAction
from facematch.storage import forks
from facematch.watchlist import Watchlist
from tests.integration.watchlist.conftest import Worker
from tests.integration.watchlist.test_locks import enroll, found, open_watchlist


class Child:
    """A forked child that does one thing when told to, and says what came of it."""

    def __init__(self, act: Callable[[], Any]) -> None:
        go, self._go = os.pipe()
        self._answer, answer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._go)
            try:
                os.read(go, 1)
                said: Any = act()
            except BaseException as error:  # noqa: BLE001 - it is reported
                said = {"error": type(error).__name__, "message": str(error), "where": traceback.format_exc()}
            os.write(answer, json.dumps(said).encode())
            os.read(go, 1)  # stays alive, with everything open, until the parent lets go
            os._exit(0)
        os.close(go)
        os.close(answer)

    def tell(self) -> Any:
        """Tell it to act, and wait for its answer."""
        os.write(self._go, b"x")
        return json.loads(os.read(self._answer, 1 << 20))

    def end(self) -> None:
        """Let it end; another child may hold a copy of the pipe, so it is told."""
        os.write(self._go, b"x")
        os.close(self._go)
        os.waitpid(self.pid, 0)
        os.close(self._answer)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "w.db"
    with open_watchlist(path) as watchlist:
        for person in (1, 2):
            enroll(watchlist, f"s-{person}", person)
        watchlist.actors.grant("worker", "owner")
    return path


def _work(watchlist: Watchlist) -> dict[str, Any]:
    """What a worker does in the child: a withdrawal and an enrollment, both acknowledged."""
    before = found(watchlist, 1)
    watchlist.withdraw("s-1", reason="left")
    enroll(watchlist, "s-3", 3)
    return {"before": before, "after": found(watchlist, 1), "new": found(watchlist, 3)}


DONE = {"before": ["s-1"], "after": [], "new": ["s-3"]}


@pytest.mark.parametrize("closes", ["before the child acts", "after the child acted", "never"])
def test_what_a_forked_worker_acknowledged_is_there_whenever_the_parent_closes(
    path: Path, start_worker: Callable[[], Worker], closes: str
) -> None:
    watchlist = open_watchlist(path)
    assert found(watchlist, 1) == ["s-1"]
    child = Child(lambda: _work(watchlist))
    other = start_worker()
    if closes == "before the child acts":
        watchlist.close()
    other.ask("open", path=str(path))
    assert other.ask("search", person=1)["found"] == ["s-1"]
    assert child.tell() == DONE
    if closes == "after the child acted":
        watchlist.close()
    assert other.ask("search", person=1)["found"] == []
    assert other.ask("search", person=3)["found"] == ["s-3"]
    if closes == "never":
        assert found(watchlist, 1) == []
        enroll(watchlist, "s-4", 4)
        assert other.ask("search", person=4)["found"] == ["s-4"]
    child.end()
    other.kill()
    watchlist.close()
    with open_watchlist(path) as again:
        assert (found(again, 1), found(again, 3)) == ([], ["s-3"])
        assert again.audit.verify().findings == ()


def test_parent_and_child_write_at_once(path: Path) -> None:
    watchlist = open_watchlist(path)

    def many(first: int) -> list[str]:
        for number in range(first, first + 10):
            enroll(watchlist, f"n-{number}", number)
        return [f"n-{number}" for number in range(first, first + 10)]

    child = Child(lambda: many(100))
    thread = threading.Thread(target=many, args=(200,))
    thread.start()
    assert child.tell() == [f"n-{number}" for number in range(100, 110)]
    thread.join()
    child.end()
    names = {record.subject_id for record in watchlist.subjects.list()}
    assert {f"n-{number}" for first in (100, 200) for number in range(first, first + 10)} <= names
    assert [found(watchlist, number) for number in (100, 109, 200, 209)] == [["n-100"], ["n-109"], ["n-200"], ["n-209"]]
    assert watchlist.audit.verify().findings == ()
    watchlist.close()


def test_a_fork_waits_for_the_transactions_of_other_threads(path: Path) -> None:
    watchlist = open_watchlist(path)
    began, order = threading.Event(), []

    def slow() -> None:
        with watchlist._session.operation(AuditAction.ERASE) as operation, operation.write():
            began.set()
            time.sleep(0.5)
            order.append("committed")

    thread = threading.Thread(target=slow)
    thread.start()
    assert began.wait(30)
    child = Child(lambda: found(watchlist, 1))
    order.append("forked")
    thread.join()
    assert order == ["committed", "forked"]
    assert child.tell() == ["s-1"]
    child.end()
    assert found(watchlist, 1) == ["s-1"]
    watchlist.close()


def test_threads_that_fork_at_once_while_others_search_harm_nothing(path: Path) -> None:
    with open_watchlist(path) as watchlist:
        stop, answers = threading.Event(), []

        def search() -> None:
            while not stop.is_set():
                answers.append(found(watchlist, 1))

        def fork() -> None:
            for _ in range(5):
                child = Child(lambda: found(watchlist, 2))
                said.append(child.tell())
                child.end()

        said: list[Any] = []
        searching = [threading.Thread(target=search) for _ in range(2)]
        forking = [threading.Thread(target=fork) for _ in range(2)]
        for thread in (*searching, *forking):
            thread.start()
        for thread in forking:
            thread.join()
        stop.set()
        for thread in searching:
            thread.join()
        assert said == [["s-2"]] * 10
        assert answers == [["s-1"]] * len(answers)
        assert len(answers) > 5
        assert watchlist.audit.verify().findings == ()


def test_a_fork_in_the_middle_of_its_own_transaction_is_refused_in_the_child(path: Path) -> None:
    with open_watchlist(path) as watchlist:
        with watchlist._session.operation(AuditAction.ERASE) as operation, operation.write() as tx:
            child = Child(lambda: found(watchlist, 1))
            again = Child(lambda: found(open_watchlist(path), 1))
            tx.audit({"fork": True})
        for each in (child, again):
            said = each.tell()
            assert said["error"] == "DatabaseUnavailable", said
            assert "forked in the middle of a transaction" in said["message"]
            each.end()
        assert found(watchlist, 1) == ["s-1"]
        assert watchlist.audit.verify().findings == ()


def test_a_fork_that_python_was_not_told_of_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_watchlist(path) as watchlist:
        monkeypatch.setattr(forks._state, "pid", os.getpid() + 1)
        with pytest.raises(DatabaseUnavailable, match="without Python knowing"):
            found(watchlist, 1)


def test_a_watchlist_in_memory_stays_with_its_process() -> None:
    with open_watchlist_in_memory() as watchlist:
        enroll(watchlist, "s", 1)
        child = Child(lambda: found(watchlist, 1))
        said = child.tell()
        assert said["error"] == "DatabaseUnavailable", said
        child.end()
        assert found(watchlist, 1) == ["s"]


def open_watchlist_in_memory() -> Watchlist:
    from facematch.testing import FakeAnalyzer

    return Watchlist.open("sqlite://", actor="ana", analyzer=FakeAnalyzer())


_SHARED: list[Watchlist] = []


def _in_pool(number: int) -> list[str]:
    enroll(_SHARED[0], f"pool-{number}", number)
    return found(_SHARED[0], number)


def _opened_in_pool(arguments: tuple[str, int]) -> list[str]:
    path, number = arguments
    with open_watchlist(Path(path)) as watchlist:
        enroll(watchlist, f"pool-{number}", number)
        return found(watchlist, number)


def test_a_pool_of_forked_workers_uses_what_the_parent_opened(path: Path) -> None:
    with open_watchlist(path) as watchlist:
        _SHARED[:] = [watchlist]
        with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("fork")) as pool:
            answers = list(pool.map(_in_pool, range(300, 312)))
        assert answers == [[f"pool-{number}"] for number in range(300, 312)]
        assert [found(watchlist, number) for number in range(300, 312)] == answers
        assert watchlist.audit.verify().findings == ()
    _SHARED.clear()


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_pools_that_do_not_fork_open_their_own(path: Path, method: str) -> None:
    with open_watchlist(path) as watchlist:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
            answers = list(pool.map(_opened_in_pool, [(str(path), number) for number in range(400, 404)]))
        assert answers == [[f"pool-{number}"] for number in range(400, 404)]
        assert [found(watchlist, number) for number in range(400, 404)] == answers
