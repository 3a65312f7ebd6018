"""Calls of many threads run together: what comes in while one run is under way makes up the next.

There is no thread of its own and, by default, no waiting: a call that finds nothing under way runs at once and alone.
Under load the calls that queue up meanwhile are run together by whichever of them is free first, in the order in which
they came. How much may queue up is bounded; who comes then waits for a place, in that order too, which slows down
threads that are too fast.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar
from weakref import WeakSet

__all__ = ["Batcher", "Full"]

T = TypeVar("T")
R = TypeVar("R")


class Full(Exception):
    """No place became free in time."""


class _Call(Generic[T, R]):
    def __init__(self, kind: Hashable, items: Sequence[T]) -> None:
        self.kind = kind
        self.items = items
        self.results: list[R] | None = None
        self.error: BaseException | None = None

    @property
    def over(self) -> bool:
        return self.results is not None or self.error is not None


class Batcher(Generic[T, R]):
    """Runs the items of many callers together.

    Args:
        run: Called as ``run(kind, items)``, by one thread at a time; gives a result an item, in order.
        most: Items that are run together; a call with more is run by itself.
        waiting: Items that may wait; a call that finds more waits for a place.
        pause: Seconds to wait for more items before a run that is not full.
        patience: Seconds a call waits for a place; ``None``: as long as it takes.
    """

    def __init__(
        self,
        run: Callable[[Hashable, list[T]], list[R]],
        *,
        most: int,
        waiting: int,
        pause: float = 0.0,
        patience: float | None = None,
    ) -> None:
        self._run = run
        self._most = most
        self._waiting = waiting
        self._pause = pause
        self._patience = patience
        self.begin()
        _ALL.add(self)

    def begin(self) -> None:
        """Forget all calls; for a forked child, which has the queue of its parent and none of the threads in it."""
        self._changed = threading.Condition()
        self._outside: deque[_Call[T, R]] = deque()
        self._queue: deque[_Call[T, R]] = deque()
        self._queued = 0
        self._busy = False

    def __call__(self, kind: Hashable, items: Sequence[T]) -> list[R]:
        """The results of items, in order.

        Args:
            kind: Only calls of one kind are run together.
            items: What to run; none gives no result.

        Raises:
            Full: No place became free in time.
            Exception: What ``run`` raised for these items; callers that were run together with them are run again.
        """
        if not items:
            return []
        call: _Call[T, R] = _Call(kind, items)
        try:
            self._enqueue(call)
            while not call.over:
                self._wait_or_lead(call)
        except BaseException:
            self._withdraw(call)
            raise
        if call.error is not None:
            raise call.error
        assert call.results is not None
        return call.results

    def _enqueue(self, call: _Call[T, R]) -> None:
        size = len(call.items)

        def has_place() -> bool:
            first = self._outside[0] is call
            return first and (self._queued == 0 or self._queued + size <= self._waiting)

        with self._changed:
            self._outside.append(call)
            if not self._changed.wait_for(has_place, timeout=self._patience):
                raise Full
            self._outside.popleft()
            self._queue.append(call)
            self._queued += size
            self._changed.notify_all()

    def _wait_or_lead(self, call: _Call[T, R]) -> None:
        """Wait until the call is over, or until nothing is under way; then run what waits, this call or another."""
        together: list[_Call[T, R]] = []
        leads = False
        try:
            with self._changed:
                self._changed.wait_for(lambda: call.over or not self._busy)
                if call.over:
                    return
                leads = self._busy = True
                self._gather()
                together = self._take()
            self._serve(together)
        finally:
            if leads:
                with self._changed:
                    unserved = [each for each in together if not each.over]  # this thread was interrupted
                    self._queue.extendleft(reversed(unserved))
                    self._queued += sum(len(each.items) for each in unserved)
                    self._busy = False
                    self._changed.notify_all()

    def _gather(self) -> None:
        """Wait for more, if that was asked for."""
        until = time.monotonic() + self._pause
        while self._pause and self._queued < self._most and (left := until - time.monotonic()) > 0:
            self._changed.wait(left)

    def _take(self) -> list[_Call[T, R]]:
        """The calls at the front that fit together."""
        together = [self._queue.popleft()]
        size = len(together[0].items)
        while self._queue and self._queue[0].kind == together[0].kind:
            size += len(self._queue[0].items)
            if size > self._most:
                break
            together.append(self._queue.popleft())
        self._queued -= sum(len(call.items) for call in together)
        self._changed.notify_all()
        return together

    def _withdraw(self, call: _Call[T, R]) -> None:
        """Take back a call whose thread goes away."""
        with self._changed:
            if call in self._outside:
                self._outside.remove(call)
            if call in self._queue:
                self._queue.remove(call)
                self._queued -= len(call.items)
            self._changed.notify_all()

    def _serve(self, together: list[_Call[T, R]]) -> None:
        try:
            self._answer(together)
        except Exception as error:  # noqa: BLE001 - handed on to the callers
            if len(together) == 1:
                together[0].error = error
                return
            for call in together:  # each alone, so that it reaches the one that it concerns
                try:
                    self._answer([call])
                except Exception as own:  # noqa: BLE001 - handed on to its caller
                    call.error = own

    def _answer(self, together: list[_Call[T, R]]) -> None:
        results = self._run(together[0].kind, [item for call in together for item in call.items])
        start = 0
        for call in together:
            call.results = results[start : start + len(call.items)]
            start += len(call.items)


_ALL: WeakSet[Batcher[Any, Any]] = WeakSet()


def _after_fork() -> None:
    for each in list(_ALL):
        each.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
