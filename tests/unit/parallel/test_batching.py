"""Calls of many threads run together, in order, within bounds, and each gets its own answer or error."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable

import pytest

from facematch.parallel.batching import Batcher, Full

pytestmark = pytest.mark.alone


class Doubling:
    """Doubles numbers, notes what was run together, and can be held up."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Semaphore(0)

    def __call__(self, kind: Hashable, items: list[int]) -> list[int]:
        self.runs.append(items)
        self.entered.release()
        assert self.free.wait(30)
        if -1 in items:
            raise ValueError("minus one")
        return [item * 2 for item in items]


def start(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_a_call_alone_runs_at_once_and_alone() -> None:
    run = Doubling()
    batcher = Batcher(run, most=4, waiting=8)
    assert batcher("a", [1, 2]) == [2, 4]
    assert batcher("a", []) == []
    assert batcher("a", list(range(10))) == list(range(0, 20, 2))  # more than fit together: by itself
    assert [len(items) for items in run.runs] == [2, 10]


def test_what_comes_in_meanwhile_runs_together_next() -> None:
    run = Doubling()
    batcher = Batcher(run, most=4, waiting=100)
    run.free.clear()
    answers: dict[int, list[int]] = {}
    threads = [start(lambda: answers.update({0: batcher("a", [0])}))]
    assert run.entered.acquire(timeout=30)
    for number in range(1, 8):
        threads.append(start(lambda number=number: answers.update({number: batcher("a", [number])})))  # type: ignore[misc]
        wait_for(lambda number=number: batcher._queued == number)  # type: ignore[misc]
    run.free.set()
    for thread in threads:
        thread.join(30)
    assert answers == {number: [2 * number] for number in range(8)}
    assert run.runs == [[0], [1, 2, 3, 4], [5, 6, 7]]


def test_kinds_are_not_mixed_and_nobody_is_passed_over() -> None:
    run = Doubling()
    batcher = Batcher(run, most=10, waiting=100)
    run.free.clear()
    threads = [start(lambda: batcher("a", [0]))]
    assert run.entered.acquire(timeout=30)
    for place, (kind, number) in enumerate([("a", 1), ("a", 2), ("b", 3), ("a", 4)], 1):
        threads.append(start(lambda kind=kind, number=number: batcher(kind, [number])))  # type: ignore[misc]
        wait_for(lambda place=place: batcher._queued == place)  # type: ignore[misc]
    run.free.set()
    for thread in threads:
        thread.join(30)
    assert run.runs == [[0], [1, 2], [3], [4]]


def test_an_error_reaches_only_the_call_that_it_concerns() -> None:
    run = Doubling()
    batcher = Batcher(run, most=10, waiting=100)
    run.free.clear()
    answers: dict[int, object] = {}

    def ask(number: int) -> None:
        try:
            answers[number] = batcher("a", [number])
        except ValueError as error:
            answers[number] = str(error)

    threads = [start(lambda: ask(0))]
    assert run.entered.acquire(timeout=30)
    for place, number in enumerate((1, -1, 3), 1):
        threads.append(start(lambda number=number: ask(number)))  # type: ignore[misc]
        wait_for(lambda place=place: batcher._queued == place)  # type: ignore[misc]
    run.free.set()
    for thread in threads:
        thread.join(30)
    assert answers == {0: [0], 1: [2], -1: "minus one", 3: [6]}
    assert batcher("a", [5]) == [10]


def test_who_finds_no_place_waits_or_is_turned_away() -> None:
    run = Doubling()
    batcher = Batcher(run, most=2, waiting=2)
    impatient = Batcher(run, most=2, waiting=2, patience=0.02)
    for made in (batcher, impatient):
        run.free.clear()
        threads = [start(lambda made=made: made("a", [0]))]  # type: ignore[misc]
        assert run.entered.acquire(timeout=30)
        threads.append(start(lambda made=made: made("a", [1, 2])))  # type: ignore[misc]
        wait_for(lambda made=made: made._queued == 2)  # type: ignore[misc]
        if made is impatient:
            with pytest.raises(Full):
                made("a", [3])
        else:
            threads.append(start(lambda made=made: made("a", [3])))  # type: ignore[misc]
            time.sleep(0.05)
            assert made._queued == 2  # the third one waits outside
        run.free.set()
        for thread in threads:
            thread.join(30)
    assert sorted(item for items in run.runs for item in items) == [0, 0, 1, 1, 2, 2, 3]


def test_a_call_larger_than_all_places_gets_in_when_nobody_waits() -> None:
    assert Batcher(Doubling(), most=2, waiting=2)("a", [1, 2, 3, 4, 5]) == [2, 4, 6, 8, 10]


def test_a_pause_gathers_what_comes_a_moment_later() -> None:
    run = Doubling()
    batcher = Batcher(run, most=3, waiting=10, pause=20.0)
    threads = [start(lambda number=number: batcher("a", [number])) for number in range(3)]  # type: ignore[misc]
    for thread in threads:
        thread.join(30)
    assert [sorted(items) for items in run.runs] == [[0, 1, 2]]  # full: it did not wait twenty seconds


def test_an_interrupted_thread_leaves_its_companions_served() -> None:
    calls = threading.Semaphore(0)
    free = threading.Event()
    broken: list[list[int]] = []

    def run(kind: Hashable, items: list[int]) -> list[int]:
        calls.release()
        assert free.wait(30)
        if items[0] == 1 and not broken:
            broken.append(items)
            raise KeyboardInterrupt
        return items

    batcher = Batcher(run, most=10, waiting=10)
    answers: dict[int, object] = {}

    def ask(number: int) -> None:
        try:
            answers[number] = batcher("a", [number])
        except KeyboardInterrupt:
            answers[number] = "interrupted"

    threads = [start(lambda: ask(0))]
    assert calls.acquire(timeout=30)
    for number in (1, 2, 3):
        threads.append(start(lambda number=number: ask(number)))  # type: ignore[misc]
        wait_for(lambda number=number: batcher._queued == number)  # type: ignore[misc]
    free.set()
    for thread in threads:
        thread.join(30)
    assert len(broken) == 1
    assert sorted(str(answer) for answer in answers.values())[-1] == "interrupted"
    served = {number for number, answer in answers.items() if answer == [number]}
    assert len(served) == 3


def test_an_interrupt_while_it_gathers_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    batcher = Batcher(Doubling(), most=4, waiting=8, pause=0.01)
    gather = batcher._gather

    def interrupted() -> None:
        monkeypatch.setattr(batcher, "_gather", gather)
        raise KeyboardInterrupt

    monkeypatch.setattr(batcher, "_gather", interrupted)
    with pytest.raises(KeyboardInterrupt):
        batcher("a", [1])
    answers: list[list[int]] = []
    thread = start(lambda: answers.append(batcher("a", [2])))
    thread.join(30)
    assert answers == [[4]], "the thread hangs, or ran what was taken back"
    assert batcher._queued == 0


def test_a_large_call_is_not_passed_over_for_ever() -> None:
    def run(kind: Hashable, items: list[int]) -> list[int]:
        time.sleep(0.0005)
        return items

    batcher = Batcher(run, most=4, waiting=4)
    over = threading.Event()

    def small() -> None:
        while not over.is_set():
            batcher("a", [1])

    threads = [start(small) for _ in range(8)]
    large = start(lambda: batcher("a", [1, 2, 3, 4]))
    large.join(20)
    starved = large.is_alive()
    over.set()
    for thread in [*threads, large]:
        thread.join(30)
    assert not starved


def test_many_threads_get_their_own_answers() -> None:
    def run(kind: Hashable, items: list[int]) -> list[int]:
        time.sleep(0.0005)
        return [item * 3 for item in items]

    batcher = Batcher(run, most=8, waiting=12)
    wrong: list[int] = []

    def ask(number: int) -> None:
        for turn in range(60):
            items = [number * 1000 + turn + extra for extra in range(1 + (number + turn) % 3)]
            if batcher(turn % 2, items) != [item * 3 for item in items]:
                wrong.append(number)

    threads = [start(lambda number=number: ask(number)) for number in range(8)]  # type: ignore[misc]
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_begins_with_an_empty_queue() -> None:
    run = Doubling()
    batcher = Batcher(run, most=2, waiting=2)
    run.free.clear()
    thread = start(lambda: batcher("a", [1]))
    assert run.entered.acquire(timeout=30)
    child = os.fork()
    if child == 0:
        try:
            run.free = threading.Event()
            run.free.set()
            os._exit(0 if batcher("a", [4]) == [8] else 1)
        finally:
            os._exit(2)
    until = time.monotonic() + 30
    done, status = os.waitpid(child, os.WNOHANG)
    while done == 0:
        assert time.monotonic() < until, "the child hangs"
        time.sleep(0.01)
        done, status = os.waitpid(child, os.WNOHANG)
    run.free.set()
    thread.join(30)
    assert os.waitstatus_to_exitcode(status) == 0
