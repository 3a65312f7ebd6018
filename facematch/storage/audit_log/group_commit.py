"""Searches commit their audit entries together: whoever comes first writes for all who wait.

Each search has its own answer at its own generation. One transaction looks at the generation once, appends the entries
of all searches that were made at it, and signs the log's head once. Searches that find the generation moved do their
work again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from facematch.errors import AuditError, FacematchError
from facematch.governance import AuditRecord
from facematch.storage.database import Authorization, Database
from facematch.storage.forks import watch
from facematch.storage.sql import generation_of

__all__ = ["GroupCommit"]

_MOST = 512
"""Entries a transaction."""


class _Ticket:
    """One search that waits for its commit."""

    def __init__(self, generation: int, record: AuditRecord, authorization: Authorization) -> None:
        self.authorization = authorization
        self.generation = generation
        self.record = record
        self.done = False
        self.current = False
        self.error: BaseException | None = None


class GroupCommit:
    """Commits the audit entries of searches, many at a time where many threads search.

    Args:
        database: The database.
        append: Appends audit entries in the transaction of a connection.
    """

    def __init__(self, database: Database, append: Callable[[Connection, Sequence[AuditRecord]], None]) -> None:
        self._database = database
        self._append = append
        self._queue: list[_Ticket] = []
        self._queue_lock = threading.Lock()
        self._turn = threading.Lock()
        watch(self)

    def before_fork(self) -> None:
        """Nothing is held open."""

    def after_fork_in_child(self, *, threads: bool) -> None:  # noqa: ARG002 - who waited is not here
        """Forget the searches of other threads, which are not here."""
        self._queue = []
        self._queue_lock = threading.Lock()
        self._turn = threading.Lock()

    def commit(self, generation: int, record: AuditRecord, authorization: Authorization) -> bool:
        """Append the entry of a search, if the database is still at the generation that it was made at.

        Returns:
            Whether it was; otherwise nothing was written and the search has to be done again.

        Raises:
            AuditError: The entry could not be written; the answer must not be given.
        """
        ticket = _Ticket(generation, record, authorization)
        with self._queue_lock:
            self._queue.append(ticket)
        with self._turn:
            while not ticket.done:
                with self._queue_lock:
                    batch, self._queue = self._queue[:_MOST], self._queue[_MOST:]
                self._write(batch)
        if ticket.error is not None:
            raise ticket.error
        return ticket.current

    def _write(self, batch: list[_Ticket]) -> None:
        try:
            with self._database.write(batch[0].authorization) as connection:
                now = generation_of(connection)
                for ticket in batch:
                    ticket.current = ticket.generation == now
                records = [ticket.record for ticket in batch if ticket.current]
                if records:
                    self._append(connection, records)
        except FacematchError as error:
            for ticket in batch:
                ticket.error = error
        except BaseException:  # it reaches the thread that writes; the others must not believe that it was done
            for ticket in batch:
                ticket.error = AuditError(
                    "the audit entry was not written: the search that wrote it failed", hint="search again"
                )
            raise
        finally:
            for ticket in batch:
                ticket.done = True
