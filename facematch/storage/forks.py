"""Forks: no SQLite connection crosses one.

A connection that a forked child uses believes in file locks that only its parent holds, and so do connections that the
child opens itself as long as the library remembers the parent's; the parent's close would then delete the write-ahead
log under the child. So before a fork all transactions are waited for and all connections are closed; afterwards parent
and child open their own when they next need one. A fork in the middle of the forking thread's own transaction, or one
that Python is not told of, cannot be prepared: there the child is refused.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakSet

from facematch.errors import DatabaseUnavailable

__all__ = ["ForkAware", "require_own", "transaction", "watch"]

_WAIT_S = 60.0
"""How long a fork waits for transactions of other threads before it goes on unprepared."""


class ForkAware(Protocol):
    """What holds connections or locks that must not cross a fork."""

    def before_fork(self) -> None:
        """Close connections; no transaction is open now, and none begins before the fork."""
        ...

    def after_fork_in_child(self, *, threads: bool) -> None:
        """Replace locks.

        Args:
            threads: Whether other threads were running: what they were at stays half done.
        """
        ...


class _Depth(threading.local):
    value = 0


class _State:
    def __init__(self, *, crossed: bool = False) -> None:
        self.pid = os.getpid()
        self.condition = threading.Condition()
        self.active = 0
        self.depth = _Depth()
        self.one_at_a_time = threading.Lock()
        self.forking = False
        self.prepared = False
        self.threads = False
        self.crossed = crossed


_state = _State()
_watched: WeakSet[ForkAware] = WeakSet()


def watch(holder: ForkAware) -> None:
    """Have a holder of connections told of forks for as long as it lives."""
    _watched.add(holder)


def require_own() -> None:
    """Refuse a process whose connections came to it over a fork that could not be prepared.

    Raises:
        DatabaseUnavailable: It is such a process.
    """
    if _state.crossed or _state.pid != os.getpid():
        raise DatabaseUnavailable(
            "this process was forked in the middle of a transaction on a watchlist, or without Python knowing of it",
            hint="fork outside of calls, or start workers with multiprocessing's spawn or forkserver",
        )


@contextmanager
def transaction() -> Iterator[None]:
    """The time during which a connection is in use: a fork waits for its end, and it for the end of a fork.

    Raises:
        DatabaseUnavailable: The process was forked while its connections could not be closed.
    """
    require_own()
    state = _state
    if state.depth.value == 0:
        with state.condition:
            while state.forking:
                state.condition.wait()
            state.active += 1
    state.depth.value += 1
    try:
        yield
    finally:
        state.depth.value -= 1
        if state.depth.value == 0:
            with state.condition:
                state.active -= 1
                state.condition.notify_all()


def _before() -> None:
    state = _state
    state.one_at_a_time.acquire()
    state.threads = threading.active_count() > 1
    state.prepared = False
    if state.depth.value > 0:
        return
    with state.condition:
        state.forking = True
        state.prepared = state.condition.wait_for(lambda: state.active == 0, timeout=_WAIT_S)
    if state.prepared:
        for holder in list(_watched):
            holder.before_fork()


def _after_in_parent() -> None:
    with _state.condition:
        _state.forking = False
        _state.condition.notify_all()
    _state.one_at_a_time.release()


def _after_in_child() -> None:
    global _state
    before, _state = _state, _State(crossed=not _state.prepared and bool(_watched))
    for holder in list(_watched):
        holder.after_fork_in_child(threads=before.threads)


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
