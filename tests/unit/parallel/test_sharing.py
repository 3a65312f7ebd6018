"""Work shared among threads, and what becomes of it in other processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from facematch.parallel import shared_out, sharing


@pytest.fixture(autouse=True)
def three_helpers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pool = sharing._Pool()
    monkeypatch.setattr(sharing, "helpers", lambda: 3)
    monkeypatch.setattr(sharing, "_POOL", pool)
    yield
    if pool._made is not None:
        pool._made.shutdown()


def test_every_part_is_given_out_once_and_all_threads_take_some() -> None:
    taken: list[tuple[int, int]] = []
    meeting = threading.Barrier(4, timeout=30)

    def work(parts: Iterator[int]) -> None:
        for number, part in enumerate(parts):
            taken.append((part, threading.get_ident()))
            if number == 0:
                meeting.wait()  # so nobody can take everything

    shared_out(range(50), work, wanted=4)
    assert sorted(part for part, _ in taken) == list(range(50))
    assert len({thread for _, thread in taken}) == 4


@pytest.mark.parametrize("wanted", [0, 1])
def test_a_caller_that_wants_no_help_works_alone(wanted: int) -> None:
    threads: list[int] = []
    shared_out(range(5), lambda parts: threads.extend(threading.get_ident() for _ in parts), wanted=wanted)
    assert threads == [threading.get_ident()] * 5
    assert sharing._POOL._made is None


def test_a_busy_pool_does_not_hold_a_caller_up() -> None:
    busy, free = threading.Barrier(4, timeout=30), threading.Event()
    occupied = [sharing._POOL.get().submit(lambda: (busy.wait(), free.wait(30))) for _ in range(3)]
    busy.wait()
    taken: list[int] = []
    shared_out(range(20), taken.extend, wanted=4)
    assert taken == list(range(20))
    free.set()
    assert all(task.result(30)[1] for task in occupied)


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("in_caller", [True, False])
def test_what_goes_wrong_in_any_thread_reaches_the_caller_and_stops_the_others(
    raised: type[BaseException], in_caller: bool
) -> None:
    caller = threading.get_ident()
    met, failed = threading.Barrier(4, timeout=30), threading.Event()
    taken: list[int] = []

    def work(parts: Iterator[int]) -> None:
        met.wait()
        own = threading.get_ident() == caller
        for part in parts:
            if own == in_caller:
                failed.set()
                raise raised("broken")
            assert failed.wait(30)
            time.sleep(0.001)
            taken.append(part)

    with pytest.raises(raised, match="broken"):
        shared_out(range(1000), work, wanted=4)
    assert len(taken) < 500
    done: list[int] = []
    shared_out(range(10), done.extend, wanted=4)
    assert sorted(done) == list(range(10))


def test_parts_that_cannot_be_made_reach_the_caller() -> None:
    def parts() -> Iterator[int]:
        yield 1
        raise OSError("no more")

    taken: list[int] = []
    with pytest.raises(OSError, match="no more"):
        shared_out(parts(), taken.extend, wanted=4)


def test_a_thread_that_cannot_be_started_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task of it may lie in the pool's queue all the same, and a thread may take it up: it must not work then."""
    left_behind: list[threading.Thread] = []
    pool = sharing._POOL.get()

    def refuse(task: Callable[..., Any], *args: Any) -> Future[None]:
        left_behind.append(threading.Thread(target=task, args=args))
        left_behind[-1].start()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool, "submit", refuse)
    taken: list[int] = []
    threads = set()

    def work(parts: Iterator[int]) -> None:
        for part in parts:
            left_behind[0].join(0.001)
            threads.add(threading.get_ident())
            taken.append(part)

    shared_out(range(200), work, wanted=4)
    assert len(left_behind) == 1
    left_behind[0].join()
    assert taken == list(range(200))
    assert threads == {threading.get_ident()}
