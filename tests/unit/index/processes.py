"""Programs that search in other processes, run as ``python -m tests.unit.index.processes NAME KIND``."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
import time

import numpy as np

from facematch.index import coded_rows
from facematch.index.approximate import ApproximateIndex
from facematch.index.exact import ExactIndex
from facematch.parallel import sharing
from facematch.protocols import VectorIndex
from tests.unit.index.support import units

VECTORS = units(6000, 16)
QUERIES = VECTORS[:40].copy()


def _index(kind: str) -> VectorIndex:
    if kind == "exact":
        index: VectorIndex = ExactIndex(16)
        index.add(np.arange(len(VECTORS), dtype=np.int64), VECTORS)
        return index
    coded_rows._SELECTIVE = 0
    coded = ApproximateIndex(16, exact_below=0, rerank=64, background=False)
    coded.add(np.arange(len(VECTORS), dtype=np.int64), VECTORS)
    assert coded.rebuild()
    return coded


def _answer(index: VectorIndex) -> float:
    return float((index.search(QUERIES, 1)[1][:, 0] == np.arange(len(QUERIES))).mean())


def fork(kind: str) -> None:
    """A forked child searches an index that its parent has searched, makes another, and forks again."""
    index = _index(kind)
    assert _answer(index) > 0.9
    child = os.fork()
    if child == 0:
        assert sharing._POOL._made is None  # its threads have stayed behind
        right = _answer(index) > 0.9 and _answer(_index(kind)) > 0.9
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(0 if _answer(index) > 0.9 else 1)
        os._exit(0 if right and os.waitpid(grandchild, 0)[1] == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert _answer(index) > 0.9
    sys.stdout.write("done")


def _work(kind: str) -> float:
    return _answer(_index(kind))


def spawn(kind: str) -> None:
    """Spawned and forked workers search indexes of their own."""
    assert _work(kind) > 0.9
    for method in ("spawn", "fork"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert min(pool.map(_work, [kind] * 3)) > 0.9
    sys.stdout.write("done")


def search_at_exit(kind: str) -> None:
    """The interpreter is ending and starts no threads any more."""
    index = _index(kind)

    def late() -> None:
        sys.stdout.write("done" if _answer(index) > 0.9 else "wrong")

    atexit.register(late)


def leave_while_building(_kind: str) -> None:
    """The interpreter ends in the middle of learning codes."""
    index = ApproximateIndex(128, exact_below=0)
    index.add(np.arange(20_000, dtype=np.int64), units(20_000, 128))
    time.sleep(0.3)
    assert not index.wait(0)
    sys.stdout.write("done")


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
