"""Several processes append to one log; one of them dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.integration.watchlist.audit_support import Log

_ROOT = Path(__file__).parents[3]
_MODULE = "tests.integration.watchlist.audit_worker"


def start(path: Path, transactions: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", _MODULE, str(path), str(transactions)]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def end(process: subprocess.Popen[str]) -> int:
    with process:
        return process.wait(timeout=60)


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
