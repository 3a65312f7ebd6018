"""The gallery: an in-memory projection of the database that searches run on.

The database is the only truth. The gallery carries the database's generation and is brought up to it before a search
is scored; a search checks the generation once more in the transaction that writes the audit entry. What has
changed since the generation in memory is read anew and nothing else, if the database can say what that is. Nothing
here decides by itself: :meth:`Snapshot.scope` applies scope and time at query time, before any score is computed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from facematch.errors import DatabaseCorrupt, VectorIndexError, WatchlistError
from facematch.gallery.cache_file import GalleryCacheFile
from facematch.gallery.metadata import GalleryMetadata, Ints, read_columns
from facematch.gallery.snapshot import Snapshot
from facematch.protocols import VectorIndex
from facematch.storage.calibrations import current_calibration
from facematch.storage.change_log import changed_since, mark_of
from facematch.storage.forks import watch
from facematch.storage.governance_state import GovernanceStateCache
from facematch.storage.integrity.consent_mac import ConsentMacs
from facematch.storage.subjects import SubjectTable
from facematch.types import EmbeddingContract

__all__ = ["Gallery"]

_ALWAYS_INCREMENTAL = 64
"""Up to this number of changed subjects, only these are read."""
_MAX_INCREMENTAL_SHARE = 1 / 4
"""Above this share of changed subjects the whole gallery is reloaded."""
_MAX_LAG = 1 / 10
"""Above this share of templates that are not in the gallery file, the file is written anew."""
WORTH_SAVING = 5000
"""Templates from which on there is a gallery file; fewer are read from the database quickly enough."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Base:
    """Parts of a new snapshot."""

    generation: int
    mark: str | None
    columns: GalleryMetadata | None
    index: VectorIndex | None

    @classmethod
    def nothing(cls, index: VectorIndex | None) -> _Base:
        return cls(0, None, None, index)


class Gallery:
    """Keeps the latest :class:`Snapshot` and brings it up to the database.

    Args:
        store: Reads the database.
        new_index: Makes an empty index of a given dimension.
        governance: Reads what governs.
        file: The gallery file, or ``None`` to keep none.
    """

    def __init__(
        self,
        store: SubjectTable,
        new_index: Callable[[int], VectorIndex],
        governance: GovernanceStateCache,
        file: GalleryCacheFile | None = None,
    ) -> None:
        self.subjects = store
        self.new_index = new_index
        self._governance = governance
        self._lock = threading.Lock()
        self._macs = ConsentMacs(store.cipher)
        self._snapshot: Snapshot | None = None
        self._file = file
        self._saved: Ints | None = None
        watch(self)

    def before_fork(self) -> None:
        """Nothing is held open."""

    def after_fork_in_child(self, *, threads: bool) -> None:
        """Replace the lock, and load anew where another thread may have been in the middle of a search or a change."""
        self._lock = threading.Lock()
        if threads:
            self._snapshot = None

    def refresh(self, connection: Connection) -> Snapshot:
        """The snapshot of the database as the transaction of ``connection`` sees it.

        Raises:
            DatabaseCorrupt: A template is damaged.
        """
        with self._lock:
            generation = self.subjects.generation(connection)
            current = self._snapshot
            if current is not None and current.generation >= generation:
                return current
            began = time.perf_counter()
            try:
                self._snapshot = snapshot = self._load(connection, generation, current)
            except (LookupError, TypeError, ValueError, OverflowError) as error:
                raise DatabaseCorrupt("a table of the watchlist is damaged", hint="restore a backup") from error
            logger.log(
                logging.INFO if current is None else logging.DEBUG,
                "gallery loaded" if current is None else "gallery brought up to date",
                extra={
                    "generation": generation,
                    "subjects": len(snapshot.columns.subject_refs),
                    "templates": int(snapshot.columns.template_ids.size),
                    "seconds": round(time.perf_counter() - began, 3),
                },
            )
            return snapshot

    @property
    def loaded(self) -> bool:
        """Whether there is a snapshot in memory."""
        return self._snapshot is not None

    def forget(self) -> None:
        """Drop everything; the next refresh loads it anew."""
        with self._lock:
            self._snapshot = None

    def save_if_due(self) -> None:
        """Write the gallery file where reading it would save much and it lags behind; failures cost nothing but time.

        Call it outside a transaction.
        """
        with self._lock:
            snapshot, saved = self._snapshot, self._saved
        if snapshot is None or self._file is None or snapshot.columns.template_ids.size < WORTH_SAVING:
            return
        ids = snapshot.columns.template_ids
        new = ids.size if saved is None else int((~np.isin(ids, saved, assume_unique=True)).sum())
        if new <= ids.size * _MAX_LAG:
            return
        try:
            if self._file.save(snapshot):
                with self._lock:
                    self._saved = ids
        except (OSError, WatchlistError) as error:
            logger.warning("the gallery file was not written: %s", error)

    def discard_file(self) -> None:
        """Make the gallery file useless; call it in the write transaction that takes something away for good."""
        if self._file is not None:
            self._file.discard()
        with self._lock:
            self._saved = None

    def _load(self, connection: Connection, generation: int, current: Snapshot | None) -> Snapshot:
        contract = self.subjects.contract(connection)
        rotation = self.subjects.rotation_version(connection)
        base = self._base(contract, rotation, current)
        changed = None
        if base is not None:
            changed = changed_since(connection, self.subjects.cipher, base.generation, base.mark, generation)
        if base is None or changed is None:  # of another history: template ids may stand for other vectors
            base = _Base.nothing(None if contract is None else self.new_index(contract.dimension))
        columns = self._columns(connection, base, changed)
        mark, governance = mark_of(connection, generation), self._governance.at(connection)
        calibration = current_calibration(connection)
        matrix = None if contract is None else self.subjects.cipher.rotation(rotation, contract.dimension)
        self._bring_index(connection, columns, contract, base)  # last: it changes a shared object
        return Snapshot(
            generation=generation,
            mark=mark,
            governance=governance,
            calibration=calibration,
            contract=contract,
            rotation=rotation,
            matrix=matrix,
            columns=columns,
            index=base.index,
            view=None if base.index is None else base.index.view(),
        )

    def _base(self, contract: EmbeddingContract | None, rotation: int, current: Snapshot | None) -> _Base | None:
        """Known base: the snapshot in memory, else the gallery file; ``None`` where every vector has changed."""
        if contract is None:
            return None
        if current is not None:
            fits = current.contract == contract and current.rotation == rotation
            return _Base(current.generation, current.mark, current.columns, current.index) if fits else None
        if self._file is None:
            return None
        index = self.new_index(contract.dimension)
        saved = self._file.load(index)
        if saved is None or saved.contract != contract or saved.rotation != rotation:
            return None
        self._saved = saved.columns.template_ids
        return _Base(saved.generation, saved.mark, saved.columns, index)

    def _columns(self, connection: Connection, base: _Base, changed: set[int] | None) -> GalleryMetadata:
        """Changed rows, put into the columns that are known."""
        known = base.columns
        if (
            known is None
            or changed is None
            or len(changed) > max(_ALWAYS_INCREMENTAL, known.subject_keys.size * _MAX_INCREMENTAL_SHARE)
        ):
            self._macs.check(connection)
            return read_columns(connection, self.subjects, keys=None, known={} if known is None else known.names())
        if not changed:
            return known
        self._macs.check(connection, changed)
        return known.replacing(changed, read_columns(connection, self.subjects, keys=changed, known={}))

    def _bring_index(
        self, connection: Connection, columns: GalleryMetadata, contract: EmbeddingContract | None, base: _Base
    ) -> None:
        """Remove what is gone and add what is new; in one history template ids are never used twice."""
        index = base.index
        if contract is None or index is None:
            return
        known = np.empty(0, dtype=np.int64) if base.columns is None else base.columns.template_ids
        new = np.setdiff1d(columns.template_ids, known, assume_unique=True)
        gone = np.setdiff1d(known, columns.template_ids, assume_unique=True)
        vectors = self.subjects.vectors(connection, new.tolist(), contract) if new.size else []
        if gone.size:
            index.remove(gone)
            with suppress(VectorIndexError):  # they are removed; an engine elsewhere may let go of them later
                index.compact()
        if new.size:
            index.add(new, np.stack(vectors))
