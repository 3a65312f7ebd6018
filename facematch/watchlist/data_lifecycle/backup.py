"""Backups of the database, and the one current copy of its vault."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from facematch.errors import DatabaseUnavailable, InvalidArgument
from facematch.governance import AuditAction
from facematch.governance.keys import FileKeys
from facematch.storage.key_vault import vault_path
from facematch.watchlist.resources import Resources
from facematch.watchlist.session import Session

__all__ = ["backup"]


def backup(session: Session, path: Path, vault_copy: Path | None) -> Path:
    """Write a backup; see :meth:`facematch.watchlist.Watchlist.backup`."""
    with session.operation(AuditAction.BACKUP) as operation:
        resources = operation.resources
        if path.exists():
            raise InvalidArgument(f"{str(path)!r} is there already", hint="name a file that is not there yet")
        if vault_copy is not None:
            _require_elsewhere(resources, path, vault_copy)
        with operation.write() as tx:
            generation = resources.subjects.generation(tx.connection)
            tx.audit({"generation": generation, "vault_copied": vault_copy is not None})
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            resources.database.copy_to(part)
            part.replace(path)
        except OSError as error:
            raise DatabaseUnavailable(
                f"the backup cannot be written: {error.strerror or error}", hint="check the path and the disk"
            ) from error
        finally:
            part.unlink(missing_ok=True)
        if vault_copy is not None:
            resources.vault.copy_to(vault_copy)
    return path


def _require_elsewhere(resources: Resources, path: Path, vault_copy: Path) -> None:
    """Refuse to overwrite a file of the watchlist itself with a copy of its vault."""
    provider, vault = resources.vault.provider, vault_path(resources.database.path)
    own = [path, resources.database.path, vault, provider.path if isinstance(provider, FileKeys) else None]
    if any(vault_copy.resolve() == file.resolve() for file in own if file is not None):
        raise InvalidArgument(
            f"{str(vault_copy)!r} is a file of the watchlist itself", hint="keep the copy of the vault in another place"
        )
