from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facematch.index import pair_scores, rows, scan
from facematch.index.checks import exact_scores
from facematch.index.exact import ExactIndex
from facematch.index.matmul import multiply
from facematch.index.pair_scores import slack_of
from facematch.parallel import sharing
from facematch.testing import OracleIndex
from facematch.types import FloatArray, IdSet
from tests.examples import scaled
from tests.unit.index.support import Ints, clusters, ids_of, normal, units


def _pair(vectors: FloatArray, ids: Ints) -> tuple[OracleIndex, ExactIndex]:
    oracle, exact = OracleIndex(vectors.shape[1]), ExactIndex(vectors.shape[1])
    for index in (oracle, exact):
        index.add(ids, vectors)
    return oracle, exact


def _same_best(
    oracle: OracleIndex, exact: ExactIndex, queries: FloatArray, ks: Sequence[int], scope: IdSet | None = None
) -> None:
    assert ks
    for k in ks:
        scores, ids = exact.search(queries, k, allowed=scope)
        right_scores, right_ids = oracle.search(queries, k, allowed=scope)
        np.testing.assert_array_equal(ids, right_ids)
        np.testing.assert_array_equal(scores, right_scores)


def _same_above(
    oracle: OracleIndex, exact: ExactIndex, queries: FloatArray, threshold: float, scope: IdSet | None = None
) -> int:
    found = exact.search_above(queries, threshold, allowed=scope)
    right = oracle.search_above(queries, threshold, allowed=scope)
    np.testing.assert_array_equal(found.offsets, right.offsets)
    np.testing.assert_array_equal(found.ids, right.ids)
    np.testing.assert_array_equal(found.scores, right.scores)
    return int(found.ids.size)


def _near_ties(count: int, dimension: int, seed: int) -> FloatArray:
    """Vectors within about 1e-7 of each other, many of them equal."""
    steps = np.random.default_rng(seed).integers(-8, 9, (count, dimension)).astype(np.float32)
    near: FloatArray = units(1, dimension, seed) * (1 + steps * np.float32(2.0**-23))
    return near.astype(np.float32)


# --- the rounding bound


@pytest.mark.parametrize("dimension", [128, 512])
def test_near_ties_are_ranked_to_the_bit(dimension: int) -> None:
    vectors = np.concatenate([_near_ties(1200, dimension, 1), units(300, dimension, 2)])
    ids = np.random.default_rng(3).permutation(1500).astype(np.int64)
    oracle, exact = _pair(vectors, ids)
    scores = exact_scores(vectors[:1200], vectors[0])
    assert np.ptp(scores) < 1e-6
    assert 2 < len(set(scores.tolist())) < 30
    queries = np.concatenate([vectors[:3], units(3, dimension, 4), -vectors[:1]])
    _same_best(oracle, exact, queries, [1, 5, 50, 400, 1499])
    for score in exact.search(queries[:1], 600)[0][0, ::150].tolist():
        for threshold in (score, float(np.nextafter(score, 2.0)), float(np.nextafter(score, -2.0))):
            _same_above(oracle, exact, queries, threshold)


@given(
    seed=st.integers(0, 2**32 - 1),
    dimension=st.sampled_from([1, 2, 7, 64, 128, 300]),
    exponents=st.lists(st.integers(-8, 8), min_size=1, max_size=4),
    k=st.integers(1, 60),
)
@settings(max_examples=scaled(60), deadline=None)
def test_rounding_never_loses_a_result(seed: int, dimension: int, exponents: list[int], k: int) -> None:
    rng = np.random.default_rng(seed)
    groups = [
        _near_ties(60, dimension, seed + place) * np.float32(10.0**power) for place, power in enumerate(exponents)
    ]
    vectors = np.concatenate([*groups, np.zeros((2, dimension), np.float32)]).astype(np.float32)
    oracle, exact = _pair(vectors, rng.permutation(len(vectors)).astype(np.int64))
    queries = np.concatenate([vectors[:2], -vectors[-3:-2], units(2, dimension, seed)])
    _same_best(oracle, exact, queries, [k, len(vectors)])
    score = float(exact.search(queries[:1], k)[0].min(initial=0.0, where=np.isfinite(exact.search(queries[:1], k)[0])))
    _same_above(oracle, exact, queries, score)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 8, 128, 512]))
@settings(max_examples=scaled(25), deadline=None)
def test_products_are_off_by_less_than_the_slack(seed: int, dimension: int) -> None:
    count = 64 if dimension >= 128 else 9000  # so many that the products of a single query are FAISS's
    vectors, queries = units(count, dimension, seed) * np.float32(3.0), units(8, dimension, seed + 1)
    exact = ExactIndex(dimension)
    exact.add(np.arange(count, dtype=np.int64), vectors)
    products, singly = (np.full((count, 8), np.nan, dtype=np.float32) for _ in range(2))
    multiply(vectors, np.ascontiguousarray(queries.T), products)
    for number, query in enumerate(queries):
        single = np.full((count, 1), np.nan, dtype=np.float32)
        multiply(vectors, np.ascontiguousarray(query[:, None]), single)
        singly[:, number] = single[:, 0]
    slack = slack_of(exact._moment, queries)
    truth = vectors.astype(np.float64) @ queries.T.astype(np.float64)
    for found in (products, singly):
        assert bool((np.abs(found - truth) <= slack / 2).all())


def test_scores_are_the_exact_sums_rounded_once() -> None:
    vectors, query = units(40, 128), units(1, 128, 1)[0]
    sums = [sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(row, query, strict=True)) for row in vectors]
    expected = np.asarray([float(total) for total in sums]).astype(np.float32)
    np.testing.assert_array_equal(exact_scores(vectors, query), expected)
    fsums = [math.fsum((row.astype(np.float64) * query.astype(np.float64)).tolist()) for row in vectors]
    np.testing.assert_array_equal(np.asarray(fsums, dtype=np.float32), expected)


# --- many blocks, many segments, few threads


class Seen:
    """What a search did."""

    def __init__(self) -> None:
        self.blocks = 0
        self.thinned = 0


@pytest.fixture(params=[0, 1, 3])
def helpers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """So many threads help the caller."""
    count: int = request.param
    pool = sharing._Pool()
    monkeypatch.setattr(sharing, "helpers", lambda: count)
    monkeypatch.setattr(scan, "helpers", lambda: count)
    monkeypatch.setattr(sharing, "_POOL", pool)
    yield count
    if pool._made is not None:
        pool._made.shutdown()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, helpers: int) -> Seen:
    """Blocks of 96 rows at most, segments of 150, few candidates kept, few queries at once."""
    constants = {"_PRODUCTS": 7 * 96, "_FEW_ROWS": 64, "_QUERIES": 7, "_MANY": 40}
    for name, value in constants.items():
        monkeypatch.setattr(scan, name, value)
    monkeypatch.setattr(pair_scores, "_PAIRS", 33)
    for module in (rows, scan):
        monkeypatch.setattr(module, "segment_rows", lambda _: 150)
    seen = Seen()
    fill, thin_out = scan._Block.fill, scan._Best._thin_out

    def filled(block: scan._Block, pieces: Any) -> None:
        seen.blocks += 1
        fill(block, pieces)

    def thinned(best: scan._Best) -> None:
        seen.thinned += 1
        thin_out(best)

    monkeypatch.setattr(scan._Block, "fill", filled)
    monkeypatch.setattr(scan._Best, "_thin_out", thinned)
    return seen


@pytest.mark.parametrize("dimension", [8, 128])
def test_many_blocks_and_segments_give_one_answer(small: Seen, dimension: int) -> None:
    rng = np.random.default_rng(5)
    vectors = np.concatenate([clusters(1400, dimension, spread=0.2), _near_ties(600, dimension, 6)])
    ids = rng.permutation(9000)[:2000].astype(np.int64)
    oracle, exact = _pair(vectors[:1900], ids[:1900])
    for index in (oracle, exact):
        index.remove(ids[100:330])
        index.remove(ids[1000:1020])
        index.add(ids[1900:], vectors[1900:])
        index.add(ids[100:120], vectors[-20:])
    assert len(exact._moment.segments) > 10
    queries = np.concatenate([vectors[::200], units(6, dimension, 7)])
    half, few = IdSet(np.sort(ids)[::2].copy()), IdSet(ids[::97].copy())
    for scope in (None, half, few, IdSet(ids_of())):
        _same_best(oracle, exact, queries, [1, 3, 20, 150, 1999], scope)
        assert _same_above(oracle, exact, queries, 0.3, scope) > 0 or (scope is not None and len(scope) == 0)
    assert small.blocks > 20
    assert small.thinned > 0


def test_thinning_out_keeps_the_whole_tie(small: Seen) -> None:
    vectors = np.repeat(units(1, 16), 900, axis=0)
    ids = np.random.default_rng(8).permutation(900).astype(np.int64)
    oracle, exact = _pair(vectors, ids)
    _same_best(oracle, exact, vectors[:2], [1, 30, 450, 901])
    assert small.thinned > 0


def test_every_size_around_a_group_and_a_block_is_searched_whole(small: Seen) -> None:
    for size in (1, 2, 31, 32, 33, 63, 64, 65, 95, 96, 97, 149, 150, 151, 193, 301):
        oracle, exact = _pair(units(size, 8, size), np.arange(size, dtype=np.int64)[::-1].copy())
        _same_best(oracle, exact, units(9, 8), [1, 2, 8, size, size + 1])
        assert _same_above(oracle, exact, units(9, 8), -2.0) == 9 * size
    assert small.blocks > 0


@given(data=st.data())
@settings(max_examples=scaled(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_sizes_of_blocks_are_the_answer_stays(data: st.DataObject) -> None:
    """Sizes, constants and scopes by chance."""
    count, k = data.draw(st.integers(1, 400)), data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    constants = {
        "_PRODUCTS": data.draw(st.sampled_from([32, 400, 5000])),
        "_FEW_ROWS": data.draw(st.sampled_from([1, 64])),
        "_QUERIES": data.draw(st.integers(1, 9)),
        "_MANY": data.draw(st.sampled_from([1, 30, 1000])),
        "_WIDE": data.draw(st.sampled_from([1, 4, 64])),
        "_ROOM": data.draw(st.sampled_from([1, 4])),
    }
    limit = data.draw(st.sampled_from([64, 100, 1024]))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in constants.items():
            patch.setattr(scan, name, value)
        for module in (rows, scan):
            patch.setattr(module, "segment_rows", lambda _: limit)
        pool = units(6, 4, int(rng.integers(1000)))
        vectors = np.where(rng.random((count, 1)) < 0.6, pool[rng.integers(0, 6, count)], units(count, 4, 9))
        oracle, exact = _pair(vectors.astype(np.float32), rng.permutation(2 * count)[:count].astype(np.int64))
        gone = rng.integers(0, 2 * count, count // 3)
        for index in (oracle, exact):
            index.remove(np.unique(gone).astype(np.int64))
        scope = IdSet(np.flatnonzero(rng.random(2 * count) < 0.4).astype(np.int64))
        queries = np.concatenate([pool, units(4, 4, 10)])
        _same_best(oracle, exact, queries, [k, count + 1])
        _same_best(oracle, exact, queries, [k], scope)
        _same_above(oracle, exact, queries, float(vectors[0] @ pool[0]), scope)


def test_a_scope_keeps_up_with_segments_that_change(small: Seen) -> None:
    vectors = clusters(700, 8)
    ids = np.arange(700, dtype=np.int64)
    oracle, exact = _pair(vectors, ids)
    scope = IdSet(ids[::3].copy())
    _same_best(oracle, exact, vectors[:3], [4], scope)
    for index in (oracle, exact):
        index.remove(ids[:300:2])
    _same_best(oracle, exact, vectors[:3], [4], scope)
    for index in (oracle, exact):
        index.add(ids[:300:2], vectors[400:550])
    _same_best(oracle, exact, vectors[:3], [4], scope)
    exact.compact()
    _same_best(oracle, exact, vectors[:3], [4], scope)
    assert small.blocks > 0


# --- what goes wrong inside


@pytest.mark.parametrize("raised", [MemoryError, KeyboardInterrupt])
def test_a_search_that_fails_leaves_the_index_as_it_was(
    small: Seen, helpers: int, raised: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle, exact = _pair(clusters(800, 16), np.arange(800, dtype=np.int64))
    calls = iter(range(10_000))

    def failing(rows: FloatArray, columns: FloatArray, out: FloatArray) -> None:
        if next(calls) == 4:
            raise raised
        multiply(rows, columns, out)

    with monkeypatch.context() as patch:
        patch.setattr(scan, "multiply", failing)
        with pytest.raises(raised):
            exact.search(units(5, 16), 3)
    before = small.blocks
    assert before < 14
    _same_best(oracle, exact, units(5, 16), [3])
    assert small.blocks > before
    assert (sharing._POOL._made is not None) == (helpers > 0)


def test_lengths_that_differ_widely_do_not_hide_a_result() -> None:
    vectors = np.concatenate(
        [units(300, 32) * np.float32(1e4), units(300, 32, 1), units(300, 32, 2) * np.float32(1e-4)]
    )
    oracle, exact = _pair(vectors, np.arange(900, dtype=np.int64))
    scope = IdSet(np.arange(300, 900, dtype=np.int64))
    _same_best(oracle, exact, units(4, 32, 3), [1, 10, 500])
    _same_best(oracle, exact, units(4, 32, 3), [1, 10, 500], scope)
    assert _same_above(oracle, exact, normal(units(4, 32, 3)), 1e-6, scope) > 0
