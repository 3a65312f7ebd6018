"""Processes for tests, forked from a server that has imported the package already and has opened nothing.

Each is a process of its own that can be killed; only the second that Python takes to import everything is saved.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

__all__ = ["start"]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["__main__", "tests.integration.watchlist.worker", "tests.integration.watchlist.gallery_processes"]
)


def start(function: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
    """Start a process that runs ``function(connection, *arguments)`` in the environment of this one.

    Args:
        function: A function of a module.
        arguments: What can be pickled.

    Returns:
        The process, and this end of the connection to it.
    """
    here, there = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_run, args=(dict(os.environ), function, there, arguments), daemon=True)
    process.start()
    there.close()  # so that reading ends when the process does
    return process, here


def _run(
    environment: dict[str, str], function: Callable[..., None], connection: Connection, arguments: tuple[Any, ...]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    function(connection, *arguments)
