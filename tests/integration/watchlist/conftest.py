from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WORKER = Path(__file__).with_name("worker.py")


class Worker:
    """Another process with a watchlist of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, op: str, **message: Any) -> None:
        """Tell it to do something, without waiting."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"op": op, **message}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Its next answer as it came, also an error."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process has ended"
        return json.loads(line)

    def receive(self) -> Any:
        """Its next answer."""
        answer = self.answer()
        assert "error" not in answer, answer
        return answer["ok"]

    def ask(self, op: str, **message: Any) -> Any:
        """Tell it to do something, and wait for the answer."""
        self.send(op, **message)
        return self.receive()

    def wait_for_death(self) -> int:
        """Wait until it has ended."""
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self.process.kill()
        self.process.wait(timeout=60)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def start_worker() -> Iterator[Callable[[], Worker]]:
    started: list[Worker] = []

    def start() -> Worker:
        worker = Worker()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        if worker.process.stdin is not None and not worker.process.stdin.closed:
            worker.kill()
