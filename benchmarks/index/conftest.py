"""Galleries of made-up people for the benchmarks of search."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache

import pytest

from index.population import Population
from index.trial import Trial, prepare

POPULATIONS = {128: "sface-lfw", 512: "mbf-lfw"}


@pytest.fixture(scope="session")
def trials() -> Callable[[int, int], Trial]:
    """Makes the trial of a size and a dimension; the last one is kept. Skips what memory does not hold."""

    @lru_cache(maxsize=1)
    def make(size: int, dimension: int) -> Trial:
        needed = 3 * 4 * size * dimension + 2 * 10**9  # made, in FAISS and in ours; products and the rest
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > there:
            pytest.skip(f"{size:,} templates of length {dimension} need {needed / 1e9:.0f} GB of memory")
        return prepare(Population.published(POPULATIONS[dimension]), size)

    return make
