"""Several processes append to one log; one of them dies."""

from __future__ import annotations

import itertools
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests import warm
from tests.integration.watchlist.audit_support import Log


def append(connection: Connection, path: Path, transactions: int) -> None:
    """Append so many times, or until the process is killed."""
    log = Log(path)
    for number in range(transactions) if transactions else itertools.count():
        log.fill(7, number)
        if number == 0:
            connection.send("started")


def start(path: Path, transactions: int) -> BaseProcess:
    process, connection = warm.start(append, path, transactions)
    with connection:
        assert connection.recv() == "started"
    return process


def end(process: BaseProcess) -> int | None:
    process.join(timeout=60)
    return process.exitcode


def test_processes_append_one_after_the_other(tmp_path: Path) -> None:
    log = Log(tmp_path / "w.db")
    processes = [start(log.path, 40) for _ in range(2)]
    log.fill(3)
    assert [end(process) for process in processes] == [0, 0]
    assert [entry.seq for entry in log.log.entries()] == list(range(1, 2 * 40 * 7 + 4))
    assert log.log.verify().findings == ()


def test_a_process_that_dies_leaves_a_log_that_verifies_and_goes_on(tmp_path: Path) -> None:
    log = Log(tmp_path / "w.db")
    sizes = []
    for _ in range(3):
        process = start(log.path, 0)
        process.kill()
        assert end(process) == -9
        sizes.append(len(log.log))
        assert sizes[-1] % 7 == 0
        assert log.log.verify().findings == ()
    assert 7 <= sizes[0] < sizes[1] < sizes[2]
    assert log.fill(1) == range(sizes[2] + 1, sizes[2] + 2)
