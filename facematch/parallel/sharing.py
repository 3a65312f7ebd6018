"""One call's work shared among threads: the caller works too, so a busy pool slows a call but never holds it up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TypeVar

from facematch.parallel.cpus import usable_cpus

__all__ = ["helpers", "shared_out"]

T = TypeVar("T")


class _Pool:
    """Helper threads of this process; a fork begins with none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: ThreadPoolExecutor | None = None

    def get(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._made is None:
                self._made = ThreadPoolExecutor(helpers(), thread_name_prefix="facematch")
            return self._made

    def forget(self) -> None:
        self._lock = threading.Lock()  # the old one may be held by a thread that the fork has not taken along
        self._made = None


_POOL = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_POOL.forget)


def helpers() -> int:
    """Number of threads that help the caller: one for each further processor that this process may use."""
    return usable_cpus() - 1


def shared_out(parts: Iterable[T], work: Callable[[Iterator[T]], None], *, wanted: int) -> None:
    """Call ``work`` in the calling thread and in up to ``wanted - 1`` others; each takes parts until none is left.

    Args:
        parts: What is to be done; each part is given out once.
        work: Takes an iterator over parts; everything it says of them must be safe to say from several threads.
        wanted: How many threads are worth while, at least 1.

    Raises:
        BaseException: What ``work`` raised in any thread; the others stop taking parts.
    """
    queue = _Queue(iter(parts))
    others: list[Future[None]] = []
    admitting = threading.Lock()

    def help_out(number: int) -> None:
        with admitting:
            awaited = number < len(others)
        if awaited:
            try:
                work(queue)
            except BaseException:
                queue.close()
                raise

    try:
        with admitting, suppress(RuntimeError):  # no more threads can be started: the interpreter may be ending
            for number in range(min(wanted - 1, helpers())):
                others.append(_POOL.get().submit(help_out, number))  # noqa: PERF401 - those before an error count
        work(queue)
    finally:
        queue.close()
        running = [other for other in others if not other.cancel()]
        wait(running)  # all of them: none may go on with the caller's data when this returns
        for other in running:
            other.result()


class _Queue(Iterator[T]):
    def __init__(self, parts: Iterator[T]) -> None:
        self._lock = threading.Lock()
        self._parts = parts
        self._closed = False

    def __next__(self) -> T:
        with self._lock:
            if self._closed:
                raise StopIteration
            return next(self._parts)

    def close(self) -> None:
        with self._lock:
            self._closed = True
