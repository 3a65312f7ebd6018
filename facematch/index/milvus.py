"""Search in Milvus, for galleries beyond memory. Needs the extra ``milvus``.

Milvus selects, float64 ranks: Milvus returns a few places more than asked for, with their vectors, and their scores are
computed again as :class:`~facematch.index.oracle.OracleIndex` computes them. Where the boundary falls into a tie or
into Milvus's rounding, more places are fetched; beyond Milvus's limit of 16,384 places the ids are halved until every
part is complete. So both indexes answer alike, as long as Milvus compares with every vector (index type ``FLAT``).

The database is the truth and the collection a projection: it lives for one opening and is dropped with the index.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import weakref
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Literal, Self
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from facematch.errors import MissingExtra, VectorIndexError
from facematch.index.checks import (
    already_there,
    check_addition,
    check_dimension,
    check_ids,
    check_k,
    check_scope,
    check_threshold,
    check_vectors,
    check_wanted,
    exact_scores,
    matches,
    not_there,
)
from facematch.index.milvus_filters import ID, Goal, Held, Hits, Probe, Reach, halves, listed, united
from facematch.types import FloatArray, IdSet, IndexStats, Matches

__all__ = ["MilvusIndex", "sweep_collections"]

_log = logging.getLogger(__name__)

_VECTOR = "vector"
_LIMIT = 16_384
"""Most places that Milvus returns a query, and most queries in one request."""
_SPARE = 8
_FIRST = 64
_BYTES = 16 << 20
"""Vectors in one request or reply; Milvus refuses messages over 64 MiB."""
_DELETED_AT_ONCE = 10_000
_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_GONE = frozenset({4, 100})
"""Milvus's codes for a collection that is not there."""
_GONE_HINT = "somebody dropped the collection: open a new index; it is filled from the database"
_HINT = "check that the server runs, is reachable and accepts the token; nothing is lost, the database is the truth"
_LETTING_GO = 5.0
"""Seconds that dropping a forgotten collection may take."""


class MilvusIndex:
    """A :class:`~facematch.protocols.VectorIndex` in a Milvus server, or in Milvus Lite for trials and tests.

    The index makes a collection of its own with a random name and drops it when it is closed or no longer used. No
    search returns what was removed, whatever the server does: every answer is compared with the ids that this index
    holds. The vectors lie in Milvus unencrypted. Safe to share between threads.

    Args:
        dimension: Length of the vectors, 2 to 32,768.
        uri: Address, such as ``https://milvus.example:19530``, or a path that ends in ``.db`` for Milvus Lite.
        token: ``user:password`` or an API key.
        prefix: Beginning of the collection's name: letters, digits and underscores.
        index_type: Milvus's index type. ``FLAT`` compares with every vector; every other type may miss some.
        index_params: Parameters of that type, such as ``{"M": 16, "efConstruction": 200}``.
        search_params: Parameters of a search with it, such as ``{"ef": 128}``.
        consistency: ``Strong``, or ``Session``: quicker, and enough because nobody else writes to the collection.
        timeout: Seconds that one request may take, repetitions included.
        connection: More arguments of ``pymilvus.MilvusClient``, such as ``db_name`` or ``server_pem_path``.

    Raises:
        VectorIndexError: An argument is malformed, or the server cannot be reached or refuses.
        MissingExtra: The extra ``milvus`` is not installed.
    """

    def __init__(
        self,
        dimension: int,
        *,
        uri: str,
        token: str | None = None,
        prefix: str = "facematch",
        index_type: str = "FLAT",
        index_params: Mapping[str, Any] | None = None,
        search_params: Mapping[str, Any] | None = None,
        consistency: Literal["Strong", "Session"] = "Strong",
        timeout: float = 30.0,
        connection: Mapping[str, Any] | None = None,
    ) -> None:
        self._dimension = check_dimension(dimension)
        if not 2 <= self._dimension <= 32_768:
            raise VectorIndexError(
                f"Milvus keeps vectors of 2 to 32768 numbers, got {dimension}", hint="use another index"
            )
        if consistency not in {"Strong", "Session"}:
            raise VectorIndexError(
                f"consistency is 'Strong' or 'Session', got {consistency!r}",
                hint="weaker ones may not see what was added",
            )
        self._collection = f"{_checked_prefix(prefix)}_{secrets.token_hex(16)}"
        self._index_type = index_type
        self._search_params = dict(search_params or {})
        self._timeout = timeout
        self._consistency = consistency
        self._client = _connect(uri, token, timeout, connection)
        self._held = Held(np.empty(0, dtype=np.int64), 0.0)
        self._stray: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._deleted = 0
        self._writing = threading.Lock()
        self._reaches: WeakKeyDictionary[IdSet, tuple[Held, Reach]] = WeakKeyDictionary()
        self._remembering = threading.Lock()
        self._finalizer = weakref.finalize(self, _let_go, self._client, self._collection)
        try:
            with _milvus("create a collection"):
                version = str(self._client.get_server_version(timeout=timeout))
                self._templates = _takes_templates(version)
                lite = version.startswith("milvus_lite")
                self._finalizer.atexit = not lite  # it ends before it could be asked
                self._create(index_type, dict(index_params or {}))
        except BaseException:
            self._finalizer()
            raise

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._dimension

    @property
    def collection(self) -> str:
        """Name of the collection in Milvus."""
        return self._collection

    def __len__(self) -> int:
        """Number of vectors."""
        return int(self._held.ids.size)

    def add(self, ids: NDArray[np.int64], vectors: FloatArray) -> None:
        """Add vectors under new ids; all of them or none.

        Args:
            ids: ``(N,)`` ``int64``, not negative.
            vectors: ``(N, dimension)`` ``float32``, finite.

        Raises:
            VectorIndexError: A wrong type or shape, a number that is not finite, an id that is already there, or Milvus
                failed. Nothing was added.
        """
        ids, vectors = check_addition(ids, vectors, self._dimension)
        with self._writing:
            self._settle()
            held = self._held
            if bool(held.has(ids).any()):
                raise already_there()
            if ids.size == 0:
                return
            self._stray = ids.copy()
            try:
                self._insert(ids, vectors)
                longest = max(held.longest, float(np.linalg.norm(vectors.astype(np.float64), axis=1).max()))
                self._held = Held(np.sort(np.concatenate([held.ids, ids]), kind="stable"), longest)
                self._stray = self._stray[:0]
            finally:
                with suppress(VectorIndexError):  # then the next change tries again
                    self._settle()

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Remove ids; ids that are not there are ignored. Effective with the next search.

        Milvus marks the rows as deleted and rewrites its files later; see :meth:`compact`.

        Args:
            ids: ``(N,)`` ``int64``.

        Returns:
            How many were there.

        Raises:
            VectorIndexError: A wrong type or shape, or Milvus failed. Then no search returns them any more, but Milvus
                may still hold them; the next change tries again.
        """
        ids = check_ids(ids)
        with self._writing:
            held = self._held
            gone = ids[held.has(ids)]
            if gone.size:
                self._held = Held(held.ids[~np.isin(held.ids, gone, assume_unique=True)], held.longest)
                self._stray = np.concatenate([self._stray, gone])
            self._settle()
            return int(gone.size)

    def search(
        self, queries: FloatArray, k: int, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """The ``k`` highest inner products of each query.

        Args:
            queries: ``(Q, dimension)`` ``float32``.
            k: Results wanted a query, at least 1.
            allowed: Only these ids are compared, as a filter that Milvus applies before it scores; ids that are not
                there are ignored. ``None`` allows all. Nothing is sent when nobody is left.

        Returns:
            ``scores (Q, k)`` ``float32`` and ``ids (Q, k)`` ``int64``, highest first, ties by smaller id; missing
            places hold ``-inf`` and ``-1``.

        Raises:
            VectorIndexError: A wrong type or shape, or Milvus failed.
        """
        queries, k = check_vectors(queries, self._dimension, "queries"), check_k(k)
        scores = np.full((queries.shape[0], k), -np.inf, dtype=np.float32)
        found = np.full((queries.shape[0], k), -1, dtype=np.int64)
        for row, (top, ids) in enumerate(self._found(queries, check_scope(allowed), Goal(k=k))):
            scores[row, : top.size], found[row, : ids.size] = top, ids
        return scores, found

    def search_above(
        self, queries: FloatArray, threshold: float, *, allowed: IdSet | NDArray[np.int64] | None = None
    ) -> Matches:
        """Everything that scores ``threshold`` or more; Milvus sends nothing that is clearly below.

        Args:
            queries: ``(Q, dimension)`` ``float32``.
            threshold: Lowest score that counts, finite.
            allowed: As in :meth:`search`.

        Raises:
            VectorIndexError: A wrong type or shape, or Milvus failed.
        """
        queries, threshold = check_vectors(queries, self._dimension, "queries"), check_threshold(threshold)
        return matches(self._found(queries, check_scope(allowed), Goal(threshold=threshold)))

    def vectors(self, ids: NDArray[np.int64]) -> FloatArray:
        """The vectors ``(N, dimension)`` ``float32`` of ids ``(N,)``, as they were added.

        Raises:
            VectorIndexError: An id is not there, or Milvus failed.
        """
        wanted, places = np.unique(check_wanted(ids), return_inverse=True)
        if not bool(self._held.has(wanted).all()):
            raise not_there()
        rows = np.empty((wanted.size, self._dimension), dtype=np.float32)
        for start in range(0, wanted.size, self._batch):
            part = wanted[start : start + self._batch]
            with self._asking("read vectors"):
                replies = self._client.query(
                    self._collection,
                    output_fields=[ID, _VECTOR],
                    timeout=self._timeout,
                    consistency_level=self._consistency,
                    **listed("in", part, templates=self._templates),
                )
            if len(replies) != part.size:
                raise not_there()  # removed meanwhile
            order = np.searchsorted(part, np.asarray([reply[ID] for reply in replies], dtype=np.int64))
            rows[start + order] = np.asarray([reply[_VECTOR] for reply in replies], dtype=np.float32)
        if not bool(self._held.has(wanted).all()):
            raise not_there()
        return rows[places]

    def view(self) -> Self:
        """The index itself: it cannot keep a moment, and never returns what was removed."""
        return self

    def stats(self) -> IndexStats:
        """Figures about the index.

        ``vector_bytes`` lie in Milvus; in this process are only the ids (``details["local_bytes"]``). ``removed``
        counts the rows deleted since the last :meth:`compact`; Milvus may have rewritten its files by itself since.
        """
        ids = self._held.ids
        size = 4 * self._dimension * ids.size
        details = {"collection": self._collection, "index_type": self._index_type, "local_bytes": ids.nbytes}
        return IndexStats("milvus", ids.size, self._dimension, self._deleted, size, size + ids.nbytes, details)

    def compact(self) -> int:
        """Ask Milvus to write out what it holds and to rewrite its files without the deleted rows.

        Milvus does the work after this returns, and removes the old files later still (``dataCoord.gc``). Meant for
        after erasures, not for every removal: Milvus limits how often a collection may be written out.

        Returns:
            How many rows had been deleted since the last time.

        Raises:
            VectorIndexError: Milvus failed.
        """
        with self._writing:
            self._settle()
            with self._asking("compact a collection"):
                self._client.flush(self._collection, timeout=self._timeout)
                self._client.compact(self._collection, timeout=self._timeout)
            deleted, self._deleted = self._deleted, 0
            return deleted

    def close(self) -> None:
        """Drop the collection and disconnect; may be called again.

        Raises:
            VectorIndexError: The collection could not be dropped; :func:`sweep_collections` drops it later.
        """
        with self._writing:
            if self._finalizer.detach() is None:
                return
            try:
                _drop(self._client, self._collection, self._timeout)
            finally:
                self._held = Held(np.empty(0, dtype=np.int64), 0.0)
                self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _create(self, index_type: str, index_params: dict[str, Any]) -> None:
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(ID, DataType.INT64, is_primary=True)
        schema.add_field(_VECTOR, DataType.FLOAT_VECTOR, dim=self._dimension)
        index = self._client.prepare_index_params()
        index.add_index(_VECTOR, index_type=index_type, metric_type="IP", params=index_params)
        self._client.create_collection(
            self._collection,
            schema=schema,
            index_params=index,
            consistency_level=self._consistency,
            timeout=self._timeout,
        )

    @property
    def _batch(self) -> int:
        return max(1, min(_LIMIT, _BYTES // (4 * self._dimension + 16)))

    def _check_open(self) -> None:
        if not self._finalizer.alive:
            raise VectorIndexError("the index is closed", hint="open a new one; it is filled from the database")

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        self._check_open()
        with _milvus(what):
            yield

    def _insert(self, ids: NDArray[np.int64], vectors: FloatArray) -> None:
        keys = ids.tolist()
        for start in range(0, ids.size, self._batch):
            part = slice(start, start + self._batch)
            rows = [{ID: key, _VECTOR: row} for key, row in zip(keys[part], vectors[part], strict=True)]
            with self._asking("insert vectors"):
                reply = self._client.insert(self._collection, rows, timeout=self._timeout)
            if reply.get("insert_count") != len(rows):
                raise VectorIndexError(f"Milvus took {reply.get('insert_count')} of {len(rows)} vectors", hint=_HINT)

    def _settle(self) -> None:
        """Delete in Milvus what may lie there and must not; the caller holds the lock of writers."""
        self._stray = self._stray[~self._held.has(self._stray)]
        while self._stray.size:
            part = self._stray[:_DELETED_AT_ONCE]
            with self._asking("delete vectors"):
                self._client.delete(self._collection, ids=part.tolist(), timeout=self._timeout)
            self._deleted += part.size
            self._stray = self._stray[part.size :]

    def _found(self, queries: FloatArray, scope: IdSet | None, goal: Goal) -> list[Hits]:
        """What each query finds among the ids that are held throughout."""
        while True:
            held = self._held
            found = self._search(queries, scope, goal, held)
            now = self._held
            if now is held or all(bool(now.has(ids).all()) for _, ids in found):
                return found

    def _reach(self, scope: IdSet | None, held: Held) -> Reach:
        """Whom a search may compare with; worked out once for a scope that is used again."""
        if scope is None:
            return Reach(held.ids, None, self._templates)
        with self._remembering:
            made_for, reach = self._reaches.get(scope, (None, None))
        if reach is None or made_for is not held:
            reach = Reach(held.ids, scope.contains(held.ids), self._templates)
            with self._remembering:
                self._reaches[scope] = held, reach
        return reach

    def _search(self, queries: FloatArray, scope: IdSet | None, goal: Goal, held: Held) -> list[Hits]:
        self._check_open()
        found: list[Hits] = [(np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64))] * queries.shape[0]
        reach = self._reach(scope, held)
        if reach.everybody is None:
            return found
        lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
        off = 2.0**-22 * (self._dimension + 8) * held.longest * lengths  # four times what float32 sums can be off
        probe = Probe(queries, off, goal, reach)
        places = min(_LIMIT, _FIRST if goal.k is None else goal.k + _SPARE)
        pending = list(range(queries.shape[0]))
        while pending:
            unfinished = []
            for row, hits, rest in self._ask(probe, pending, places, reach.everybody):
                found[row] = goal.kept(*hits)
                if rest is not None and rest >= goal.bound(found[row][0]):
                    unfinished.append(row)
            if places == _LIMIT:
                for row in unfinished:
                    found[row] = self._halve(probe, row, found[row])
                break
            pending, places = unfinished, min(_LIMIT, 4 * places)
        return found

    def _halve(self, probe: Probe, row: int, best: Hits) -> Hits:
        """What a query finds when more than Milvus's limit may matter: smaller and smaller ranges of ids are searched.

        A range is complete when Milvus returns all of it, or when what is left of it scores too little to matter.
        """
        spans = halves(0, probe.reach.ids.size)
        while spans:
            first, last = spans.pop()
            within = probe.reach.between(first, last)
            if within is None:
                continue
            for _, hits, rest in self._ask(probe, [row], _LIMIT, within):
                best = probe.goal.kept(*united(best, hits))
                if rest is not None and rest >= probe.goal.bound(best[0]) and last - first > 1:
                    spans += halves(first, last)
        return best

    def _ask(
        self, probe: Probe, rows: list[int], places: int, within: dict[str, Any]
    ) -> list[tuple[int, Hits, float | None]]:
        """For each row its hits with exact scores, and the best score that anything else can have, if there is more."""
        answers = []
        at_once = max(1, min(_LIMIT, _BYTES // ((4 * self._dimension + 16) * places)))
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            params = dict(self._search_params)
            if probe.goal.k is None:
                params["radius"] = float(probe.goal.threshold - probe.off[part].max())  # it goes out as JSON
            with self._asking("search"):
                replies = self._client.search(
                    self._collection,
                    data=[probe.queries[row] for row in part],
                    anns_field=_VECTOR,
                    limit=places,
                    output_fields=[_VECTOR],
                    search_params={"metric_type": "IP", "params": params},
                    consistency_level=self._consistency,
                    timeout=self._timeout,
                    **within,
                )
            if len(replies) != len(part):
                raise VectorIndexError(f"{len(part)} queries got {len(replies)} answers", hint=_HINT)
            for row, reply in zip(part, replies, strict=True):
                ids = np.asarray(reply.ids, dtype=np.int64)
                vectors = np.asarray([hit["entity"][_VECTOR] for hit in reply], dtype=np.float32)
                scores = exact_scores(vectors.reshape(ids.size, self._dimension), probe.queries[row])
                rest = min(reply.distances) + float(probe.off[row]) if ids.size >= places else None
                answers.append((row, probe.reach.among((scores, ids)), rest))
        return answers


def sweep_collections(
    uri: str,
    *,
    token: str | None = None,
    prefix: str = "facematch",
    keep: Collection[str] = (),
    timeout: float = 30.0,
    connection: Mapping[str, Any] | None = None,
) -> list[str]:
    """Drop collections that earlier openings could not drop, after a crash for instance.

    Run it while no index with this prefix is open, or name those in ``keep``: an index whose collection is dropped
    answers with an error. Only names that :class:`MilvusIndex` makes of this very prefix are touched.

    Args:
        uri: As in :class:`MilvusIndex`.
        token: As in :class:`MilvusIndex`.
        prefix: As in :class:`MilvusIndex`.
        keep: Names of collections to leave alone; see :attr:`MilvusIndex.collection`.
        timeout: As in :class:`MilvusIndex`.
        connection: As in :class:`MilvusIndex`.

    Returns:
        Names of the collections dropped.

    Raises:
        VectorIndexError: An argument is malformed, or the server cannot be reached or refuses.
        MissingExtra: The extra ``milvus`` is not installed.
    """
    own = re.compile(f"{_checked_prefix(prefix)}_[0-9a-f]{{32}}")
    client = _connect(uri, token, timeout, connection)
    try:
        with _milvus("list collections"):
            names = [name for name in client.list_collections(timeout=timeout) if own.fullmatch(name)]
        dropped = sorted(set(names) - set(keep))
        for name in dropped:
            _drop(client, name, timeout)
    finally:
        client.close()
    return dropped


def _takes_templates(version: str) -> bool:
    """Whether a server takes values beside a filter's expression: Milvus does from 2.5 on, Milvus Lite 3.2 does not."""
    number = re.match(r"v?(\d+)\.(\d+)", version)
    return number is not None and (int(number[1]), int(number[2])) >= (2, 5)


def _checked_prefix(prefix: object) -> str:
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise VectorIndexError(
            f"a prefix has 1 to 128 letters, digits and underscores and starts with no digit, got {prefix!r}",
            hint="for instance 'facematch'",
        )
    return prefix


def _connect(uri: object, token: str | None, timeout: float, connection: Mapping[str, Any] | None) -> Any:
    if not isinstance(uri, str) or not uri:
        raise VectorIndexError(f"a uri must be text, got {type(uri).__name__}", hint="http://localhost:19530")
    if "://" in uri and "@" in uri:
        raise VectorIndexError("a uri must hold no credentials", hint="pass them as token='user:password'")
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        raise MissingExtra(
            f"a Milvus index needs the package 'pymilvus', which cannot be imported: {error}",
            hint="pip install 'facematch-watchlist[milvus]'",
        ) from error
    with _milvus("open a connection"):
        try:
            return MilvusClient(uri=uri, token=token or "", timeout=timeout, dedicated=True, **dict(connection or {}))
        except ValueError as error:  # a port that is no number
            raise VectorIndexError(f"not a Milvus address: {error}", hint="http://localhost:19530") from error


@contextmanager
def _milvus(what: str) -> Iterator[None]:
    """Errors of pymilvus as errors of the index."""
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        gone = error.code in _GONE
        raise VectorIndexError(
            f"Milvus could not {what}: {error.message}", hint=_GONE_HINT if gone else _HINT
        ) from error
    except (grpc.RpcError, grpc.FutureTimeoutError) as error:
        reason = f"{error.code().name} {error.details()}" if isinstance(error, grpc.Call) else "no answer in time"
        raise VectorIndexError(f"Milvus could not {what}: {reason}", hint=_HINT) from error


def _drop(client: Any, collection: str, timeout: float) -> None:
    with _milvus("drop a collection"):
        if client.has_collection(collection, timeout=timeout):
            client.drop_collection(collection, timeout=timeout)


def _let_go(client: Any, collection: str) -> None:
    """Drop the collection of an index that nobody holds any more."""
    try:
        _drop(client, collection, _LETTING_GO)
    except VectorIndexError as error:
        _log.warning("a collection was left behind", extra={"collection": collection, "error": str(error)})
    finally:
        client.close()
