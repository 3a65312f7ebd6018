"""Running a watchlist: stopping and starting identification, backups."""

from __future__ import annotations

from pathlib import Path

from facematch.storage.governance_state import Suspension
from facematch.watchlist.administration import zones as places
from facematch.watchlist.data_lifecycle.restore import restore
from facematch.watchlist.handle import Handle
from facematch.watchlist.keys import backup

__all__ = ["Operations"]


class Operations(Handle):
    """Suspensions and backups; a part of :class:`~facematch.watchlist.Watchlist`."""

    def suspend(self, *, reason: str, site: str | None = None, zone: str | None = None) -> Suspension:
        """Suspend identification, everywhere or at one site or zone, from the next search of every process on.

        Every role may stop; the reason must not name anybody, since it is kept in the clear.

        Raises:
            AuditError: The audit entry could not be written; nothing changed.
        """
        return places.suspend(self._core, reason, site, zone)

    def resume(self, suspension_id: int) -> bool:
        """Ask to lift a suspension, or agree to it; returns whether it is lifted now.

        Raises:
            SeparationOfDuties: The actor has asked already; it takes another person.
            InvalidArgument: There is no such suspension.
            AccessDenied: No role of the actor permits it.
        """
        return places.resume(self._core, suspension_id)

    def suspensions(self) -> tuple[Suspension, ...]:
        """The suspensions that are not lifted."""
        return places.suspensions_of(self._core)

    def backup(self, path: str | Path, *, vault_copy: str | Path | None = None) -> Path:
        """Write a backup of the database; it holds no keys.

        Args:
            path: A file that is not there yet.
            vault_copy: Where the one current copy of the vault is kept; it is overwritten. Never keep older copies.

        Raises:
            DatabaseUnavailable: It cannot be written.
        """
        return backup(self._core, Path(path), None if vault_copy is None else Path(vault_copy))

    def restore(self, path: str | Path) -> None:
        """Bring back subjects, consents and templates from a backup of this watchlist.

        What has ended since stays ended: withdrawn consents, erased subjects. What governs stays as it is: audit log,
        policies, roles, zones, suspensions, complaints. Identification is suspended everywhere until two people lift
        that.

        Raises:
            BackupInvalid: The file is no backup of this watchlist.
            AuditError: The audit entry could not be written; nothing changed.
        """
        restore(self._core, Path(path))
