"""Keeping a watchlist: rotating its keys, renewing its templates, backing it up."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from facematch.errors import DatabaseUnavailable, InvalidArgument
from facematch.governance import AuditAction, AuditOutcome
from facematch.governance.keys import FileKeys
from facematch.storage.key_vault import vault_path
from facematch.watchlist.session import Core

__all__ = ["KeyState", "Keys", "backup"]


@dataclass(frozen=True, slots=True)
class KeyState:
    """What the keys of a watchlist are, without the keys.

    Attributes:
        provider_key: Name of the provider's key that locks the vault.
        subjects: Number of data keys.
        rotation: Version of the rotation that templates are stored under.
        signing_key: Name of the key that signs.
        signing_public_key: Its public part, 32 bytes in hexadecimal; verifiers need it from a place they trust.
    """

    provider_key: str
    subjects: int
    rotation: int
    signing_key: str
    signing_public_key: str


class Keys:
    """The keys of a watchlist; reach it as ``Watchlist.keys``.

    Args:
        core: The open watchlist.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def state(self) -> KeyState:
        """What is locked under which key; no key bytes.

        Raises:
            AccessDenied: No role of the actor permits reports.
        """
        core = self._core
        with core.operation(AuditAction.REPORT), core.database.read() as connection:
            rotation = core.store.rotation_version(connection)
        return KeyState(
            provider_key=core.vault.provider_key,
            subjects=len(core.codec.subject_refs()),
            rotation=rotation,
            signing_key=core.signer.key_id,
            signing_public_key=core.signer.public_key.hex(),
        )

    def rotate(self) -> KeyState:
        """Lock all data keys under a new vault key, wrapped by the provider's current key.

        With keys in a file, the file gets a new key first, and its earlier ones go once nothing is locked under them.
        With keys from the environment or a service, make the new key the current one before the call. Cut off at any
        moment, the watchlist opens with what the provider then holds.

        Raises:
            KeyUnavailable: A key is missing.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing is locked anew.
        """
        core = self._core
        with core.operation(AuditAction.ROTATE_KEY):
            provider = core.vault.provider
            with core.writing() as connection:  # one rotation at a time: the current key must not change in it
                if isinstance(provider, FileKeys):
                    provider.add_key()
                details = {"from": core.vault.provider_key, "to": provider.key_id}
                core.audit(connection, AuditAction.ROTATE_KEY, AuditOutcome.DONE, details)
                core.vault.rotate()
            if isinstance(provider, FileKeys):
                with core.database.write():
                    if provider.key_id == core.vault.provider_key:  # else another rotation has begun, and will do it
                        provider.retire()
        return self.state()

    def renew_templates(self) -> KeyState:
        """Store every template under a new rotation.

        Scores stay the same; vectors stolen before cannot be compared with the stored ones any more. The earlier seeds
        stay in the vault, so that backups from before can still be put back.

        Raises:
            KeyUnavailable: A key is missing.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        core = self._core
        with core.operation(AuditAction.RENEW_TEMPLATES):
            with core.writing() as connection:
                old = core.store.rotation_version(connection)
                new = 1 + max(int(name.split(":")[1]) for name in core.vault.names("rotation:"))
                core.vault.make_key(f"rotation:{new}")
                core.gallery.discard_file()
                count = core.store.renew_templates(connection, new)
                generation = core.store.bump(connection)
                core.store.mark_unscrubbed(connection, generation)
                details = {"from": old, "to": new, "templates": count, "generation": generation}
                core.audit(connection, AuditAction.RENEW_TEMPLATES, AuditOutcome.DONE, details)
            core.database.scrub(required=False)
        return self.state()


def backup(core: Core, path: Path, vault_copy: Path | None) -> Path:
    """Write a backup; see :meth:`facematch.watchlist.Watchlist.backup`."""
    with core.operation(AuditAction.BACKUP):
        if path.exists():
            raise InvalidArgument(f"{str(path)!r} is there already", hint="name a file that is not there yet")
        if vault_copy is not None:
            _require_elsewhere(core, path, vault_copy)
        with core.writing() as connection:
            details = {"generation": core.store.generation(connection), "vault_copied": vault_copy is not None}
            core.audit(connection, AuditAction.BACKUP, AuditOutcome.DONE, details)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            core.database.copy_to(part)
            part.replace(path)
        except OSError as error:
            raise DatabaseUnavailable(
                f"the backup cannot be written: {error.strerror or error}", hint="check the path and the disk"
            ) from error
        finally:
            part.unlink(missing_ok=True)
        if vault_copy is not None:
            core.vault.copy_to(vault_copy)
    return path


def _require_elsewhere(core: Core, path: Path, vault_copy: Path) -> None:
    """Refuse to overwrite a file of the watchlist itself with a copy of its vault."""
    provider, vault = core.vault.provider, vault_path(core.database.path)
    own = [path, core.database.path, vault, provider.path if isinstance(provider, FileKeys) else None]
    if any(vault_copy.resolve() == file.resolve() for file in own if file is not None):
        raise InvalidArgument(
            f"{str(vault_copy)!r} is a file of the watchlist itself", hint="keep the copy of the vault in another place"
        )
