"""Resources of an open watchlist: opened once, shared by any number of actors and threads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from facematch.errors import SubjectNotFound
from facematch.gallery.gallery import Gallery
from facematch.gallery.snapshot import Snapshot
from facematch.governance import AuditRecord, to_utc
from facematch.governance.keys import SigningKey
from facematch.protocols import Analyzer, Clock
from facematch.storage.audit_log import TableAuditWriter
from facematch.storage.audit_log.group_commit import GroupCommit
from facematch.storage.consents import ConsentTable
from facematch.storage.database import Database
from facematch.storage.encryption import SubjectCipher
from facematch.storage.governance_state import GovernanceStateCache
from facematch.storage.key_vault import KeyVault
from facematch.storage.subjects import Subject
from facematch.watchlist.analyzer import LazyAnalyzer

__all__ = ["Resources"]


class Resources:
    """Database, keys, gallery, models and clock of one watchlist. Nothing here knows an actor or permits anything.

    Args:
        database: Transactions.
        cipher: Encrypts and decrypts under the vault's keys.
        gallery: The projection that searches run on.
        governance: Reads policies, roles, zones and suspensions.
        clock: The present moment.
        analyzer: The pipeline from pictures to embeddings.
        threshold: The watchlist's own threshold for every search, a raw cosine, or ``None``.
    """

    def __init__(
        self,
        database: Database,
        cipher: SubjectCipher,
        gallery: Gallery,
        governance: GovernanceStateCache,
        *,
        clock: Clock,
        analyzer: LazyAnalyzer,
        threshold: float | None = None,
    ) -> None:
        self.database = database
        self.cipher = cipher
        self.subjects = gallery.subjects
        self.consents = ConsentTable(cipher)
        self.gallery = gallery
        self.governance = governance
        self.clock = clock
        self.threshold = threshold
        self.signer: SigningKey = cipher.vault.signing_key()
        self.origin = f"facematch.watchlist/{cipher.vault.watchlist_id}"
        self.group_commit = GroupCommit(database, self.append_audit)
        self._analyzer = analyzer

    @property
    def vault(self) -> KeyVault:
        """The keys."""
        return self.cipher.vault

    @property
    def analyzer(self) -> Analyzer:
        """The pipeline from pictures to embeddings; loaded on first use.

        Raises:
            ContractMismatch: It makes other vectors than the enrolled ones.
            ModelError: The pack cannot be loaded.
        """
        return self._analyzer.get(self.database, self.subjects)

    def now(self) -> datetime:
        """The present moment by the injected clock, in UTC.

        Raises:
            InvalidArgument: The clock gave a moment without a timezone.
        """
        return to_utc(self.clock(), "the clock's time")

    def snapshot(self) -> Snapshot:
        """The gallery, brought up to the database."""
        first = not self.gallery.loaded
        with self.database.read() as connection:
            snapshot = self.gallery.refresh(connection)
        if first:
            self.gallery.save_if_due()  # reading it took longer than that
        return snapshot

    def require_subject(self, connection: Connection, subject_id: str) -> Subject:
        """The subject of that id.

        Raises:
            SubjectNotFound: There is none.
        """
        subject = self.subjects.subject(connection, subject_id)
        if subject is None:
            raise SubjectNotFound(
                f"there is no subject {subject_id!r} on the watchlist",
                hint="check the spelling; Watchlist.subjects.list() lists them",
            )
        return subject

    def audit_writer(self, connection: Connection) -> TableAuditWriter:
        """The writer of the audit log in the transaction of ``connection``."""
        return TableAuditWriter(connection, self.signer, self.cipher.seal_bytes, origin=self.origin)

    def append_audit(self, connection: Connection, records: Sequence[AuditRecord]) -> None:
        """Append audit entries in the transaction of ``connection``.

        Raises:
            AuditError: They could not be written; the transaction must not commit.
        """
        self.audit_writer(connection).append_many(records)

    def forget(self) -> None:
        """Drop what was read from the database."""
        self.gallery.forget()
        self.governance.forget()

    def close(self) -> None:
        """Close database and vault and forget the gallery; may be called again."""
        if not self.database.closed:
            self.gallery.save_if_due()
        self.forget()
        self.database.close()
        self.vault.close()
