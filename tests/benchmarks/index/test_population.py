from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from index.fitting import Scores, fit, generated_scores, real_scores
from index.population import Population

from facematch.errors import InvalidArgument

LFW = {  # quantiles of LFW's scores, as benchmarks/index/fit_population.py prints them: non-mated, mated
    "sface-lfw": (((0.5, 0.0833), (0.999, 0.3566), (0.99999, 0.4646)), ((0.05, 0.4585), (0.5, 0.6713), (0.95, 0.8354))),
    "mbf-lfw": (((0.5, 0.0142), (0.999, 0.2386), (0.99999, 0.3448)), ((0.05, 0.4002), (0.5, 0.6112), (0.95, 0.7877))),
}


def document(**changes: Any) -> dict[str, Any]:
    return {**Population.published("sface-lfw").to_document(), **changes}


@pytest.mark.parametrize(("name", "dimension"), [("sface-lfw", 128), ("mbf-lfw", 512)])
def test_a_published_population_makes_unit_vectors_and_names_its_source(name: str, dimension: int) -> None:
    population = Population.published(name)
    vectors = population.templates(50, np.random.default_rng(1)).vectors
    assert vectors.shape == (50, dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert "LFW" in population.source
    assert population.fitted
    assert name in Population.names()


@pytest.mark.parametrize("name", sorted(LFW))
def test_its_scores_are_spread_as_those_of_lfw(name: str) -> None:
    scores = generated_scores(Population.published(name), 4000, np.random.default_rng(5))
    non_mated, mated = LFW[name]
    shares, quantiles = zip(*non_mated, strict=True)
    np.testing.assert_allclose(scores.non_mated_quantiles(shares), quantiles, atol=0.012)
    shares, quantiles = zip(*mated, strict=True)
    np.testing.assert_allclose(scores.mated_quantiles(shares), quantiles, atol=0.02)


def test_the_same_seed_makes_the_same_people_and_another_makes_others() -> None:
    population = Population.published("sface-lfw")
    first, again, other = (population.templates(10, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert not np.array_equal(first.vectors, other.vectors)


def test_probes_are_other_pictures_of_the_people_asked_for_beyond_the_first_block_too() -> None:
    population = Population.published("sface-lfw")
    templates = population.templates(5000, np.random.default_rng(1))
    rows = np.array([4999, 0, 2047, 2048, 0, 4095, 4096])
    probes = population.probes_of(templates, rows, np.random.default_rng(2))
    assert (probes @ templates.vectors.T).argmax(axis=1).tolist() == rows.tolist()
    assert probes[1] @ probes[4] < 0.99  # two pictures of one person
    strangers = population.strangers(200, np.random.default_rng(3))
    assert (strangers @ templates.vectors[rows].T).max() < 0.5


def test_no_coordinate_means_more_than_another() -> None:
    vectors = Population.published("mbf-lfw").templates(2000, np.random.default_rng(1)).vectors
    variances = vectors.var(axis=0)
    assert variances.max() < 2 * variances.min()


def test_progress_counts_people() -> None:
    seen: list[tuple[int, int | None]] = []
    Population.even(8).templates(3000, np.random.default_rng(1), progress=lambda *step: seen.append(step))
    assert seen == [(2048, 3000), (3000, 3000)]


def test_an_even_population_has_no_structure() -> None:
    scores = generated_scores(Population.even(64), 1000, np.random.default_rng(1))
    assert abs(scores.non_mated.mean()) < 0.002
    assert scores.non_mated.std() == pytest.approx(1 / 8, rel=0.05)
    assert scores.mated_quantiles([0.5])[0] == pytest.approx(0.64, abs=0.03)


def test_a_population_survives_json() -> None:
    population = Population.published("sface-lfw")
    read = Population.from_document(json.loads(json.dumps(population.to_document())))
    np.testing.assert_array_equal(read.between, population.between)
    assert (read.name, read.spread, read.kinds, read.likeness) == ("sface-lfw", *_shape(population))


def _shape(population: Population) -> tuple[float, int, float]:
    return population.spread, population.kinds, population.likeness


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "another"},
        {"mean": [0.0]},
        {"mean": [float("nan")] * 128},
        {"within": "x"},
        {"between": [-1.0] * 128},
        {"kinds": 0},
        {"likeness": 1.0},
        {"spread": None},
    ],
)
def test_malformed_documents_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        Population.from_document(document(**changes))


def test_what_cannot_be_made_is_refused() -> None:
    population = Population.even(4)
    rng = np.random.default_rng(1)
    templates = population.templates(3, rng)
    for wrong in (
        lambda: population.templates(0, rng),
        lambda: population.probes_of(templates, np.array([3]), rng),
        lambda: population.probes_of(templates, np.array([-1]), rng),
        lambda: generated_scores(population, 1, rng),
        lambda: Population.even(1),
        lambda: Population.published("nobody"),
    ):
        with pytest.raises(InvalidArgument):
            wrong()
    with pytest.raises(InvalidArgument, match="nobody has two"):
        real_scores(templates.vectors, np.arange(3))


def test_every_person_counts_alike_in_mated_scores() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 0, 0, 1, 2]]  # one with four equal pictures, one with two different
    scores = real_scores(vectors, np.array([0, 0, 0, 0, 1, 1]))
    assert scores.weights.sum() == pytest.approx(2)
    assert scores.mated_quantiles([0.4, 0.9]).tolist() == [0.0, 1.0]
    assert scores.non_mated.tolist() == [0.0]


@pytest.mark.slow
def test_a_fit_to_generated_embeddings_finds_scores_like_theirs() -> None:
    population = Population.published("sface-lfw")
    rng = np.random.default_rng(3)
    templates = population.templates(3000, rng)
    vectors = np.concatenate([templates.vectors, population.probes_of(templates, np.arange(3000), rng)])
    people = np.tile(np.arange(3000), 2)
    fitted = fit(vectors, people, name="again", source="made up", fitted="2026-01-01")
    real, made = real_scores(vectors, people), generated_scores(fitted, 4000, rng)
    for taken, shares, atol in (
        (Scores.non_mated_quantiles, (0.5, 0.99, 0.999, 0.9999), 0.01),
        (Scores.mated_quantiles, (0.05, 0.25, 0.5, 0.75, 0.95), 0.02),
    ):
        np.testing.assert_allclose(taken(made, shares), taken(real, shares), atol=atol)
