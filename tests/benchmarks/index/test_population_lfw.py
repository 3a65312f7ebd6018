"""The published populations beside real embeddings of LFW."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from index.fitting import Scores, generated_scores, real_scores
from index.population import Population

from facematch.evaluation.pictures import embed_pictures, read_folder
from facematch.faces import FaceAnalyzer

pytestmark = pytest.mark.shared_data


def lfw_scores(analyzer: FaceAnalyzer, images: Path, pictures: int | None) -> Scores:
    """Scores of all of LFW, or of so many pictures, those of people with several first."""
    folder = read_folder(images)
    counts = np.bincount(folder.people)[folder.people]
    own = np.arange(len(counts)) - np.searchsorted(folder.people, folder.people)  # the person's how-many-th picture
    rows = np.arange(len(counts))
    if pictures is not None:
        rows = np.sort(np.lexsort((counts == 1, own > 1))[:pictures])
    found = embed_pictures(analyzer, [folder.paths[row] for row in rows])
    return real_scores(found.embeddings[found.found], folder.people[rows][found.found])


def compare(real: Scores, made: Scores, non_mated: float, mated: float) -> None:
    np.testing.assert_allclose(
        made.non_mated_quantiles([0.5, 0.999]), real.non_mated_quantiles([0.5, 0.999]), atol=non_mated
    )
    np.testing.assert_allclose(made.mated_quantiles([0.05, 0.5]), real.mated_quantiles([0.05, 0.5]), atol=mated)


@pytest.mark.parametrize(
    ("pictures", "non_mated", "mated"),
    [(40, 0.06, 0.12), pytest.param(800, 0.02, 0.04, marks=pytest.mark.slow)],
)
def test_generated_scores_are_spread_as_those_of_some_pictures(
    shared: Path, analyzer: FaceAnalyzer, pictures: int, non_mated: float, mated: float
) -> None:
    real = lfw_scores(analyzer, shared / "data" / "lfw" / "images", pictures)
    assert real.mated.size > pictures * 0.43
    made = generated_scores(Population.published("sface-lfw"), 4000, np.random.default_rng(5))
    compare(real, made, non_mated=non_mated, mated=mated)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["sface-lfw", "mbf-lfw"])
def test_generated_scores_are_spread_as_those_of_all_pictures(shared: Path, name: str) -> None:
    pack = "opencv" if name == "sface-lfw" else shared / "models" / "insightface" / "models" / "sc-int8"
    analyzer = FaceAnalyzer.from_pack(pack, use="research")
    real = lfw_scores(analyzer, shared / "data" / "lfw" / "images", None)
    made = generated_scores(Population.published(name), 8000, np.random.default_rng(5))
    compare(real, made, non_mated=0.005, mated=0.01)
