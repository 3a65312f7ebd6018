"""Ten minutes of searches and changes; ``make soak``. ``FACEMATCH_SOAK_SECONDS`` makes it longer or shorter."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facematch.index import learning
from facematch.index.approximate import ApproximateIndex
from facematch.index.coarse import Effort
from facematch.index.exact import ExactIndex
from facematch.protocols import VectorIndex
from tests.unit.index.turnover import Turnover

SECONDS = float(os.environ.get("FACEMATCH_SOAK_SECONDS", "600"))


def _resident() -> int:
    """Memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class _Memory(threading.Thread):
    """Samples the process's memory."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[int] = []
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(max(SECONDS / 400, 0.05)):
            self.samples.append(_resident())

    def end(self) -> None:
        self._over.set()
        self.join()


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Readers do not keep writers waiting."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS * 1.5 + 300)
@pytest.mark.parametrize("kind", ["exact", "approximate"])
def test_eight_threads_for_minutes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "_A_PART", 500)  # codes in two parts
    index: VectorIndex
    if kind == "exact":
        index = ExactIndex(32)
        beside = (index.compact,)
    else:
        approximate = ApproximateIndex(32, kind="pq", exact_below=0, effort=Effort(1, 48), background=False)
        index, beside = approximate, (lambda: approximate.rebuild() and approximate.compact(),)
    turnover, memory = Turnover(index, people=2000, at_once=20, complete=kind == "exact"), _Memory()
    memory.start()
    began = time.perf_counter()
    turnover.run(SECONDS / 2, writers=2, readers=5, beside=beside)
    took = time.perf_counter() - began
    memory.end()
    sys.stdout.write(
        f"\n{kind}: {turnover.searches / took:.0f} searches/s, {turnover.changes / took:.0f} changes/s, "
        f"{np.median(memory.samples) / 2**20:.0f} MiB\n"
    )
    warm = memory.samples[len(memory.samples) // 5 :]
    third = len(warm) // 3
    assert third >= 10
    plateau, end = float(np.median(warm[:third])), float(np.median(warm[-third:]))
    assert end <= 1.1 * plateau, f"memory grew from {plateau / 2**20:.0f} to {end / 2**20:.0f} MiB"
