"""``facematch backup`` and ``restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.options import Access, AsJson, open_watchlist
from facematch.cli.output import console, print_json

__all__ = ["backup", "restore"]


def backup(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    vault_copy: Annotated[
        Path | None,
        typer.Option("--vault-copy", help="Where the one current copy of the vault is kept; it is overwritten."),
    ] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Write a backup of the database; it holds no keys. Never keep older copies of the vault.

    Example: `facematch backup /backups/store-12-monday.db --vault-copy /safe/store-12.vault`
    """
    with open_watchlist(access) as watchlist:
        written = watchlist.backup(path, vault_copy=vault_copy)
    if as_json:
        print_json({"backup": str(written), "vault_copy": None if vault_copy is None else str(vault_copy)})
        return
    console().print(f"the backup is in {written}", markup=False)
    if vault_copy is not None:
        console().print(f"the vault is copied to {vault_copy}", markup=False)


def restore(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A backup of this watchlist.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Bring back subjects, consents and templates from a backup, for every process at once.

    What has ended since stays ended, and the log, policies, roles and suspensions stay as they are. Identification is
    suspended everywhere until two people lift that.

    Example: `facematch restore /backups/store-12-monday.db`
    """
    if not yes:
        typer.confirm(
            "Subjects enrolled and consents filed or renewed since the backup are lost. Restore?", abort=True, err=True
        )
    with open_watchlist(access) as watchlist:
        restored = watchlist.restore(path)
        suspended = [item.suspension_id for item in watchlist.suspensions.list()]
    if as_json:
        print_json({"file": str(path), "suspensions": suspended} | restored.to_dict())
        return
    console().print(f"restored from {path}", markup=False)
    console().print("identification is suspended until two people lift that: facematch suspensions")
