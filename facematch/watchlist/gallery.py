"""The gallery: an in-memory projection of the database that searches run on.

The database is the only truth. The gallery carries the database's generation and is brought up to it before a search
is scored; whoever searches checks the generation once more in the transaction that writes the audit entry. What has
changed since the generation in memory is read anew and nothing else, if the database can say what that is. Nothing
here decides by itself: :meth:`Snapshot.scope` applies scope and time at query time, before any score is computed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from sqlalchemy import Connection

from facematch.errors import DatabaseCorrupt, VectorIndexError
from facematch.protocols import VectorIndex
from facematch.types import EmbeddingContract
from facematch.watchlist.calibrations import current_calibration
from facematch.watchlist.changes import changed_since, mark_of
from facematch.watchlist.clear_marks import ClearMarks
from facematch.watchlist.columns import Columns, Ints, read_columns
from facematch.watchlist.snapshot import Snapshot
from facematch.watchlist.standing import StandingCache
from facematch.watchlist.store import Store

__all__ = ["Gallery"]

_FEW = 64
"""Subjects that are always read by themselves; more only where they are less than a quarter of all."""


class Gallery:
    """Keeps the latest :class:`Snapshot` and brings it up to the database.

    Args:
        store: Reads the database.
        new_index: Makes an empty index of a given dimension.
        standing: Reads what governs.
    """

    def __init__(self, store: Store, new_index: Callable[[int], VectorIndex], standing: StandingCache) -> None:
        self.store = store
        self.new_index = new_index
        self._standing = standing
        self._lock = threading.Lock()
        self._marks = ClearMarks(store.codec)
        self._snapshot: Snapshot | None = None

    def refresh(self, connection: Connection) -> Snapshot:
        """The snapshot of the database as the transaction of ``connection`` sees it.

        Raises:
            DatabaseCorrupt: A template is damaged.
        """
        with self._lock:
            generation = self.store.generation(connection)
            current = self._snapshot
            if current is not None and current.generation >= generation:
                return current
            try:
                self._snapshot = snapshot = self._load(connection, generation, current)
            except (LookupError, TypeError, ValueError, OverflowError) as error:
                raise DatabaseCorrupt("a table of the watchlist is damaged", hint="restore a backup") from error
            return snapshot

    @property
    def loaded(self) -> bool:
        """Whether there is a snapshot in memory."""
        return self._snapshot is not None

    def forget(self) -> None:
        """Drop everything; the next refresh loads it anew."""
        with self._lock:
            self._snapshot = None

    def _load(self, connection: Connection, generation: int, current: Snapshot | None) -> Snapshot:
        contract = self.store.contract(connection)
        rotation = self.store.rotation_version(connection)
        if current is not None and (current.rotation != rotation or current.contract != contract):
            current = None  # every vector has changed
        columns = self._columns(connection, generation, current)
        mark, standing = mark_of(connection, generation), self._standing.at(connection)
        calibration = current_calibration(connection)
        matrix = None if contract is None else self.store.codec.rotation(rotation, contract.dimension)
        index = self._bring_index(connection, columns, contract, current)  # last: it changes a shared object
        return Snapshot(
            generation=generation,
            mark=mark,
            standing=standing,
            calibration=calibration,
            contract=contract,
            rotation=rotation,
            matrix=matrix,
            columns=columns,
            index=index,
            view=None if index is None else index.view(),
        )

    def _columns(self, connection: Connection, generation: int, current: Snapshot | None) -> Columns:
        """What has changed since the current snapshot, put into its columns; everything where that is not known."""
        if current is None:
            self._marks.check(connection)
            return read_columns(connection, self.store, keys=None, known={})
        keys = changed_since(connection, self.store.codec, current.generation, current.mark, generation)
        if keys is None or len(keys) > max(_FEW, current.columns.subject_keys.size // 4):
            self._marks.check(connection)
            return read_columns(connection, self.store, keys=None, known=current.columns.names())
        if not keys:
            return current.columns
        self._marks.check(connection, keys)
        return current.columns.replacing(keys, read_columns(connection, self.store, keys=keys, known={}))

    def _bring_index(
        self, connection: Connection, columns: Columns, contract: EmbeddingContract | None, current: Snapshot | None
    ) -> VectorIndex | None:
        """Remove what is gone and add what is new; template ids are never used twice, so ids alone tell."""
        if contract is None:
            return None
        index = None if current is None else current.index
        known: Ints = np.empty(0, dtype=np.int64)
        if index is None:
            index = self.new_index(contract.dimension)
        elif current is not None:
            known = current.columns.template_ids
        new = np.setdiff1d(columns.template_ids, known, assume_unique=True)
        gone = np.setdiff1d(known, columns.template_ids, assume_unique=True)
        vectors = self.store.vectors(connection, new.tolist(), contract) if new.size else []
        if gone.size:
            index.remove(gone)
            with suppress(VectorIndexError):  # they are removed; an engine elsewhere may let go of them later
                index.compact()
        if new.size:
            index.add(new, np.stack(vectors))
        return index
