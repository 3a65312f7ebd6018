"""Keys of a watchlist: rotation of the vault key, renewal of the templates' rotation."""

from __future__ import annotations

from facematch.governance import AuditAction
from facematch.governance.keys import FileKeys
from facematch.types import KeyStatus
from facematch.watchlist.session import Operation, Session

__all__ = ["Keys"]


class Keys:
    """The keys of a watchlist; reach it as ``Watchlist.keys``.

    Args:
        session: The actor's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def status(self) -> KeyStatus:
        """Names and numbers of keys; no key bytes.

        Raises:
            AccessDenied: No role of the actor permits reports.
        """
        with self._session.operation(AuditAction.REPORT) as operation:
            return _status(operation)

    def rotate(self) -> KeyStatus:
        """Lock all data keys under a new vault key, wrapped by the provider's current key.

        With keys in a file, the file gets a new key first, and its earlier ones go once nothing is locked under them.
        With keys from the environment or a service, make the new key the current one before the call. Cut off at any
        moment, the watchlist opens with what the provider then holds.

        Raises:
            KeyUnavailable: A key is missing.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing is locked anew.
        """
        with self._session.operation(AuditAction.ROTATE_KEY) as operation:
            vault = operation.resources.vault
            provider = vault.provider
            with operation.write() as tx:  # one rotation at a time: the current key must not change in it
                if isinstance(provider, FileKeys):
                    provider.add_key()
                tx.audit({"from": vault.provider_key, "to": provider.key_id})
                vault.rotate()
            if isinstance(provider, FileKeys):
                with operation.write():
                    if provider.key_id == vault.provider_key:  # else another rotation has begun, and will do it
                        provider.retire()
            return _status(operation)

    def renew_templates(self) -> KeyStatus:
        """Store every template under a new rotation.

        Scores stay the same; vectors stolen before cannot be compared with the stored ones any more. The earlier seeds
        stay in the vault, so that backups from before can still be put back.

        Raises:
            KeyUnavailable: A key is missing.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        with self._session.operation(AuditAction.RENEW_TEMPLATES) as operation:
            resources = operation.resources
            with operation.write() as tx:
                old = resources.subjects.rotation_version(tx.connection)
                new = 1 + max(int(name.split(":")[1]) for name in resources.vault.names("rotation:"))
                resources.vault.make_key(f"rotation:{new}")
                resources.gallery.discard_file()
                count = resources.subjects.renew_templates(tx.connection, new)
                generation = tx.begin_generation(unscrubbed=True)
                tx.audit({"from": old, "to": new, "templates": count, "generation": generation})
            resources.database.scrub(required=False)
            return _status(operation)


def _status(operation: Operation) -> KeyStatus:
    resources = operation.resources
    with operation.read() as connection:
        rotation = resources.subjects.rotation_version(connection)
    return KeyStatus(
        provider_key=resources.vault.provider_key,
        subjects=len(resources.cipher.subject_refs()),
        rotation=rotation,
        signing_key=resources.signer.key_id,
        signing_public_key=resources.signer.public_key.hex(),
    )
