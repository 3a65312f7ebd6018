"""Fitting a population to real embeddings, and the scores by which the two are compared.

The moments are taken from the data; the three numbers that shape the tails are searched for, so that the quantiles of
mated and non-mated scores come out as they are in the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from facematch.errors import InvalidArgument
from facematch.types import FloatArray
from index.population import Population

__all__ = ["Scores", "fit", "generated_scores", "real_scores"]

_MATED: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_NON_MATED: Final = (0.5, 0.99, 0.999, 0.9999, 0.99999)
_KINDS: Final = (10, 20, 30, 50, 100, 200)
_PEOPLE: Final = 6000
_SETTLING: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Cosines of pairs of pictures.

    Attributes:
        mated: ``(M,)`` ``float64`` scores of two pictures of one person, ascending.
        weights: ``(M,)`` their weights: every person counts alike, however many pictures there are.
        non_mated: ``(N,)`` ``float32`` scores of two people, one picture each, ascending.
    """

    mated: NDArray[np.float64] = field(repr=False)
    weights: NDArray[np.float64] = field(repr=False)
    non_mated: FloatArray = field(repr=False)

    def mated_quantiles(self, shares: Sequence[float]) -> NDArray[np.float64]:
        """Scores that these shares of the mated pairs stay below."""
        reached = np.cumsum(self.weights)
        return np.asarray(np.interp(np.asarray(shares) * reached[-1], reached, self.mated))

    def non_mated_quantiles(self, shares: Sequence[float]) -> NDArray[np.float64]:
        """Scores that these shares of the non-mated pairs stay below."""
        places = np.asarray(shares) * (self.non_mated.size - 1)
        return np.asarray(self.non_mated[np.round(places).astype(np.int64)], dtype=np.float64)


def real_scores(embeddings: FloatArray, people: NDArray[np.int64]) -> Scores:
    """Scores of real pictures: all mated pairs, and all pairs of people with the first picture of each.

    Args:
        embeddings: ``(N, D)`` unit vectors.
        people: ``(N,)`` whom they show.

    Raises:
        InvalidArgument: There are not two people, or nobody has two pictures.
    """
    groups = _groups(embeddings, people)
    scores, weights = [], []
    for pictures in groups:
        if len(pictures) > 1:
            pairs = _pairs(pictures)
            scores.append(pairs)
            weights.append(np.full(pairs.size, 1 / pairs.size))
    return _sorted(np.concatenate(scores), np.concatenate(weights), np.stack([pictures[0] for pictures in groups]))


def generated_scores(population: Population, count: int, rng: np.random.Generator) -> Scores:
    """Scores of ``count`` generated people with two pictures each, as :func:`real_scores` takes them.

    Raises:
        InvalidArgument: ``count`` is below 2.
    """
    if count < 2:
        raise InvalidArgument(f"pairs need two people, got {count}", hint="ask for more")
    templates = population.templates(count, rng)
    probes = population.probes_of(templates, np.arange(count), rng)
    return _sorted((templates.vectors * probes).sum(axis=1), np.ones(count), templates.vectors)


def fit(embeddings: FloatArray, people: NDArray[np.int64], *, name: str, source: str, fitted: str) -> Population:
    """The population that is most like real embeddings.

    Args:
        embeddings: ``(N, D)`` unit vectors of thousands of pictures.
        people: ``(N,)`` whom they show.
        name: What to call it.
        source: What the pictures and the model are.
        fitted: The date, ``YYYY-MM-DD``.

    Raises:
        InvalidArgument: There are not two people, or nobody has two pictures.
    """
    mean, between, within = _moments(_groups(embeddings, people))
    real = real_scores(embeddings, people)

    def settled(spread: float, kinds: int, likeness: float) -> Population:
        return _settled(Population(name, source, fitted, mean, between, within, spread, kinds, likeness))

    def mated_error(spread: float) -> float:
        return _error(real.mated_quantiles(_MATED), _drawn(settled(spread, 1, 0)).mated_quantiles(_MATED))

    def non_mated_error(kinds: int) -> Callable[[float], float]:
        def error(likeness: float) -> float:
            drawn = _drawn(settled(spread, kinds, likeness))
            return _error(real.non_mated_quantiles(_NON_MATED), drawn.non_mated_quantiles(_NON_MATED))

        return error

    spread = _lowest(mated_error, 0.05, 0.8)[0]
    tried = [(kinds, *_lowest(non_mated_error(kinds), 0.0, 0.7)) for kinds in _KINDS]
    kinds, likeness, _ = min(tried, key=lambda trial: trial[2])
    return settled(round(spread, 3), kinds, round(likeness, 3))


def _groups(embeddings: FloatArray, people: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Embeddings by person."""
    order = np.argsort(people, kind="stable")
    starts = np.flatnonzero(np.diff(people[order])) + 1
    groups = np.split(embeddings[order].astype(np.float64), starts)
    if len(groups) < 2 or max(len(pictures) for pictures in groups) < 2:
        raise InvalidArgument(
            f"{len(groups)} people, of whom nobody has two pictures" if len(groups) > 1 else "one person or none",
            hint="moments between and within people need many of both",
        )
    return groups


def _pairs(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    scores: NDArray[np.floating] = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    return scores


def _sorted(mated: NDArray[np.floating], weights: NDArray[np.float64], templates: NDArray[np.floating]) -> Scores:
    order = np.argsort(mated)
    return Scores(mated[order].astype(np.float64), weights[order], np.sort(_pairs(templates.astype(np.float32))))


def _moments(groups: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], ...]:
    """Mean, variances between and within people, in the eigenbasis of the covariance of one picture a person.

    Few people spread the eigenvalues of a covariance too far apart. They are drawn towards their mean so far that their
    sum of squares becomes that of the true covariance, which products of different people estimate without bias (the
    linear shrinkage of O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    Journal of Multivariate Analysis 88, 2004).
    """
    first = np.stack([pictures[0] for pictures in groups])
    count, dimension = first.shape
    mean = first.mean(axis=0)
    centered = first - mean
    covariance = centered.T @ centered / (count - 1)
    trace = float(np.trace(covariance))
    even = trace**2 / dimension
    squares = float((_pairs(centered) ** 2).mean()) * (count / (count - 1)) ** 2
    kept = np.sqrt(max(0.0, squares - even) / (float((covariance**2).sum()) - even))
    values, axes = np.linalg.eigh(covariance)
    total = kept * values + (1 - kept) * trace / dimension
    scatters = [
        (pictures - pictures.mean(axis=0)).T @ (pictures - pictures.mean(axis=0)) / (len(pictures) - 1)
        for pictures in groups
        if len(pictures) > 1
    ]
    within = np.einsum("ij,ik,kj->j", axes, np.mean(scatters, axis=0), axes)
    order = np.argsort(-total)
    return (axes.T @ mean)[order], np.maximum(total - within, 0.0)[order], within[order]


def _settled(population: Population) -> Population:
    """Scale the three moments so that unit vectors, not the vectors before scaling, have the moments given."""
    mean, between, within = population.mean, population.between, population.within
    wanted = (float(mean @ mean) ** 0.5, between.sum(), within.sum())
    rng = np.random.default_rng(0)
    scales = np.ones(3)
    scaled = population
    for _ in range(_SETTLING):
        templates = scaled.templates(_PEOPLE, rng)
        probes = scaled.probes_of(templates, np.arange(_PEOPLE), rng)
        inner = float(((templates.vectors - probes) ** 2).sum(axis=1).mean() / 2)
        outer = float(templates.vectors.var(axis=0).sum()) - inner
        made = (float(np.linalg.norm(templates.vectors.mean(axis=0))), outer, inner)
        scales *= [want / got for want, got in zip(wanted, made, strict=True)]
        scaled = replace(population, mean=scales[0] * mean, between=scales[1] * between, within=scales[2] * within)
    return scaled


def _drawn(population: Population) -> Scores:
    return generated_scores(population, _PEOPLE, np.random.default_rng(1))


def _error(real: NDArray[np.float64], made: NDArray[np.float64]) -> float:
    return float(((real - made) ** 2).sum())


def _lowest(error: Callable[[float], float], low: float, high: float) -> tuple[float, float]:
    found = minimize_scalar(error, bounds=(low, high), method="bounded", options={"xatol": 0.01})
    return float(found.x), float(found.fun)
