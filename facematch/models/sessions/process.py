"""Native objects that do not survive a fork: each process has its own, made when it is first needed."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

__all__ = ["MadeFromArguments", "PerProcess"]

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Something made once in each process.

    A forked child has the memory of an inference session but none of its threads: it would wait for them for ever, in a
    run as well as when the session is destroyed. So the child makes another one, and the parent's is never destroyed
    in it.

    Args:
        make: Makes it; called now, and once more in each forked child that asks for it.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: T | None = make()
        _ALL.add(self)

    def get(self) -> T:
        """That of this process."""
        made = self._made
        if made is None:
            with self._lock:
                made = self._made = self._make() if self._made is None else self._made
        return made

    def leave_behind(self) -> None:
        """Forget what the parent of this process made; for a child that has just begun."""
        if self._made is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._made))  # so that nothing ever destroys it here
        self._made = None
        self._lock = threading.Lock()


class MadeFromArguments:
    """A class whose objects are pickled as the arguments that they were made from, and made anew from them."""

    _arguments: dict[str, Any]

    def __getstate__(self) -> dict[str, Any]:
        return self._arguments

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


_ALL: WeakSet[PerProcess[Any]] = WeakSet()


def _after_fork() -> None:
    for each in list(_ALL):
        each.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
