"""Id map, from id to row number: sorted runs of ids and row numbers that never change, merged as they grow."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["IdMap"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class IdMap:
    """Ids and their row numbers; a new one is made for each change, and readers keep the one they have.

    The newest run that knows an id is right. Nothing is taken out when an id is removed: the caller compares the id
    that stands at the row. Runs of similar length are merged, so there are about ``log2(N)`` of them and an id is
    copied as often.

    Attributes:
        runs: ``(ids, rows)`` from old to new, ids ascending in each; ``int64`` and ``int32``.
    """

    runs: tuple[tuple[Ints, NDArray[np.int32]], ...] = field(default=())

    @property
    def nbytes(self) -> int:
        """Memory of the runs in bytes."""
        return sum(ids.nbytes + rows.nbytes for ids, rows in self.runs)

    def __len__(self) -> int:
        """Number of entries, outdated ones included."""
        return sum(ids.size for ids, _ in self.runs)

    def noting(self, ids: Ints, rows: Ints) -> IdMap:
        """A map in which the ids ``(N,)`` stand at ``rows (N,)``."""
        order = np.argsort(ids, kind="stable")
        run = (ids[order], rows[order].astype(np.int32))
        kept = list(self.runs)
        while kept and kept[-1][0].size <= 2 * run[0].size:
            run = _merged(kept.pop(), run)
        return IdMap((*kept, run))

    def rows(self, ids: Ints) -> Ints:
        """``(N,)`` the rows that the ids ``(N,)`` were last noted at, -1 for unknown ones."""
        found = np.full(ids.size, -1, dtype=np.int64)
        left = np.arange(ids.size)
        for known, rows in reversed(self.runs):
            if left.size == 0:
                break
            if known.size == 0:
                continue
            wanted = ids[left]
            at = np.searchsorted(known, wanted).clip(max=known.size - 1)
            here = known[at] == wanted
            found[left[here]] = rows[at[here]]
            left = left[~here]
        return found


def _merged(old: tuple[Ints, NDArray[np.int32]], new: tuple[Ints, NDArray[np.int32]]) -> tuple[Ints, NDArray[np.int32]]:
    at = np.searchsorted(new[0], old[0]).clip(max=max(new[0].size - 1, 0))
    kept = new[0][at] != old[0] if new[0].size else np.ones(old[0].size, dtype=bool)
    ids, rows = old[0][kept], old[1][kept]
    places = np.searchsorted(ids, new[0])
    return np.insert(ids, places, new[0]), np.insert(rows, places, new[1])
