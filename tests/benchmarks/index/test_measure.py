from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from index.measure import BATCHES, measure
from index.population import Population
from index.trial import Trial, fill, prepare
from numpy.typing import NDArray

from facematch.errors import InvalidArgument, VectorIndexError
from facematch.index.approximate import ApproximateIndex
from facematch.index.exact import ExactIndex
from facematch.types import FloatArray, IndexStats


@pytest.fixture(scope="module")
def trial() -> Trial:
    return prepare(Population.published("sface-lfw"), 3000, seed=4)


def test_the_result_has_the_figures_that_others_read(trial: Trial) -> None:
    steps: list[tuple[int, int | None]] = []
    result = measure(trial, k=5, rounds=2, least_seconds=0, progress=lambda *step: steps.append(step))
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    for batch in BATCHES:
        assert found[f"ratio_vs_faiss_flat_batch{batch}"] > 0
        assert found[f"gemm_share_batch{batch}"] > 0
        assert found[f"median_ms_batch{batch}"] > 0
        assert found[f"median_ms_rested_batch{batch}"] > 0
        assert found["faiss_flat_ms"][str(batch)] > 0
    assert (found["recall_at_1"], found["recall_at_1_mated"], found["recall_at_k"]) == (1, 1, 1)
    assert (found["index"], found["size"], found["dimension"], found["k"]) == ("exact", 3000, 128, 5)
    assert found["index_bytes"] >= found["faiss_bytes"] == 3000 * 128 * 4
    assert {"cpu", "cores", "faiss_threads", "numpy", "faiss"} <= set(found["machine"])
    assert steps == [(step, 13) for step in range(1, 14)]


def test_half_of_the_probes_are_of_people_in_the_gallery(trial: Trial) -> None:
    best = (trial.probes @ trial.vectors.T).max(axis=1)
    assert trial.mated.sum() == 128
    assert best[trial.mated].mean() > best[~trial.mated].mean() + 0.2


def test_an_approximate_index_stands_beside_the_exact_one(trial: Trial) -> None:
    coded = ApproximateIndex(128, exact_below=0, background=False)
    both = fill(trial, "approximate", coded)
    found = measure(both, rounds=1, batches=(1, 16), least_seconds=0).to_dict()
    assert found["index"] == "exact"
    assert found["approximate"]["index"] == "pq"
    assert found["approximate"]["recall_at_1_mated"] > 0.9
    assert found["approximate"]["index_details"]["rerank"] >= 1
    assert "ratio_vs_faiss_flat_batch16" in found["approximate"]


class _Broken(ExactIndex):
    """Changes what an exact index answers."""

    def __init__(self, change: Callable[[FloatArray, NDArray[np.int64]], None]) -> None:
        super().__init__(128)
        self._change = change

    def search(self, queries: FloatArray, k: int, **scope: Any) -> tuple[FloatArray, NDArray[np.int64]]:
        scores, ids = super().search(queries, k, **scope)
        self._change(scores, ids)
        return scores, ids


def _twice(scores: FloatArray, ids: NDArray[np.int64]) -> None:
    scores[3, 1], ids[3, 1] = scores[3, 0], ids[3, 0]


def _other_score(scores: FloatArray, ids: NDArray[np.int64]) -> None:
    scores[3, 0] += 1e-3


def _missing(scores: FloatArray, ids: NDArray[np.int64]) -> None:
    scores[3, -1], ids[3, -1] = -np.inf, -1


@pytest.mark.parametrize("change", [_twice, _other_score, _missing])
def test_a_wrong_answer_is_never_timed(trial: Trial, change: Callable[[FloatArray, NDArray[np.int64]], None]) -> None:
    with pytest.raises(VectorIndexError):
        measure(fill(trial, "broken", _Broken(change)), rounds=1, least_seconds=0)


class _Worst(ExactIndex):
    """An approximate index that finds nothing but the second best."""

    def search(self, queries: FloatArray, k: int, **scope: Any) -> tuple[FloatArray, NDArray[np.int64]]:
        scores, ids = super().search(queries, k + 1, **scope)
        return scores[:, 1:], ids[:, 1:]

    def stats(self) -> IndexStats:
        return dataclasses.replace(super().stats(), kind="worst")


def test_recall_is_what_is_found_of_the_true_best(trial: Trial) -> None:
    result = measure(fill(trial, "worst", _Worst(128)), k=4, rounds=1, batches=(1,), least_seconds=0)
    worst = result.indexes[1]
    assert (worst.recall_at_1, worst.recall_at_1_any, worst.recall_at_1_mated, worst.recall_at_k) == (0, 0, 0, 0.75)
    assert worst.recall_measured_on > 2000
    assert result.indexes[0].recall_at_1 == 1


def test_one_stranger_in_a_hundred_reaches_the_threshold(trial: Trial) -> None:
    strangers = trial.population.strangers(3000, np.random.default_rng(77))
    reaching = ((strangers @ trial.vectors.T).max(axis=1) >= trial.threshold).mean()
    assert 0.003 < reaching < 0.025
    assert (trial.counted @ trial.vectors.T).max(axis=1).mean() > trial.threshold


def test_ties_are_no_difference() -> None:
    trial = prepare(Population.even(8), 40, exact=False)
    trial.vectors[:] = trial.vectors[0]
    result = measure(fill(trial, "exact", ExactIndex(8)), k=10, rounds=1, batches=(1,), least_seconds=0)
    assert result.indexes[0].recall_at_k == 1


@pytest.mark.parametrize(
    "options", [{"k": 0}, {"k": 3001}, {"rounds": 0}, {"batches": ()}, {"batches": (0,)}, {"batches": (257,)}]
)
def test_what_cannot_be_measured_is_refused(trial: Trial, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        measure(trial, **options)


def test_a_trial_without_an_index_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        measure(prepare(Population.even(8), 20, exact=False))
