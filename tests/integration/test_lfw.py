"""LFW with every family of models: the whole of it takes many minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from facematch.evaluation import evaluate_lfw
from facematch.evaluation.cache import EmbeddingCache
from facematch.evaluation.openset import evaluate_openset
from facematch.faces import FaceAnalyzer
from facematch.models import open_pack
from facematch.settings import Settings


@pytest.fixture(scope="module")
def settings(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of its own, into which the shared embedders were pulled."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), use="research")
    folders = [shared / "models" / "embedders", open_pack("opencv").folder]
    for name in ("opencv", "retail-0095", "edgeface-xs", "opencv-retail"):
        open_pack(name, settings=settings, folders=folders)
    return settings


def analyzer_of(pack: str, shared: Path, settings: Settings) -> FaceAnalyzer:
    if pack != "w600k_mbf":
        return FaceAnalyzer.from_pack(pack, settings=settings)
    folder = shared / "models" / "insightface" / "models" / "sc-int8"
    yunet = FaceAnalyzer.from_pack("opencv", settings=settings).detector  # as the reference was measured
    return FaceAnalyzer(yunet, FaceAnalyzer.from_pack(folder, settings=settings).embedder)


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("pack", "reference"),
    [("opencv", 0.9943), ("retail-0095", 0.9940), ("edgeface-xs", 0.9953), ("w600k_mbf", 0.9955)],
)
def test_accuracy_is_within_a_tenth_of_a_point_of_the_reference(
    shared: Path, settings: Settings, evaluation_cache: Path, pack: str, reference: float
) -> None:
    folder = shared / "data" / "lfw"
    analyzer = analyzer_of(pack, shared, settings)
    cache = EmbeddingCache.open(analyzer, folder=evaluation_cache)
    result = evaluate_lfw(analyzer, folder / "images", folder / "pairs.txt", cache=cache)
    assert result.n_pairs == 6000
    assert result.failures == ()
    assert result.n_non_mated == 29_640_749
    assert abs(result.accuracy - reference) <= 0.001
    if pack == "opencv":
        assert result.thresholds["0.001"]["threshold"] == pytest.approx(0.3583, abs=0.001)


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.timeout(1800)
def test_the_ensemble_beats_its_members_at_one_percent_fpir(
    shared: Path, settings: Settings, evaluation_cache: Path
) -> None:
    rates = {}
    for pack in ("opencv", "retail-0095", "opencv-retail"):
        analyzer = FaceAnalyzer.from_pack(pack, settings=settings)
        result = evaluate_openset(
            analyzer,
            shared / "data" / "lfw" / "images",
            gallery_size=1000,
            cache=EmbeddingCache.open(analyzer, folder=evaluation_cache),
        )
        rates[pack] = result.to_dict()["dir_at_fpir"]["0.01"]["dir"]
    assert rates["opencv-retail"] > max(rates["opencv"], rates["retail-0095"]) + 0.01
