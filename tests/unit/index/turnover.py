"""Threads change an index while others search it, and every answer must be that of a moment during the search.

Each change has a number. Before it is made, who will be there after it is written down; the number of the last change
that has ended before a search, and of the last that has begun when it returns, bound the moments that its answer may
show. What a search must answer at a moment is worked out from scores of a pool of vectors that are known beforehand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from facematch.index.checks import exact_scores
from facematch.protocols import VectorIndex
from facematch.types import FloatArray, IdSet
from tests.unit.index.support import Ints, units

_POOL = 512
_K = 3
_THRESHOLD = 0.35
_KEPT = 500
"""Changes after which moments that no search can show any more are forgotten."""
_PAUSE = 0.0005
"""Seconds between two searches of a thread, in which others have the interpreter."""

Answer = tuple[tuple[int, float], ...]
Search = Callable[[], Answer]


class Turnover:
    """An index, what it should answer, and the threads at work on it.

    Args:
        index: The index, empty.
        people: How many ids there are; about half of them are in the index at any time.
        at_once: Ids that one change adds or removes at most.
        complete: Whether every result must be found; if not, what is found must be of one moment all the same.
        seed: Where chance comes from.

    Attributes:
        searches: Searches that were checked.
        changes: Ids that were added or removed.
        failures: What could not be explained; the first few.
    """

    def __init__(
        self, index: VectorIndex, *, people: int = 300, at_once: int = 4, complete: bool = True, seed: int = 0
    ) -> None:
        self.searches = 0
        self.changes = 0
        self.failures: list[str] = []
        self._index = index
        self._rng = np.random.default_rng(seed)
        self._at_once, self._complete = at_once, complete
        self._pool = units(_POOL, index.dimension, seed)
        self._probes = units(2, index.dimension, seed + 1)
        self._known = np.stack([exact_scores(self._pool, probe) for probe in self._probes])
        self._present = np.full(people, -1, dtype=np.int16)  # which vector of the pool each id has
        self._scope = IdSet(np.arange(0, people, 3, dtype=np.int64))
        self._inside = self._scope.contains(np.arange(people, dtype=np.int64))
        self._begun = self._ended = 0
        self._writing, self._counting = threading.Lock(), threading.Lock()
        self._stop = threading.Event()
        self._moments = {0: self._present.copy()}
        self._oldest: dict[int, int] = {}
        self._forgotten = 0

    def run(self, seconds: float, *, writers: int, readers: int, beside: tuple[Callable[[], object], ...] = ()) -> None:
        """Have writers and readers at work for so long, and call ``beside`` again and again from threads of their own.

        Raises:
            AssertionError: An answer belongs to no moment of its search, or a thread has failed.
        """
        work = [self._write] * writers + [self._again(each) for each in beside]
        work += [self._reader(number) for number in range(readers)]
        self._oldest = dict.fromkeys(range(readers), 0)
        threads = [threading.Thread(target=self._guarded, args=(each,)) for each in work]
        for thread in threads:
            thread.start()
        self._stop.wait(seconds)
        self._stop.set()
        for thread in threads:
            thread.join()
        assert not self.failures, "; ".join(self.failures)
        self._check_end()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever ends a thread is a failure
            self._fail(repr(error))

    def _fail(self, what: str) -> None:
        if len(self.failures) < 5:
            self.failures.append(what)
        self._stop.set()

    def _again(self, work: Callable[[], object]) -> Callable[[], None]:
        def repeat() -> None:
            while not self._stop.is_set():
                work()
                time.sleep(0.002)

        return repeat

    def _write(self) -> None:
        while not self._stop.is_set():
            with self._writing:
                self._change()

    def _change(self) -> None:
        chosen = self._rng.permutation(self._present.size)[: int(self._rng.integers(1, self._at_once + 1))]
        there = self._present[chosen] >= 0
        adding = bool(there.sum() * 2 < chosen.size)
        ids = chosen[~there] if adding else chosen[there]
        self._present[ids] = self._rng.integers(0, _POOL, ids.size) if adding else -1
        number = self._begun + 1
        self._moments[number] = self._present.copy()
        self._begun = number
        column = ids.astype(np.int64)
        if adding:
            self._index.add(column, self._pool[self._present[ids]])
        elif self._index.remove(column) != ids.size:
            self._fail(f"change {number} did not remove {ids.tolist()}")
        self._ended = number
        self.changes += ids.size
        if number % _KEPT == 0 and self._oldest:
            oldest = min(self._oldest.values())
            for forgotten in range(self._forgotten, oldest):
                del self._moments[forgotten]
            self._forgotten = max(self._forgotten, oldest)

    def _explains(self, moment: int, which: int, found: Answer) -> bool:
        """Whether a search may have found that at that moment."""
        present = self._moments[moment]
        if self._complete:
            return found == self._answer(present, which)
        ids, scores = np.asarray([key for key, _ in found], dtype=np.int64), [score for _, score in found]
        return bool((present[ids] >= 0).all()) and self._known[int(which == 1)][present[ids]].tolist() == scores

    def _answer(self, present: NDArray[np.int16], which: int) -> Answer:
        """What the search must find when those are there."""
        there = present >= 0
        (ids,) = np.nonzero(there & self._inside if which == 1 else there)
        scores = self._known[int(which == 1)][present[ids]]
        if which == 2:
            reaching = scores >= np.float64(_THRESHOLD)
            scores, ids = scores[reaching], ids[reaching]
        order = np.lexsort((ids, -scores))[: None if which == 2 else _K]
        return _listed(scores[order], ids[order])

    def _searches(self) -> tuple[Search, ...]:
        first, second = self._probes[:1], self._probes[1:]

        def above() -> Answer:
            found = self._index.search_above(first, _THRESHOLD)
            return _listed(found.scores, found.ids)

        def best(probe: FloatArray, scope: IdSet | None) -> Answer:
            scores, ids = self._index.search(probe, _K, allowed=scope)
            there = ids[0] >= 0
            return _listed(scores[0][there], ids[0][there])

        return (lambda: best(first, None), lambda: best(second, self._scope), above)

    def _reader(self, number: int) -> Callable[[], None]:
        def read() -> None:
            done, searches = 0, self._searches()
            while not self._stop.is_set():
                which = done % len(searches)
                self._oldest[number] = self._ended
                since = self._oldest[number]
                found = searches[which]()
                until = self._begun
                if not any(self._explains(moment, which, found) for moment in range(until, since - 1, -1)):
                    self._fail(f"search {which} between changes {since} and {until} found {found}")
                done += 1
                time.sleep(_PAUSE)
            with self._counting:
                self.searches += done

        return read

    def _check_end(self) -> None:
        assert self._begun == self._ended, "a change has not ended"
        assert len(self._index) == int((self._present >= 0).sum()), "len() is wrong at the end"
        for which, search in enumerate(self._searches()):
            found = search()
            assert self._explains(self._ended, which, found), f"search {which} found {found} at the end"


def _listed(scores: FloatArray, ids: Ints) -> Answer:
    return tuple(zip(ids.tolist(), scores.tolist(), strict=True))
