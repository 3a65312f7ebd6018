"""Exact search beside FAISS's ``IndexFlatIP`` as a user calls it, and beside other libraries; answers first."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from timing import interleaved

from index.contenders import PEERS, installed
from index.measure import BATCHES, measure
from index.trial import Trial

K = 10
ROUNDS = 3
SIZES = (
    10_000,
    100_000,
    pytest.param(1_000_000, marks=pytest.mark.slow),
    pytest.param(10_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("dimension", [128, 512])
@pytest.mark.parametrize("size", SIZES)
def test_exact_search_beside_faiss_flat(
    benchmark: Any, trials: Callable[[int, int], Trial], size: int, dimension: int, batch: int
) -> None:
    trial = trials(size, dimension)
    result = measure(trial, k=K, rounds=ROUNDS, batches=(batch,), least_seconds=0)  # compares the answers first
    figures = result.indexes[0].batches[batch]
    benchmark.extra_info["times_faster_than_faiss_flat"] = figures.ratio_vs_faiss_flat
    benchmark.extra_info["gemm_share"] = figures.gemm_share
    index, probes = trial.indexes["exact"], trial.probes[:batch]
    benchmark.pedantic(lambda: index.search(probes, K), rounds=ROUNDS)


@pytest.mark.parametrize(
    ("name", "batch"),
    [(name, batch) for name in sorted(PEERS) for batch in (1, 64) if (name, batch) != ("deepface", 64)],
)
def test_exact_search_beside_a_peer(benchmark: Any, trials: Callable[[int, int], Trial], name: str, batch: int) -> None:
    library, make = PEERS[name]
    if not installed(library):
        pytest.skip(f"{library} is not installed; see make bench-peers")
    trial = trials(10_000, 128)
    index, peer = trial.indexes["exact"], make(trial.vectors)
    if peer.dials:
        peer.turn_to(256)
    probes = trial.probes[:batch]
    rows = index.search(probes, K)[1]
    found = peer.search(probes, K)
    shared = [np.intersect1d(ours, theirs).size for ours, theirs in itertools.zip_longest(rows, found)]
    recall = float(np.mean(shared)) / K
    assert recall == 1 if peer.exact else recall > 0.75
    benchmark.extra_info["their_recall_at_10"] = recall
    timings = interleaved(
        {"theirs": lambda _: peer.search(probes, K), "ours": lambda _: index.search(probes, K)}, ROUNDS
    )
    benchmark.extra_info["times_faster_than_theirs"] = timings.ratio("theirs", "ours")
    benchmark.pedantic(lambda: index.search(probes, K), rounds=ROUNDS)
