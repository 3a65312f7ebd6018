"""Searches that run while the index changes show one moment of it; the long form is in ``tests/soak``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from facematch.index.approximate import ApproximateIndex
from facematch.index.exact import ExactIndex, ExactView
from facematch.testing import OracleIndex
from facematch.types import IdSet
from tests.unit.index.support import Factory, Ints
from tests.unit.index.turnover import Turnover

pytestmark = pytest.mark.alone


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Threads take turns a hundred times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 100)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.parametrize("chosen", [OracleIndex, ExactIndex])
def test_every_answer_is_that_of_a_moment_during_the_search(chosen: Factory) -> None:
    index = chosen(16)
    turnover = Turnover(index)
    turnover.run(1.0, writers=2, readers=4, beside=(index.compact,))
    assert turnover.changes > 50
    assert turnover.searches > 50


def test_every_answer_is_that_of_a_moment_while_codes_are_learnt() -> None:
    index = ApproximateIndex(16, exact_below=0, rerank=48, background=False)
    turnover = Turnover(index)
    turnover.run(1.5, writers=2, readers=4, beside=(index.rebuild, index.compact))
    assert turnover.changes > 50
    assert turnover.searches > 50
    assert index.rebuild()


def test_what_codes_find_is_of_one_moment_during_the_search() -> None:
    index = ApproximateIndex(16, exact_below=0, rerank=48, background=False)
    turnover = Turnover(index, people=1500, at_once=60, complete=False)
    turnover.run(1.0, writers=2, readers=4, beside=(index.rebuild, index.compact))
    assert turnover.changes > 50
    assert turnover.searches > 50


class _Late(ExactIndex):
    """Searches what was there one change ago, once that change is long over."""

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        self._last = self._moment

    def add(self, ids: Ints, vectors: Any) -> None:
        before = self._moment
        super().add(ids, vectors)
        self._last = before

    def search(self, queries: Any, k: int, *, allowed: IdSet | Ints | None = None) -> Any:
        return ExactView(self._last).search(queries, k, allowed=allowed)


class _Torn(ExactIndex):
    """Adds vectors one after the other."""

    def add(self, ids: Ints, vectors: Any) -> None:
        for place in range(ids.size):
            super().add(ids[place : place + 1], vectors[place : place + 1])


@pytest.mark.parametrize("broken", [_Late, _Torn])
def test_answers_of_no_moment_are_noticed(broken: type[ExactIndex]) -> None:
    with pytest.raises(AssertionError, match="between changes"):
        Turnover(broken(16), people=60, at_once=20).run(20.0, writers=1, readers=3)


def test_every_generation_of_a_removed_id_stays_removed() -> None:
    """An id that comes back with another vector is found by that one only."""
    index, vectors = ExactIndex(4), np.eye(4, dtype=np.float32)
    scope = IdSet(np.asarray([5], dtype=np.int64))
    column = scope.ids.copy()
    for generation in range(200):
        index.add(column, vectors[[generation % 4]])
        scores, ids = index.search(vectors, 1, allowed=scope)
        assert ids[:, 0].tolist() == [5] * 4
        assert scores[:, 0].tolist() == [float(row == generation % 4) for row in range(4)]
        assert index.remove(column) == 1
        assert index.search(vectors, 1, allowed=scope)[1].max() == -1
