"""What an index says of its memory is what the process has grown by."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import gc, os, sys
import numpy as np
from facematch.index.exact import ExactIndex

def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

batch = int(sys.argv[1])
rng = np.random.default_rng(0)
warm = ExactIndex(128)
warm.add(np.arange(20000, dtype=np.int64), rng.random((20000, 128), dtype=np.float32))
warm.search(rng.random((4, 128), dtype=np.float32), 3)
before = resident()
index = ExactIndex(128)
for start in range(0, 100_000, batch):
    ids = np.arange(start, start + batch, dtype=np.int64)
    index.add(ids, rng.random((batch, 128), dtype=np.float32))
stats = index.stats()
print(stats.vectors, stats.vector_bytes, stats.total_bytes, resident() - before)
"""


@pytest.mark.parametrize("batch", [100_000, 1000])
def test_the_memory_that_an_exact_index_names_is_what_it_takes(batch: int) -> None:
    at_once = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}  # glibc gives freed blocks back
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(batch)],
        env=os.environ | at_once,
        timeout=120,
        capture_output=True,
        text=True,
        check=True,
    )
    vectors, vector_bytes, total_bytes, grown = map(int, ended.stdout.split())
    assert vectors == 100_000
    assert vector_bytes == 4 * 128 * 100_000
    assert vector_bytes < total_bytes <= 1.1 * vector_bytes
    assert grown == pytest.approx(total_bytes, rel=0.1)
