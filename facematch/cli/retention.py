"""``facematch retention run``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facematch.cli.files import private_folder, rescued, write_private
from facematch.cli.option_groups import Commands
from facematch.cli.options import Access, AsJson, open_watchlist
from facematch.cli.output import console, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from facematch.types import Erasure

__all__ = ["app"]

app = Commands(help="Apply the time limits of the policy.", no_args_is_help=True)


@app.callback()
def _noun() -> None:
    """Apply the time limits of the policy."""


@app.command("run")
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    certificates: Annotated[
        Path | None,
        typer.Option("--certificates", help="Folder for the certificates of the erasures; otherwise they are dropped."),
    ] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Expire, erase, reject and prune what is due now; run it every day.

    Example: `facematch retention run --certificates /safe/certificates`
    """
    folder = None if certificates is None or dry_run else private_folder(certificates)
    files: list[str] = []

    def keep(receipt: Erasure) -> None:
        if folder is not None:
            files.append(_kept(receipt.certificate, folder))

    with open_watchlist(access) as watchlist, progress_bar("erasing") as progress:
        result = watchlist.apply_retention(dry_run=dry_run, progress=progress, on_erasure=keep)
    if as_json:
        print_json(result.to_dict() | {"certificate_files": files})
        return
    verb = "would be " if result.dry_run else ""
    rows = [
        (f"consents {verb}marked as expired", ", ".join(result.expired) or "-"),
        (f"subjects {verb}erased", ", ".join(result.erased) or "-"),
        (f"enrollments {verb}rejected", ", ".join(str(number) for number in result.rejected) or "-"),
        (f"audit entries {verb}pruned", "not counted" if result.dry_run else result.pruned),
    ]
    print_table(f"Retention at {result.at:%Y-%m-%d %H:%M:%S} UTC", ("", ""), rows)
    if files:
        console().print(f"{len(files)} certificates are in {folder}; no other copy is kept", markup=False)


def _kept(certificate: Mapping[str, Any], folder: Path) -> str:
    file = folder / f"erasure-{certificate['certificate_id']}.json"
    rescued(partial(write_private, file), json.dumps(certificate, indent=2, ensure_ascii=False) + "\n")
    return str(file)
