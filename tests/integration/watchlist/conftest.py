from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.watchlist.worker import serve
from tests.warm import start


class Worker:
    """Another process with a watchlist of its own."""

    def __init__(self) -> None:
        self.process, self._connection = start(serve)

    def send(self, op: str, **message: Any) -> None:
        """Tell it to do something, without waiting."""
        self._connection.send({"op": op, **message})

    def answer(self) -> Any:
        """Its next answer as it came, also an error."""
        return self._connection.recv()

    def receive(self) -> Any:
        """Its next answer."""
        answer = self.answer()
        assert "error" not in answer, answer
        return answer["ok"]

    def ask(self, op: str, **message: Any) -> Any:
        """Tell it to do something, and wait for the answer."""
        self.send(op, **message)
        return self.receive()

    def wait_for_death(self) -> int | None:
        """Wait until it has ended; its exit status, negative for a signal."""
        self.process.join(timeout=60)
        return self.process.exitcode

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self.process.kill()
        self.process.join(timeout=60)
        self._connection.close()


@pytest.fixture
def start_worker() -> Iterator[Callable[[], Worker]]:
    started: list[Worker] = []

    def start_one() -> Worker:
        worker = Worker()
        started.append(worker)
        return worker

    yield start_one
    for worker in started:
        worker.kill()
