"""Ten minutes of searches and changes; ``make soak``. ``FACEMATCH_SOAK_SECONDS`` makes it longer or shorter."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from facematch.index import training
from facematch.index.approximate import ApproximateIndex
from facematch.index.exact import ExactIndex
from facematch.protocols import VectorIndex
from tests.soak.plateau import Plateau, resident
from tests.unit.index.turnover import Turnover

SECONDS = float(os.environ.get("FACEMATCH_SOAK_SECONDS", "600"))


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
    monkeypatch.setattr(training, "_A_PART", 500)  # codes in two parts
    index: VectorIndex
    if kind == "exact":
        index = ExactIndex(32)
        beside = (index.compact,)
    else:
        approximate = ApproximateIndex(32, exact_below=0, rerank=48, background=False)
        index, beside = approximate, (lambda: approximate.rebuild() and approximate.compact(),)
    turnover = Turnover(index, people=2000, at_once=20, complete=kind == "exact")
    memory = Plateau(resident, SECONDS)
    memory.start()
    began = time.perf_counter()
    turnover.run(SECONDS / 2, writers=2, readers=5, beside=beside)
    took = time.perf_counter() - began
    memory.end()
    sys.stdout.write(
        f"\n{kind}: {turnover.searches / took:.0f} searches/s, {turnover.changes / took:.0f} changes/s, "
        f"{np.median(memory.samples) / 2**20:.0f} MiB\n"
    )
    memory.assert_flat(1.1)
