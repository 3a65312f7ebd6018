from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from facematch.index.approximate import ApproximateIndex
from facematch.index.oracle import OracleIndex

DIMENSION = 4
# few directions, so that ties are everywhere
DIRECTIONS = np.concatenate([np.eye(DIMENSION), -np.eye(DIMENSION), np.full((1, DIMENSION), 0.5)]).astype(np.float32)
directions = st.integers(0, len(DIRECTIONS) - 1)
ids = st.integers(0, 60)


class IndexMachine(RuleBasedStateMachine):
    """FAISS and the oracle go through the same calls and must agree to the bit."""

    def __init__(self) -> None:
        super().__init__()
        self.exact, self.flat = OracleIndex(DIMENSION), ApproximateIndex(DIMENSION)
        self.known: set[int] = set()

    @rule(wanted=st.dictionaries(ids, directions, min_size=1, max_size=12))
    def add(self, wanted: dict[int, int]) -> None:
        new = {key: value for key, value in wanted.items() if key not in self.known}
        column = np.fromiter(new, dtype=np.int64, count=len(new))
        vectors = DIRECTIONS[list(new.values())].reshape(len(new), DIMENSION)
        self.exact.add(column, vectors)
        self.flat.add(column, vectors)
        self.known |= set(new)

    @rule(victims=st.lists(ids, unique=True, max_size=10))
    def remove(self, victims: list[int]) -> None:
        column = np.asarray(victims, dtype=np.int64)
        expected = len(self.known & set(victims))
        assert self.exact.remove(column) == self.flat.remove(column) == expected
        self.known -= set(victims)

    @rule(
        queries=st.lists(directions, min_size=1, max_size=3),
        k=st.integers(1, 30),
        allowed=st.none() | st.lists(ids, unique=True),
    )
    def search(self, queries: list[int], k: int, allowed: list[int] | None) -> None:
        column = None if allowed is None else np.asarray(allowed, dtype=np.int64)
        left = self.exact.search(DIRECTIONS[queries], k, allowed=column)
        right = self.flat.search(DIRECTIONS[queries], k, allowed=column)
        np.testing.assert_array_equal(left[0], right[0])
        np.testing.assert_array_equal(left[1], right[1])

    @invariant()
    def sizes_agree(self) -> None:
        assert len(self.exact) == len(self.flat) == len(self.known)


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
