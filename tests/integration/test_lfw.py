"""The LFW protocol on the default pack: the whole of it takes minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from facematch.evaluation import evaluate_lfw
from facematch.evaluation.cache import EmbeddingCache
from facematch.faces import FaceAnalyzer


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.timeout(1800)
def test_accuracy_is_within_a_tenth_of_a_point_of_the_reference(
    shared: Path, analyzer: FaceAnalyzer, evaluation_cache: Path
) -> None:
    folder = shared / "data" / "lfw"
    cache = EmbeddingCache.open(analyzer, folder=evaluation_cache)
    result = evaluate_lfw(analyzer, folder / "images", folder / "pairs.txt", cache=cache)
    assert result.n_pairs == 6000
    assert result.failures == ()
    assert abs(result.accuracy - 0.9943) <= 0.001
    assert result.thresholds["0.001"]["threshold"] == pytest.approx(0.3583, abs=0.001)
    assert result.n_non_mated == 29_640_749
