"""Approximate search for large galleries: codes propose, exact scores decide, and what is new is compared exactly.

A gallery has a main part that is coded and a small rest that was added since; the rest is scanned exactly with every
search. Removed vectors are gone at once, whatever the codes still say, because a candidate's score is computed from its
vector. When the rest has grown, everything is coded anew in the background and the new state takes the old one's place.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
from facematch.index.checks import (
    already_there,
    check_addition,
    check_budget,
    check_dimension,
    check_ids,
    check_threshold,
)
from facematch.index.codebook import can_code, in_one_thread
from facematch.index.coded_rows import ApproximateView, CodedRows
from facematch.index.recall_tuning import TunedCodes, tuned
from facematch.index.rows import Rows
from facematch.index.view_mixin import ViewSearchMixin
from facematch.types import FloatArray, IndexStats

__all__ = ["ApproximateIndex"]

logger = logging.getLogger(__name__)

Ints = NDArray[np.int64]

_REST = 8192
"""Vectors that may wait to be coded, or a tenth of the gallery if that is more."""


class _Ending(Exception):
    """The interpreter is ending."""


class _Builders:
    """Threads that learn codes. FAISS must not be at work when the interpreter is gone, so its end waits for them."""

    def __init__(self) -> None:
        self._threads: WeakSet[threading.Thread] = WeakSet()
        self._ending = False

    def start(self, index: ApproximateIndex) -> threading.Thread:
        builder = threading.Thread(target=self._build, args=(index,), name="facematch-index-builder", daemon=True)
        self._threads.add(builder)
        builder.start()
        return builder

    def check(self) -> None:
        if self._ending:
            raise _Ending

    def end(self) -> None:
        self._ending = True
        for builder in list(self._threads):
            builder.join()

    @staticmethod
    def _build(index: ApproximateIndex) -> None:
        with suppress(_Ending), in_one_thread():  # searches want the other cores
            index.rebuild()


_BUILDERS = _Builders()
atexit.register(_BUILDERS.end)


class ApproximateIndex(ViewSearchMixin):
    """A :class:`~facematch.protocols.VectorIndex` through FAISS codes, at a recall measured on its own vectors.

    Up to ``exact_below`` vectors it searches exactly. Beyond, it learns codes in the background and looks for the
    fewest candidates that reach the wanted recall. It searches exactly until it has found them, or for ever if there
    are none.

    Args:
        dimension: Length of the vectors, at least 1.
        recall: Share of searches whose best result is the true one, among those whose true one reaches ``threshold``;
            over 0, at most 1; measured as :mod:`~facematch.index.recall_tuning` says.
        threshold: Lowest score that matters, a raw cosine.
        exact_below: Galleries smaller than this are searched exactly.
        rerank: Candidates of the codes whose scores are computed exactly, at least 1; ``None`` finds their number by
            measuring.
        background: Whether codes are learnt in a thread of their own; otherwise only :meth:`rebuild` learns them.
        memory_budget: Bytes that vectors, ids and codes may take; ``None`` for no limit. Where codes do not fit beside
            the vectors, there are none.

    Raises:
        VectorIndexError: An argument is out of its range.
    """

    def __init__(
        self,
        dimension: int,
        *,
        recall: float = 0.999,
        threshold: float = 0.3,
        exact_below: int = 100_000,
        rerank: int | None = None,
        background: bool = True,
        memory_budget: int | None = None,
    ) -> None:
        empty = Rows(check_dimension(dimension))
        if not 0.0 < recall <= 1.0:
            raise VectorIndexError(f"recall must be over 0 and at most 1, got {recall!r}", hint="such as 0.999")
        if rerank is not None and rerank < 1:
            raise VectorIndexError(f"rerank must be at least 1, got {rerank!r}", hint="leave it away to measure it")
        self._recall, self._threshold, self._rerank = recall, check_threshold(threshold), rerank
        self._exact_below, self._background = exact_below, background
        self._budget = memory_budget
        self._state = CodedRows(empty, empty)
        self._writing = threading.Lock()
        self._building = threading.Lock()
        self._builder: threading.Thread | None = None
        self._removed_since: list[Ints] | None = None
        self._tried_at = 0
        self._failure: str | None = None

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._state.main.dimension

    def __len__(self) -> int:
        """Number of vectors."""
        return self._state.size

    def add(self, ids: Ints, vectors: FloatArray) -> None:
        """Add vectors under new ids; all of them or none.

        Args:
            ids: ``(N,)`` ``int64``, not negative.
            vectors: ``(N, dimension)`` ``float32``, finite.

        Raises:
            VectorIndexError: A wrong type or shape, a number that is not finite, or an id that is already there.
        """
        ids, vectors = check_addition(ids, vectors, self.dimension)
        with self._writing:
            state = self._state
            if bool(((state.main.find(ids) >= 0) | (state.rest.find(ids) >= 0)).any()):
                raise already_there()
            if ids.size:
                check_budget(state.main.nbytes + state.rest.nbytes_with(ids.size), self._budget)
                self._state = replace(state, rest=state.rest.adding(ids, vectors))
        self._build_if_due()

    def remove(self, ids: Ints) -> int:
        """Remove ids; ids that are not there are ignored. Effective with the next search.

        Args:
            ids: ``(N,)`` ``int64``.

        Returns:
            How many were there.

        Raises:
            VectorIndexError: A wrong type or shape.
        """
        ids = check_ids(ids)
        with self._writing:
            state = self._state
            if self._removed_since is not None:
                self._removed_since.append(ids)
            main, rest = state.main.removing(ids, rewrite=False), state.rest.removing(ids)
            self._state = replace(state, main=main, rest=rest)
            removed = state.size - self._state.size
        self._build_if_due()
        return removed

    def compact(self) -> int:
        """Let go of the memory of removed vectors and of their codes.

        Returns:
            How many rows were let go of.
        """
        with self._building, self._writing:
            state = self._state
            freed = state.main.dead + state.rest.dead
            self._state = state.compacted() if freed else state
        self._build_if_due()
        return freed

    def view(self) -> ApproximateView:
        """View of what a search would read now, whatever changes later."""
        return ApproximateView(self._state)

    def stats(self) -> IndexStats:
        """Figures about the index: kind of codes, candidates scored, and the recall that was measured."""
        state = self._state
        details: dict[str, Any] = {"precision": "float32", "coded": state.main.size, "rest": state.rest.size}
        total = state.main.nbytes + state.rest.nbytes + state.rows.nbytes
        kind = "exact"
        if state.coded is not None:
            kind = state.coded.codes.kind
            total += state.coded.codes.nbytes
            details |= state.coded.facts()
        if self._failure is not None:
            details["not_coded_because"] = self._failure
        size = 4 * state.size * self.dimension
        return IndexStats(kind, state.size, self.dimension, state.main.dead + state.rest.dead, size, total, details)

    # --- learning codes

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no codes are being learnt.

        Args:
            timeout: Seconds to wait at most; ``None`` for as long as it takes.

        Returns:
            Whether that is so.
        """
        builder = self._builder
        if builder is not None:
            builder.join(timeout)
        return builder is None or not builder.is_alive()

    def rebuild(self) -> bool:
        """Learn codes of everything that is there now; searches and changes go on meanwhile.

        Returns:
            Whether codes are in use afterwards: not where the vectors cannot be coded, or where no number of candidates
            reaches the recall.
        """
        with self._building:
            return self._rebuild()

    def _build_if_due(self) -> None:
        if not self._background or (self._builder is not None and self._builder.is_alive()):
            return
        state = self._state
        forgotten = 0 if state.coded is None else max(len(state.coded.codes) - state.main.size, 0)
        waiting = state.rest.size + forgotten
        due = waiting > max(_REST, state.main.size // 10) and state.size > 1.1 * self._tried_at
        if due and self._is_to_be_coded(state.size):
            self._builder = _BUILDERS.start(self)

    def _is_to_be_coded(self, size: int) -> bool:
        return size >= self._exact_below and can_code(self.dimension, size)

    def _rebuild(self) -> bool:
        with self._writing:
            before = self._state
            self._removed_since = []
        self._tried_at = before.size  # it is not tried again before the gallery has grown, unless this succeeds
        try:
            wanted = self._is_to_be_coded(before.size)
            ids = before.rest.ids()
            everything = before.main.compacted().adding(ids, before.rest.take(before.rest.find(ids)))
            began = time.perf_counter()
            coded = None
            if wanted:
                coded = tuned(
                    everything,
                    recall=self._recall,
                    threshold=self._threshold,
                    rerank=self._rerank,
                    between=_BUILDERS.check,
                )
            if coded is not None and not self._affords(everything.nbytes + coded.codes.nbytes + 4 * everything.size):
                coded = None
            self._failure = None if coded is not None else self._why_not(wanted=wanted)
            if coded is None:
                return self._state.coded is not None
            coded = replace(coded, seconds=time.perf_counter() - began)
            with self._writing:
                self._take(everything, coded)
            logger.info(
                "codes of the index learnt",
                extra={"kind": coded.codes.kind, "vectors": everything.size, "seconds": round(coded.seconds, 3)},
            )
            self._tried_at = 0
            return True
        finally:
            with self._writing:  # a removal looks at it twice
                self._removed_since = None

    def _take(self, everything: Rows, coded: TunedCodes) -> None:
        now = self._state
        gone = self._removed_since
        main = everything.removing(np.unique(np.concatenate(gone)), rewrite=False) if gone else everything
        waiting = now.rest.ids()
        new = waiting[main.find(waiting) < 0]
        rest = Rows(self.dimension).adding(new, now.rest.take(now.rest.find(new)))
        self._state = CodedRows(main, rest, coded, everything.row_numbers().astype(np.int32))

    def _affords(self, needed: int) -> bool:
        return self._budget is None or needed <= self._budget

    def _why_not(self, *, wanted: bool) -> str:
        if not wanted:
            return "the exact search is the better one for this size or length of vectors"
        return f"no number of candidates reached a recall of {self._recall}, or the codes pass the memory budget"
