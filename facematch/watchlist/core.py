"""What the operations of a watchlist share: database, store, gallery, clock, actor, and how calls are audited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from facematch.errors import FacematchError, InferenceError, ModelError, SubjectNotFound, WatchlistError
from facematch.governance import AuditAction, AuditOutcome, AuditRecord, to_utc
from facematch.governance.identifiers import is_subject_id
from facematch.protocols import Clock
from facematch.watchlist.audit import TableAuditWriter
from facematch.watchlist.database import Database
from facematch.watchlist.gallery import Gallery, Snapshot
from facematch.watchlist.store import Store, Subject

__all__ = ["Core"]

T = TypeVar("T")

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Core:
    """The shared parts of one open watchlist.

    Attributes:
        database: Transactions.
        store: The SQL.
        gallery: The projection that searches run on.
        actor: Who is using the watchlist.
        clock: The present moment.
    """

    database: Database
    store: Store
    gallery: Gallery
    actor: str
    clock: Clock

    def now(self) -> datetime:
        """The present moment by the injected clock, in UTC.

        Raises:
            InvalidArgument: The clock gave a moment without a timezone.
        """
        return to_utc(self.clock(), "the clock's time")

    def snapshot(self) -> Snapshot:
        """The gallery, brought up to the database."""
        with self.database.read() as connection:
            return self.gallery.refresh(connection)

    def settled(self, compute: Callable[[Snapshot], T]) -> T:
        """The result of ``compute`` on a gallery that was still current when it was done.

        Args:
            compute: Must not change the database.
        """
        for _ in range(_ATTEMPTS):
            snapshot = self.snapshot()
            result = compute(snapshot)
            with self.database.read() as connection:
                if self.store.generation(connection) == snapshot.generation:
                    return result
        with self.database.write() as connection:  # nobody comes in between here
            return compute(self.gallery.refresh(connection))

    def require_subject(self, connection: Connection, subject_id: str) -> Subject:
        """The subject of that id.

        Raises:
            SubjectNotFound: There is none.
        """
        subject = self.store.subject(connection, subject_id)
        if subject is None:
            raise SubjectNotFound(
                f"there is no subject {subject_id!r} on the watchlist",
                hint="check the spelling; Watchlist.subjects() lists them",
            )
        return subject

    def audit(
        self,
        connection: Connection,
        action: AuditAction,
        outcome: AuditOutcome,
        details: dict[str, Any],
        *,
        subject: Subject | None = None,
        now: datetime | None = None,
    ) -> None:
        """Write one audit entry in the transaction of ``connection``.

        Raises:
            AuditError: It could not be written; the transaction must not commit.
        """
        TableAuditWriter(connection).append(
            AuditRecord(
                time=self.now() if now is None else now,
                actor=self.actor,
                action=action,
                outcome=outcome,
                subject_ref=None if subject is None else subject.subject_ref,
                details=details,
            )
        )

    @contextmanager
    def refusals_audited(self, action: AuditAction, *, subject_id: str | None = None) -> Iterator[dict[str, Any]]:
        """Audit what leaves the block as one of our errors, then let it go on.

        An unknown subject id is not kept: it may be a name. Errors of the database itself are not audited, because
        there is nothing to write them to.

        Yields:
            Details to fill in; they go into the entry together with the error's code.
        """
        details: dict[str, Any] = {}
        try:
            yield details
        except FacematchError as error:
            if isinstance(error, WatchlistError) and not isinstance(error, SubjectNotFound):
                raise
            failed = isinstance(error, ModelError | InferenceError)
            with self.database.write() as connection:
                known = subject_id if is_subject_id(subject_id) else None
                subject = None if known is None else self.store.subject(connection, known)
                self.audit(
                    connection,
                    action,
                    AuditOutcome.FAILED if failed else AuditOutcome.REFUSED,
                    {**details, "code": error.code},
                    subject=subject,
                )
            raise
