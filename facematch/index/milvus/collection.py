"""One collection in Milvus: its creation, the requests to it, and its end."""

from __future__ import annotations

import logging
import re
import secrets
import weakref
from collections.abc import Collection as CollectionOf
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facematch.errors import VectorIndexError
from facematch.index.checks import not_there
from facematch.index.milvus.connection import HINT, connect, milvus_errors
from facematch.index.milvus.filters import ID, listed
from facematch.types import FloatArray

__all__ = [
    "MAX_PLACES",
    "Collection",
    "CollectionSettings",
    "Reply",
    "checked_prefix",
    "sweep_collections",
    "takes_templates",
]

_log = logging.getLogger(__name__)

MAX_PLACES = 16_384
"""Most places that Milvus returns a query, and most queries in one request."""
_VECTOR = "vector"
_BYTES = 16 << 20
"""Vectors in one request or reply; Milvus refuses messages over 64 MiB."""
_DELETED_AT_ONCE = 10_000
_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_LETTING_GO = 5.0
"""Seconds that dropping a forgotten collection may take."""


class CollectionSettings(NamedTuple):
    """Settings of a collection and its queries.

    Attributes:
        dimension: Length of the vectors.
        index_type: Milvus's index type.
        index_params: Parameters of that type.
        search_params: Parameters of a search with it.
        consistency: ``Strong`` or ``Session``.
        timeout: Seconds that one request may take.
    """

    dimension: int
    index_type: str
    index_params: Mapping[str, Any]
    search_params: Mapping[str, Any]
    consistency: str
    timeout: float


class Reply(NamedTuple):
    """Hits of Milvus for one query.

    Attributes:
        ids: ``(P,)``.
        vectors: ``(P, D)``.
        lowest: The lowest of Milvus's own scores; ``None`` if there are fewer places than asked for.
    """

    ids: NDArray[np.int64]
    vectors: FloatArray
    lowest: float | None


class Collection:
    """A collection of its own with a random name, which is dropped when it is closed or no longer used.

    Args:
        client: A client that nothing else uses; it is closed with the collection.
        prefix: Beginning of the name, checked.
        settings: How it is made and asked.

    Attributes:
        name: Its name in Milvus.
        templates: Whether the server takes values beside a filter's expression.

    Raises:
        VectorIndexError: It cannot be made; then the client is closed.
    """

    def __init__(self, client: Any, prefix: str, settings: CollectionSettings) -> None:
        self.name = f"{prefix}_{secrets.token_hex(16)}"
        self._client, self._settings, self._timeout = client, settings, settings.timeout
        self._finalizer = weakref.finalize(self, _let_go, client, self.name)
        try:
            with milvus_errors("create a collection"):
                version = str(client.get_server_version(timeout=self._timeout))
                self.templates = takes_templates(version)
                self._finalizer.atexit = not version.startswith("milvus_lite")  # it ends before it could be asked
                self._create()
        except BaseException:
            self._finalizer()
            raise

    def insert(self, ids: NDArray[np.int64], vectors: FloatArray) -> None:
        """Insert vectors ``(N, D)`` under ids ``(N,)``, in several requests: some may be there when one fails.

        Raises:
            VectorIndexError: Milvus failed, or the collection is closed.
        """
        keys = ids.tolist()
        for start in range(0, ids.size, self._batch):
            part = slice(start, start + self._batch)
            rows = [{ID: key, _VECTOR: row} for key, row in zip(keys[part], vectors[part], strict=True)]
            with self._asking("insert vectors"):
                reply = self._client.insert(self.name, rows, timeout=self._timeout)
            if reply.get("insert_count") != len(rows):
                raise VectorIndexError(f"Milvus took {reply.get('insert_count')} of {len(rows)} vectors", hint=HINT)

    def delete_some(self, ids: NDArray[np.int64]) -> int:
        """Delete the first of ids ``(N,)``, as many as one request takes. Returns how many.

        Raises:
            VectorIndexError: Milvus failed, or the collection is closed.
        """
        part = ids[:_DELETED_AT_ONCE]
        with self._asking("delete vectors"):
            self._client.delete(self.name, ids=part.tolist(), timeout=self._timeout)
        return int(part.size)

    def vectors(self, ids: NDArray[np.int64]) -> FloatArray:
        """The vectors ``(N, D)`` of ids ``(N,)``, which ascend.

        Raises:
            VectorIndexError: An id is not there, Milvus failed, or the collection is closed.
        """
        rows = np.empty((ids.size, self._settings.dimension), dtype=np.float32)
        for start in range(0, ids.size, self._batch):
            part = ids[start : start + self._batch]
            with self._asking("read vectors"):
                replies = self._client.query(
                    self.name,
                    output_fields=[ID, _VECTOR],
                    timeout=self._timeout,
                    consistency_level=self._settings.consistency,
                    **listed("in", part, templates=self.templates),
                )
            if len(replies) != part.size:
                raise not_there()  # removed meanwhile
            order = np.searchsorted(part, np.asarray([reply[ID] for reply in replies], dtype=np.int64))
            rows[start + order] = np.asarray([reply[_VECTOR] for reply in replies], dtype=np.float32)
        return rows

    def queries_at_once(self, places: int) -> int:
        """Number of queries that one request for so many places each may hold."""
        return max(1, min(MAX_PLACES, _BYTES // ((4 * self._settings.dimension + 16) * places)))

    def search(
        self, queries: FloatArray, places: int, within: Mapping[str, Any], radius: float | None = None
    ) -> list[Reply]:
        """Hits of Milvus for queries ``(Q, D)``, at most :meth:`queries_at_once`.

        Args:
            queries: ``(Q, D)``.
            places: Places wanted a query.
            within: Filter arguments of the scope.
            radius: Scores below are left out; ``None`` for none.

        Raises:
            VectorIndexError: Milvus failed, or the collection is closed.
        """
        params = dict(self._settings.search_params)
        if radius is not None:
            params["radius"] = radius  # it goes out as JSON
        with self._asking("search"):
            replies = self._client.search(
                self.name,
                data=list(queries),
                anns_field=_VECTOR,
                limit=places,
                output_fields=[_VECTOR],
                search_params={"metric_type": "IP", "params": params},
                consistency_level=self._settings.consistency,
                timeout=self._timeout,
                **within,
            )
        if len(replies) != len(queries):
            raise VectorIndexError(f"{len(queries)} queries got {len(replies)} answers", hint=HINT)
        answers = []
        for reply in replies:
            ids = np.asarray(reply.ids, dtype=np.int64)
            vectors = np.asarray([hit["entity"][_VECTOR] for hit in reply], dtype=np.float32)
            lowest = float(min(reply.distances)) if ids.size >= places else None
            answers.append(Reply(ids, vectors.reshape(ids.size, self._settings.dimension), lowest))
        return answers

    def compact(self) -> None:
        """Ask Milvus to write out what it holds and to rewrite its files without deleted rows, which it does later.

        Raises:
            VectorIndexError: Milvus failed, or the collection is closed.
        """
        with self._asking("compact a collection"):
            self._client.flush(self.name, timeout=self._timeout)
            self._client.compact(self.name, timeout=self._timeout)

    def check_open(self) -> None:
        """See that it is not closed.

        Raises:
            VectorIndexError: It is.
        """
        if not self._finalizer.alive:
            raise VectorIndexError("the index is closed", hint="open a new one; it is filled from the database")

    def close(self) -> None:
        """Drop the collection and disconnect; may be called again.

        Raises:
            VectorIndexError: It could not be dropped.
        """
        if self._finalizer.detach() is None:
            return
        try:
            _drop(self._client, self.name, self._timeout)
        finally:
            self._client.close()

    def _create(self) -> None:
        from pymilvus import DataType

        settings = self._settings
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(ID, DataType.INT64, is_primary=True)
        schema.add_field(_VECTOR, DataType.FLOAT_VECTOR, dim=settings.dimension)
        index = self._client.prepare_index_params()
        index.add_index(_VECTOR, index_type=settings.index_type, metric_type="IP", params=dict(settings.index_params))
        self._client.create_collection(
            self.name,
            schema=schema,
            index_params=index,
            consistency_level=settings.consistency,
            timeout=self._timeout,
        )

    @property
    def _batch(self) -> int:
        return max(1, min(MAX_PLACES, _BYTES // (4 * self._settings.dimension + 16)))

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        self.check_open()
        with milvus_errors(what):
            yield


def sweep_collections(
    uri: str,
    *,
    token: str | None = None,
    prefix: str = "facematch",
    keep: CollectionOf[str] = (),
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
    own = re.compile(f"{checked_prefix(prefix)}_[0-9a-f]{{32}}")
    client = connect(uri, token, timeout, connection)
    try:
        with milvus_errors("list collections"):
            names = [name for name in client.list_collections(timeout=timeout) if own.fullmatch(name)]
        dropped = sorted(set(names) - set(keep))
        for name in dropped:
            _drop(client, name, timeout)
    finally:
        client.close()
    return dropped


def checked_prefix(prefix: object) -> str:
    """Beginning of a collection's name: 1 to 128 letters, digits and underscores, the first no digit.

    Raises:
        VectorIndexError: It is none.
    """
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise VectorIndexError(
            f"a prefix has 1 to 128 letters, digits and underscores and starts with no digit, got {prefix!r}",
            hint="for instance 'facematch'",
        )
    return prefix


def takes_templates(version: str) -> bool:
    """Whether a server takes values beside a filter's expression: Milvus does from 2.5 on, Milvus Lite 3.2 does not."""
    number = re.match(r"v?(\d+)\.(\d+)", version)
    return number is not None and (int(number[1]), int(number[2])) >= (2, 5)


def _drop(client: Any, collection: str, timeout: float) -> None:
    with milvus_errors("drop a collection"):
        if client.has_collection(collection, timeout=timeout):
            client.drop_collection(collection, timeout=timeout)


def _let_go(client: Any, collection: str) -> None:
    """Drop a collection whose index is no longer referred to."""
    try:
        _drop(client, collection, _LETTING_GO)
    except VectorIndexError as error:
        _log.warning("a collection was left behind", extra={"collection": collection, "error": str(error)})
    finally:
        client.close()
