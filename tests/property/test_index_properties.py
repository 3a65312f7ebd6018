from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray

from facematch.index import coded_rows, rows, scan
from facematch.index.approximate import ApproximateIndex
from facematch.index.exact import ExactIndex
from facematch.protocols import VectorIndex, VectorSearch
from facematch.testing import OracleIndex
from facematch.types import IdSet
from tests.examples import scaled

DIMENSION = 8
IDS = 120
# few directions, so that ties are everywhere; two that differ in the last bit, and nothing at all
DIRECTIONS = np.concatenate(
    [np.eye(DIMENSION), -np.eye(DIMENSION)[:3], np.full((2, DIMENSION), 8**-0.5), np.zeros((1, DIMENSION))]
).astype(np.float32)
DIRECTIONS[-2, 3] = np.nextafter(DIRECTIONS[-2, 3], np.float32(1.0))
directions = st.integers(0, len(DIRECTIONS) - 1)
ids = st.integers(0, IDS - 1)
scopes = st.none() | st.integers(0, 5) | st.frozensets(ids)


@pytest.fixture(autouse=True, scope="module")
def one_thread_of_faiss() -> Iterator[None]:
    """OpenMP's threads wait for each other without rest; where cores are few and busy, that takes most of the time."""
    usual = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(usual)


def _column(values: Any) -> NDArray[np.int64]:
    return np.asarray(sorted(values), dtype=np.int64)


class SmallMachine(RuleBasedStateMachine):
    """Segments of 32 rows that begin with 4, so that a hundred vectors fill, outgrow and rewrite many."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(rows, "_FIRST_ROWS", 4)
        for module in (rows, scan):
            self.patch.setattr(module, "segment_rows", lambda _: 32)

    def teardown(self) -> None:
        self.patch.undo()


class IndexMachine(SmallMachine):
    """Indexes go through the same calls as the oracle and must agree with it to the bit, and so must their views."""

    def __init__(self) -> None:
        super().__init__()
        self.oracle = OracleIndex(DIMENSION)
        self.exact = ExactIndex(DIMENSION)
        self.coded = ApproximateIndex(DIMENSION)
        self.views: list[tuple[VectorSearch, list[VectorSearch]]] = []
        self.known: set[int] = set()
        self.gone: set[int] = set()
        everybody = range(IDS)
        # kept across all steps; a scope must never know who was there when it was last used
        self.kept = [
            IdSet(_column(kept))
            for kept in (everybody, everybody[::2], everybody[:9], [*everybody[5:50:5], 1 << 62], [], [IDS + 1])
        ]

    @initialize(first=st.lists(directions, min_size=60, max_size=60))
    def choose(self, first: list[int]) -> None:
        self.coded = ApproximateIndex(DIMENSION, exact_below=0, rerank=32, background=False)
        self._add(dict(enumerate(first)))
        assert self.coded.rebuild()
        self.remove(frozenset({3, 40}))

    @property
    def others(self) -> list[VectorIndex]:
        return [self.exact, self.coded]

    def _add(self, wanted: dict[int, int]) -> None:
        column = np.fromiter(wanted, dtype=np.int64, count=len(wanted))
        vectors = DIRECTIONS[list(wanted.values())].reshape(len(wanted), DIMENSION)
        for index in (self.oracle, *self.others):
            index.add(column, vectors)
        self.known |= set(wanted)
        self.gone -= set(wanted)

    @rule(wanted=st.dictionaries(ids, directions, min_size=1, max_size=60))
    def add(self, wanted: dict[int, int]) -> None:
        self._add({key: value for key, value in wanted.items() if key not in self.known})

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def add_again(self, data: st.DataObject) -> None:
        back = data.draw(st.sets(st.sampled_from(sorted(self.gone)), min_size=1))
        self._add({key: data.draw(directions) for key in sorted(back)})

    @rule(victims=st.frozensets(ids, max_size=40))
    def remove(self, victims: frozenset[int]) -> None:
        expected = len(self.known & victims)
        self.take_views()
        for index in (self.oracle, *self.others):
            assert index.remove(_column(victims)) == expected
        self.gone |= self.known & victims
        self.known -= victims

    @rule()
    def compact(self) -> None:
        for index in (self.exact, self.coded):
            index.compact()
            assert index.stats().removed == 0

    @rule()
    def rebuild(self) -> None:
        assert self.coded.rebuild() or len(self.known) < 16 or self.coded.stats().kind == "exact"

    @rule()
    def take_views(self) -> None:
        self.views = [*self.views[-3:], (self.oracle.view(), [index.view() for index in self.others])]

    def _scope(self, chosen: int | frozenset[int] | None) -> IdSet | NDArray[np.int64] | None:
        return self.kept[chosen] if isinstance(chosen, int) else None if chosen is None else _column(chosen)

    def _searched(self) -> list[tuple[VectorSearch, list[VectorSearch]]]:
        return [(self.oracle, [*self.others]), *self.views]

    @rule(queries=st.lists(directions, min_size=1, max_size=3), k=st.integers(1, 130), chosen=scopes)
    def search(self, queries: list[int], k: int, chosen: int | frozenset[int] | None) -> None:
        scope = self._scope(chosen)
        for oracle, others in self._searched():
            scores, found = oracle.search(DIRECTIONS[queries], k, allowed=scope)
            for other in others:
                own_scores, own_found = other.search(DIRECTIONS[queries], k, allowed=scope)
                np.testing.assert_array_equal(own_found, found)
                np.testing.assert_array_equal(own_scores, scores)

    @rule(
        queries=st.lists(directions, min_size=1, max_size=3),
        threshold=st.sampled_from([-1.0, 0.0, 8**-0.5, float(np.float32(8**-0.5)), 0.9999999, 1.0]),
        chosen=scopes,
    )
    def search_above(self, queries: list[int], threshold: float, chosen: int | frozenset[int] | None) -> None:
        scope = self._scope(chosen)
        for oracle, others in self._searched():
            right = oracle.search_above(DIRECTIONS[queries], threshold, allowed=scope)
            for other in others:
                found = other.search_above(DIRECTIONS[queries], threshold, allowed=scope)
                np.testing.assert_array_equal(found.offsets, right.offsets)
                np.testing.assert_array_equal(found.ids, right.ids)
                np.testing.assert_array_equal(found.scores, right.scores)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def vectors(self, data: st.DataObject) -> None:
        asked = np.asarray(data.draw(st.lists(st.sampled_from(sorted(self.known)), max_size=9)), dtype=np.int64)
        for index in self.others:
            np.testing.assert_array_equal(index.vectors(asked), self.oracle.vectors(asked))

    @invariant()
    def answers_agree(self) -> None:
        self.search([0, 11, 12], 7, 1)
        self.search([0, 11, 12], 70, None)

    @invariant()
    def sizes_agree(self) -> None:
        for oracle, others in self._searched():
            assert [len(other) for other in others] == [len(oracle)] * len(others)
        assert len(self.oracle) == len(self.known)
        stats = [index.stats() for index in self.others]
        assert [each.vectors for each in stats] == [len(self.known)] * len(stats)


class CodedMachine(SmallMachine):
    """Codes answer wherever they can; whatever they find has the oracle's score, is allowed and is in order."""

    def __init__(self) -> None:
        super().__init__()
        self.oracle = OracleIndex(DIMENSION)
        self.coded = ApproximateIndex(DIMENSION)
        self.known: set[int] = set()
        self.kept = [IdSet(np.arange(0, IDS, step, dtype=np.int64)) for step in (1, 2, 3)]
        self.patch.setattr(coded_rows, "_SELECTIVE", 0)
        self.patch.setattr(coded_rows, "_SHARE", 1)

    @initialize(rerank=st.integers(1, 8))
    def choose(self, rerank: int) -> None:
        self.coded = ApproximateIndex(DIMENSION, exact_below=0, rerank=rerank, background=False)
        self.add(range(0, IDS, 3), 0)
        assert self.coded.rebuild()

    @rule(wanted=st.frozensets(ids, min_size=20), seed=st.integers(0, 3))
    def add(self, wanted: Any, seed: int) -> None:
        column = _column(set(wanted) - self.known)
        vectors = np.random.default_rng(seed).standard_normal((column.size, DIMENSION)).astype(np.float32)
        for index in (self.oracle, self.coded):
            index.add(column, vectors)
        self.known |= set(wanted)

    @rule(victims=st.frozensets(ids, max_size=60))
    def remove(self, victims: frozenset[int]) -> None:
        expected = len(self.known & victims)
        for index in (self.oracle, self.coded):
            assert index.remove(_column(victims)) == expected
        self.known -= victims

    @rule(victims=st.frozensets(ids, min_size=1, max_size=60))
    def remove_and_compact(self, victims: frozenset[int]) -> None:
        self.remove(victims)
        self.coded.compact()

    @rule()
    def rebuild(self) -> None:
        self.coded.rebuild()

    @invariant()
    def answers_are_right(self) -> None:
        self.search(0, 3, None)
        self.search(1, 3, 1)

    @rule(seed=st.integers(0, 100), k=st.integers(1, 12), chosen=st.none() | st.integers(0, 2))
    def search(self, seed: int, k: int, chosen: int | None) -> None:
        scope = None if chosen is None else self.kept[chosen]
        queries = np.random.default_rng(seed).standard_normal((3, DIMENSION)).astype(np.float32)
        everything = self.oracle.search(queries, IDS, allowed=scope)
        scores, found = self.coded.search(queries, k, allowed=scope)
        above = self.coded.search_above(queries, 0.5, allowed=scope)
        for row in range(3):
            truth = dict(zip(everything[1][row].tolist(), everything[0][row].tolist(), strict=True))
            own = [key for key in found[row].tolist() if key >= 0]
            assert len(own) == min(k, len(truth.keys() - {-1}))
            for ids_found, scores_found in ((np.asarray(own), scores[row][: len(own)]), above.of(row)[::-1]):
                assert [truth.get(key) for key in ids_found.tolist()] == scores_found.tolist()
                assert np.lexsort((ids_found, -scores_found)).tolist() == list(range(ids_found.size))
            assert bool((above.of(row)[0] >= 0.5).all())


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(max_examples=scaled(25), stateful_step_count=20, deadline=None)
TestCodedMachine = CodedMachine.TestCase
TestCodedMachine.settings = settings(max_examples=scaled(15), stateful_step_count=15, deadline=None)
