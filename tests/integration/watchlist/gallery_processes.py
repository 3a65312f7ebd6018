"""Processes that write a gallery file, or compact its index, until they are killed."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from facematch.gallery import cache_file, gallery
from facematch.index import approximate, codebook, rows
from facematch.testing import FakeAnalyzer
from facematch.watchlist import Watchlist

DIMENSION = 512


def write(connection: Connection, path: Path, always: bool) -> None:
    """Save the gallery again and again; ``always`` says that every save must succeed."""
    gallery.WORTH_SAVING = 1
    cache_file._BLOCK_BYTES = 4096  # many sections, many moments
    with Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer(DIMENSION)) as watchlist:
        resources = watchlist._session.resources
        file, snapshot = resources.gallery._file, resources.snapshot()
        assert file is not None
        connection.send("ready")
        while True:
            assert file.save(snapshot) or not always


def compact(connection: Connection, path: Path, part: str) -> None:
    """Erase a subject and die when the ``codes`` or the ``vectors`` have been rewritten."""
    gallery.WORTH_SAVING = 1

    def coded_index(dimension: int) -> approximate.ApproximateIndex:
        return approximate.ApproximateIndex(dimension, exact_below=0, rerank=32, background=False)

    with Watchlist.open(
        f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer(DIMENSION), index=coded_index
    ) as watchlist:
        index = watchlist._session.resources.snapshot().index
        assert isinstance(index, approximate.ApproximateIndex)
        assert index.rebuild()
        assert index.stats().kind == "pq"
        owner, name = (codebook, "_overwritten") if part == "codes" else (rows.Segment, "rewritten")
        setattr(owner, name, _die)
        connection.send("ready")
        watchlist.erase("s5", reason="asked")
        connection.send("compacted")


def _die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
