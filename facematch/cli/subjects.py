"""``facematch subjects`` and ``erase``."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.files import read_bytes, rescued, reserved
from facematch.cli.options import Access, AsJson, database_file, database_url, open_watchlist
from facematch.cli.output import ExitCode, console, print_json, print_table
from facematch.errors import ErasureUnfinished

if TYPE_CHECKING:
    from facematch.types import Erasure

__all__ = ["erase", "subjects"]


def subjects(*, access: Access, as_json: AsJson = False) -> None:
    """List the subjects on the watchlist.

    Example: `facematch subjects --db sqlite:///store-12.db`
    """
    with open_watchlist(access) as watchlist:
        records = watchlist.subjects.list()
    if as_json:
        print_json({"subjects": [record.to_dict() for record in records]})
        return
    rows = [
        (
            record.subject_id,
            record.state,
            ", ".join(record.purposes),
            ", ".join(record.sites) or "every site",
            record.templates,
            f"{record.valid_until:%Y-%m-%d}",
        )
        for record in records
    ]
    print_table("Subjects", ("subject", "state", "purposes", "sites", "templates", "valid until"), rows)


def erase(
    subject: Annotated[str | None, typer.Argument(metavar="SUBJECT", help="Id of the subject.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; required to erase.")] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", help="New file for the signed certificate [default: beside the database]."),
    ] = None,
    verify: Annotated[
        Path | None, typer.Option("--verify", help="Erase nothing: prove the erasure that this certificate is of.")
    ] = None,
    also: Annotated[
        list[Path] | None, typer.Option("--also", help="With --verify: scan this file too; may be repeated.")
    ] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> int:
    """Erase a subject for good and write the signed certificate, or prove an erasure by its certificate.

    The watchlist keeps no copy of the certificate, because it names the subject.

    Example: `facematch erase s-0042 --reason "request of the subject" --certificate s-0042.json`
    """
    if verify is not None:
        if subject is not None or reason is not None or certificate is not None:
            raise typer.BadParameter("--verify erases nothing: leave SUBJECT, --reason and --certificate out")
        return _verify(verify, also or [], access, as_json=as_json)
    if subject is None or reason is None or also:
        raise typer.BadParameter("to erase, name SUBJECT and --reason; --also belongs to --verify")
    file = _beside(access.database) if certificate is None else certificate
    with open_watchlist(access) as watchlist, reserved(file) as write:
        try:
            receipt = watchlist.erase(subject, reason=reason)
        except ErasureUnfinished as error:  # erased all the same: the certificate is kept before the error is shown
            rescued(write, _written(error.receipt))
            raise
        rescued(write, _written(receipt))
    if as_json:
        print_json(receipt.to_dict() | {"certificate_file": str(file)})
        return ExitCode.OK
    console().print(
        f"erased {receipt.templates_erased} templates and {receipt.consent_records_erased} consent records "
        f"at {receipt.erased_at:%Y-%m-%d %H:%M:%S} UTC, generation {receipt.generation}"
    )
    console().print(f"the certificate is in {file}; no other copy is kept", markup=False)
    return ExitCode.OK


def _written(receipt: Erasure) -> str:
    return json.dumps(receipt.certificate, indent=2, ensure_ascii=False) + "\n"


def _verify(certificate: Path, also: list[Path], access: Access, *, as_json: bool) -> ExitCode:
    text = read_bytes(certificate)
    with open_watchlist(access) as watchlist:
        check = watchlist.verify_erasure(text, extra_files=also)
    if as_json:
        print_json(check.to_dict())
    elif check.ok:
        console().print(f"the erasure is proved; {len(check.files)} files hold nothing of the subject")
    else:
        print_table("The erasure is not complete", ("what is still there",), [(finding,) for finding in check.findings])
    return ExitCode.OK if check.ok else ExitCode.WATCHLIST


def _beside(database: str | None) -> Path:
    """A new name beside the database that names no subject."""
    file = database_file(database_url(database))
    return (Path() if file is None else file.parent) / f"erasure-{secrets.token_hex(6)}.json"
