"""One search's work shared among threads: the caller works too, so a busy pool slows a search but never holds it up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["helpers", "shared_out"]

T = TypeVar("T")


class _Pool:
    """Helper threads of this process; a fork begins with none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[int, ThreadPoolExecutor] | None = None

    def get(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                self._made = (os.getpid(), ThreadPoolExecutor(helpers(), thread_name_prefix="facematch-index"))
            return self._made[1]


_POOL = _Pool()


def helpers() -> int:
    """How many threads help the caller: one for each further core that this process may run on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(cores - 1, 0)


def shared_out(parts: Iterable[T], work: Callable[[Iterator[T]], None], *, wanted: int) -> None:
    """Call ``work`` in the calling thread and in up to ``wanted - 1`` others; each takes parts until none is left.

    Args:
        parts: What is to be done; each part is given out once.
        work: Takes an iterator over parts; everything it says of them must be safe to say from several threads.
        wanted: How many threads are worth while, at least 1.

    Raises:
        BaseException: Whatever ``work`` raised first; the others stop taking parts.
    """
    queue = _Queue(iter(parts))
    others: list[Future[None]] = []
    count = min(wanted - 1, helpers())
    if count > 0:
        pool = _POOL.get()
        others = [pool.submit(work, queue) for _ in range(count)]
    try:
        work(queue)
    finally:
        queue.close()
        for other in others:
            if not other.cancel():
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
