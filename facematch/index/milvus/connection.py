"""Connection to a Milvus server, and errors of pymilvus as errors of the index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from facematch.errors import MissingExtra, VectorIndexError

__all__ = ["HINT", "connect", "milvus_errors"]

HINT = "check that the server runs, is reachable and accepts the token; nothing is lost, the database is the truth"
_GONE = frozenset({4, 100})
"""Milvus's codes for a collection that is not there."""
_GONE_HINT = "the collection was dropped from outside: open a new index; it is filled from the database"


def connect(uri: object, token: str | None, timeout: float, connection: Mapping[str, Any] | None) -> Any:
    """A client of its own.

    Args:
        uri: Address, or a path that ends in ``.db`` for Milvus Lite.
        token: ``user:password`` or an API key.
        timeout: Seconds that connecting may take.
        connection: More arguments of ``pymilvus.MilvusClient``.

    Raises:
        VectorIndexError: The address is malformed, or the server cannot be reached or refuses.
        MissingExtra: The extra ``milvus`` is not installed.
    """
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
    with milvus_errors("open a connection"):
        try:
            return MilvusClient(uri=uri, token=token or "", timeout=timeout, dedicated=True, **dict(connection or {}))
        except ValueError as error:  # a port that is no number
            raise VectorIndexError(f"not a Milvus address: {error}", hint="http://localhost:19530") from error


@contextmanager
def milvus_errors(what: str) -> Iterator[None]:
    """Errors of pymilvus as errors of the index.

    Args:
        what: What is being done, after "Milvus could not".

    Raises:
        VectorIndexError: Milvus failed or did not answer.
    """
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        gone = error.code in _GONE
        raise VectorIndexError(
            f"Milvus could not {what}: {error.message}", hint=_GONE_HINT if gone else HINT
        ) from error
    except (grpc.RpcError, grpc.FutureTimeoutError) as error:
        reason = f"{error.code().name} {error.details()}" if isinstance(error, grpc.Call) else "no answer in time"
        raise VectorIndexError(f"Milvus could not {what}: {reason}", hint=HINT) from error
