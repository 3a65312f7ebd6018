"""Contract of every vector index, checked against a straightforward search of everything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from facematch.protocols import VectorIndex
from facematch.testing.comparison import FAR, ComparedIndex, Ints, Scope, Tally, refused, require, unit
from facematch.types import FloatArray, IdSet

__all__ = ["check_vector_index"]


def check_vector_index(
    factory: Callable[[int], VectorIndex],
    *,
    dimension: int = 16,
    seed: int = 0,
    thorough: bool = False,
    recall: float = 1.0,
) -> None:
    """Check that an index keeps the contract of :class:`~facematch.protocols.VectorIndex`.

    Compares it with a straightforward search while vectors are added, removed, added again and compacted: random,
    clustered and duplicated vectors, ties of hundreds, vectors that differ in one last bit, zero vectors, none but
    negative scores; without and with filters, also such as are used again; best ``k`` and everything above a
    threshold; views, figures, and what it refuses. Scores must be the inner product summed in float64 and rounded to
    ``float32``, so that ties are ties in every index.

    Args:
        factory: Makes an empty index of a given dimension.
        dimension: Length of the vectors.
        seed: Seed of the random vectors.
        thorough: Larger galleries and more queries at once, for an index in memory.
        recall: Share of the results that must be found, over all searches; below 1 for an index that may miss some.
            Those that it finds must be right in any case.

    Raises:
        AssertionError: The index breaks a rule; the message says which.
    """
    tally = Tally(recall)
    rng = np.random.default_rng(seed)
    for check in (_check_changes, _check_scopes, _check_ties, _check_near_ties, _check_far_sides, _check_refusals):
        check(ComparedIndex(factory(dimension), dimension, tally, rng))
    if thorough:
        _check_size(ComparedIndex(factory(dimension), dimension, tally, rng))
    require(
        tally.found >= recall * tally.wanted, f"{tally.found} of {tally.wanted} results were found, not {recall:.2%}"
    )


def _check_changes(compared: ComparedIndex) -> None:
    """Vectors come, go and come back as others, while scopes and views from before are used."""
    rng, pool = compared.rng, compared.unit(8)
    compared.best(pool[:2], [(3, None), (1, _ids(4))], "an empty index")
    compared.above(pool[:2], [(-2.0, None)], "an empty index")
    compared.check_stats("an empty index")
    compared.check_vectors("an empty index")
    even, far = IdSet(np.arange(0, 400, 2, dtype=np.int64)), IdSet(_ids(3, 4, 9, 15, 40, 1 << 40, FAR))
    gone: Ints = np.empty(0, dtype=np.int64)
    for step in range(8):
        what = f"step {step}"
        count = int(rng.integers(1, 16))
        ids = (40 * step + rng.permutation(40)[:count]).astype(np.int64)
        back = gone[: int(rng.integers(0, 4))]
        ids = np.concatenate([ids, back])
        vectors = np.where(rng.random((ids.size, 1)) < 0.5, pool[rng.integers(0, 8, ids.size)], compared.unit(ids.size))
        compared.add(ids, vectors.astype(np.float32))
        victims = rng.permutation(compared.oracle.ids)[: int(rng.integers(0, 6))]
        compared.remove(np.concatenate([victims, _ids(900 + step)]))
        gone = np.concatenate([np.setdiff1d(gone, back), victims])
        if step % 3 == 2:
            compared.compact()
        queries = np.concatenate([compared.unit(3), pool[:2]])
        some = compared.oracle.ids[rng.random(compared.oracle.ids.size) < 0.4]
        rest = [(1, None), (3, some), (3, even), (compared.oracle.ids.size + 2, np.append(some, _ids(5000 + step)))]
        compared.best(queries, [*rest, (2, far), (2, _ids())], what)
        compared.above(queries, [(_one_of(compared, queries), None), (0.1, even)], what)
        compared.check_vectors(what)
        compared.check_stats(what)
        if step in {1, 4}:
            compared.take_view()
    compared.best(pool[:0], [(2, None)], "no query")
    compared.above(pool[:0], [(0.5, None)], "no query")
    compared.check_views(pool[:3], "after eight steps")
    compared.remove(compared.oracle.ids)
    compared.best(pool[:2], [(2, None), (2, even)], "everything removed")
    compared.check_views(pool[:2], "everything removed")
    compared.compact()
    compared.best(pool[:2], [(2, None), (2, even)], "everything removed and compacted")
    compared.check_stats("everything removed and compacted")
    compared.check_views(pool[:2], "everything removed and compacted")


def _check_scopes(compared: ComparedIndex) -> None:
    """A scope that is used again sees every change, however sparse its ids are."""
    rng = compared.rng
    ids = np.unique(np.concatenate([rng.integers(0, 60, 30), rng.integers(0, FAR, 30), _ids(0, FAR)]))
    compared.add(ids, compared.unit(ids.size))
    queries = compared.unit(4)
    scopes = {
        "a few": IdSet(ids[::5].copy()),
        "sparse": IdSet(ids[ids > 60]),
        "full": IdSet(ids),
        "empty": IdSet(_ids()),
        "unknown": IdSet(_ids(61, 62, FAR - 1)),
        "dense": IdSet(np.arange(64, dtype=np.int64)),
    }
    asked = [(4, scope) for scope in scopes.values()]
    compared.best(queries, asked, "scopes for the first time")
    compared.best(queries, asked, "scopes used again")
    gone = ids[::3]
    compared.remove(gone)
    compared.best(queries, asked, "scopes used again after remove()")
    compared.above(
        queries, [(0.0, scopes["a few"]), (0.0, scopes["sparse"]), (0.0, scopes["empty"])], "scopes used again"
    )
    compared.add(gone, compared.unit(gone.size))
    compared.best(queries, asked, "scopes used again after ids came back with other vectors")
    compared.remove(ids[1::3])
    compared.compact()
    compared.add(_ids(61), compared.unit(1))
    compared.best(queries, asked, "scopes used again after compact()")
    compared.above(queries, [(-0.1, scopes["full"]), (-1.5, scopes["unknown"])], "scopes used again after compact()")


def _check_ties(compared: ComparedIndex) -> None:
    """The k-th place lies in a tie of hundreds; more queries than are usually computed at once."""
    rng = compared.rng
    few = compared.unit(3)
    ids = rng.permutation(900)[:330].astype(np.int64)
    which = np.arange(330) % 3
    which[:250] = 0
    compared.add(ids[:200], few[which[:200]])
    compared.add(ids[200:], few[which[200:]])
    members = np.sort(ids[which == 0])
    asked: list[tuple[int, Scope]] = [
        (1, None),
        (70, None),
        (7, members[-20:].copy()),
        (3, IdSet(members[1::2].copy())),
    ]
    compared.best(few[:1], [*asked, (331, None)], "a tie of hundreds")
    compared.above(few[:1], [(_one_of(compared, few[:1]), None)], "a tie of hundreds")
    compared.remove(members[:5])
    compared.best(few[:1], asked, "a tie of hundreds after remove()")
    many = compared.unit(300)
    many[::50] = few[0]
    compared.best(many, [(2, None), (2, IdSet(ids[:40].copy()))], "300 queries")
    compared.above(many, [(0.6, IdSet(ids[:40].copy()))], "300 queries")


def _check_near_ties(compared: ComparedIndex) -> None:
    """Vectors that differ in the last bit of one number, so that scores lie within the rounding of float32."""
    rng = compared.rng
    vectors = np.repeat(compared.unit(2), 40, axis=0)
    column = rng.integers(0, compared.dimension, 80)
    rows, towards = np.arange(80), np.where(rng.random(80) < 0.5, np.float32(-2.0), np.float32(2.0))
    for _ in range(2):
        vectors[rows, column] = np.nextafter(vectors[rows, column], towards)
    ids = rng.permutation(80).astype(np.int64)
    compared.add(ids, vectors)
    queries = np.concatenate([vectors[[0, 41]], -vectors[:1], compared.unit(1)])
    compared.best(
        queries, [(1, None), (9, None), (9, ids[::2].copy()), (81, None)], "vectors that differ in the last bit"
    )
    exactly = _one_of(compared, queries)
    above = [(exactly, None), (float(np.nextafter(exactly, 2.0)), None), (float(np.nextafter(exactly, -2.0)), None)]
    compared.above(queries, above, "vectors that differ in the last bit")


def _check_far_sides(compared: ComparedIndex) -> None:
    """Zero vectors, none but negative scores, and vectors that are longer or shorter than 1."""
    side = compared.unit(1)
    vectors = unit(side + 0.3 * unit(compared.rng.standard_normal((40, compared.dimension))))
    compared.add(np.arange(40, dtype=np.int64), vectors)
    compared.best(-side, [(3, None), (60, None), (2, _ids(3, 5, 70))], "none but negative scores")
    compared.above(-side, [(-0.99, None), (0.0, None), (-2.0, None), (2.0, None)], "none but negative scores")
    compared.add(_ids(70, 50, 60), np.zeros((3, compared.dimension), dtype=np.float32))
    queries = np.concatenate([side, -side, np.zeros_like(side)])
    compared.best(queries, [(2, None), (50, None), (3, _ids(50, 60, 70))], "zero vectors")
    compared.above(queries, [(0.0, None), (5e-324, None)], "zero vectors")
    long = (compared.unit(6) * np.float32(1000.0)).astype(np.float32)
    compared.add(np.arange(100, 106, dtype=np.int64), long)
    compared.add(np.arange(110, 116, dtype=np.int64), (long * np.float32(1e-9)).astype(np.float32))
    compared.best(queries, [(4, None), (40, None)], "long and short vectors")


def _check_size(compared: ComparedIndex) -> None:
    """Some thousands of clustered vectors, many queries at once, and so many results that every row matters."""
    rng, centers = compared.rng, compared.unit(20)
    vectors = unit(centers[rng.integers(0, 20, 2500)] + 0.2 * rng.standard_normal((2500, compared.dimension)))
    vectors[rng.integers(0, 2500, 400)] = vectors[0]
    ids = rng.permutation(10_000)[:2500].astype(np.int64)
    for start in range(0, 2500, 700):
        compared.add(ids[start : start + 700], vectors[start : start + 700])
    compared.take_view()
    queries = np.concatenate([unit(centers[rng.integers(0, 20, 590)] + 0.3 * compared.unit(590)), vectors[:10]])
    half, few = IdSet(np.sort(ids)[::2].copy()), IdSet(np.sort(ids)[::90].copy())
    what = "clustered vectors"
    compared.best(queries, [(1, None), (5, half), (5, few)], f"{what}, 600 queries")
    compared.above(queries, [(0.9, half)], f"{what}, 600 queries")
    compared.best(queries[-12:], [(60, None), (400, None), (1000, half), (2600, None), (40, few)], what)
    compared.remove(rng.permutation(ids)[:900])
    compared.remove(ids[vectors[:, 0] == vectors[0, 0]][:300])
    compared.best(queries[-300:], [(1, None), (5, half), (5, few)], f"{what} after remove()")
    compared.above(queries[-20:], [(0.5, None), (_one_of(compared, queries[-20:]), few)], f"{what} after remove()")
    compared.compact()
    compared.best(queries[-20:], [(30, None), (700, half), (5, few)], f"{what} after compact()")
    compared.check_views(queries[-5:], what)
    compared.check_vectors(what)
    compared.check_stats(what)


def _check_refusals(compared: ComparedIndex) -> None:
    """Refused calls change nothing."""
    index, dimension, unused = compared.index, compared.dimension, 77

    def rows(count: int) -> FloatArray:
        return np.eye(count, dimension, dtype=np.float32)

    compared.add(_ids(3, 1, 2), compared.unit(3))
    bad, wide = rows(1), np.ones((1, dimension + 1), dtype=np.float32)
    bad[0, 0] = np.nan
    calls: dict[str, Callable[[], object]] = {
        "an id that is already there": lambda: index.add(_ids(unused, 3), rows(2)),
        "an id given twice": lambda: index.add(_ids(unused, unused), rows(2)),
        "a negative id": lambda: index.add(_ids(-1), rows(1)),
        "another number of ids than vectors": lambda: index.add(_ids(unused), rows(2)),
        "vectors of another dimension": lambda: index.add(_ids(unused), wide),
        "numbers that are not finite": lambda: index.add(_ids(unused), bad),
        "float64 vectors": lambda: index.add(_ids(unused), rows(1).astype(np.float64)),
        "queries of another dimension": lambda: index.search(wide, 1),
        "queries that are not finite": lambda: index.search(bad, 1),
        "k = 0": lambda: index.search(rows(1), 0),
        "a negative id to search for": lambda: index.search(rows(1), 1, allowed=_ids(-1)),
        "queries of another dimension above a threshold": lambda: index.search_above(wide, 0.5),
        "a threshold that is not finite": lambda: index.search_above(rows(1), float("nan")),
        "vectors of ids of which one is not there": lambda: index.vectors(_ids(1, unused)),
    }
    for what, call in calls.items():
        refused(what, call)
    compared.best(rows(1), [(3, None), (5, None)], "after refused calls nothing has changed")
    compared.check_stats("after refused calls nothing has changed")


def _one_of(compared: ComparedIndex, queries: FloatArray) -> float:
    """A score that a vector has to the bit: the third best of the first query, where there are three."""
    scores = np.sort(compared.oracle.scores(queries[:1])[0])[::-1]
    return float(scores[:3][-1]) if scores.size else 0.5


def _ids(*values: int) -> Ints:
    return np.asarray(values, dtype=np.int64)
