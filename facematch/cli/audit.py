"""``facematch audit show | verify | checkpoint | export | prove | public-key``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facematch.cli.files import read_bytes, write_private
from facematch.cli.option_groups import Commands
from facematch.cli.options import Access, AsJson, open_watchlist
from facematch.cli.output import ExitCode, console, print_json, print_table
from facematch.errors import InvalidArgument

if TYPE_CHECKING:
    from facematch.governance import AuditEntry

__all__ = ["app"]

app = Commands(help="The audit log: read, verify, prove, export.", no_args_is_help=True)


@app.command("show")
def show(
    limit: Annotated[int, typer.Option("--limit", min=1, help="Only the latest so many entries.")] = 50,
    subject_ref: Annotated[
        str | None, typer.Option("--subject-ref", help="Only entries with this reference of a subject.")
    ] = None,
    since: Annotated[int | None, typer.Option("--since", min=1, help="Only from this number on.")] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Show the latest entries of the log, oldest first.

    Example: `facematch audit show --limit 20`
    """
    with open_watchlist(access) as watchlist:
        entries = watchlist.audit.entries(limit=limit, since_seq=since, subject_ref=subject_ref)
    if as_json:
        print_json({"entries": [entry.to_dict() for entry in entries]})
        return
    rows = [
        (
            entry.seq,
            f"{entry.time:%Y-%m-%d %H:%M:%S}",
            entry.actor,
            f"{entry.action}, {entry.outcome}",
            entry.subject_ref or "-",
            _details(entry),
        )
        for entry in entries
    ]
    print_table("Audit log (UTC)", ("number", "time", "actor", "what", "subject", "details"), rows)


@app.command("verify")
def verify(
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="A checkpoint that was kept elsewhere.")
    ] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> int:
    """Recompute the whole log and name every place that is not what was written; exit status 6 where there is one.

    Without a checkpoint kept elsewhere, an older state of the whole log that was put back is not found.

    Example: `facematch audit verify --checkpoint kept.txt`
    """
    note = None if checkpoint is None else _text(checkpoint)
    with open_watchlist(access) as watchlist:
        result = watchlist.audit.verify(note)
    if as_json:
        print_json(result.to_dict())
    elif result.ok:
        console().print(f"the log verifies: {result.size} entries, root {result.root.hex()}")
        if not result.with_outside_checkpoint:
            console().print("note: without --checkpoint, an older state put back as a whole is not found")
    else:
        rows = [(finding.place, finding.problem) for finding in result.findings]
        print_table("The log is not what was written", ("place", "problem"), rows)
    return ExitCode.OK if result.ok else ExitCode.WATCHLIST


@app.command("checkpoint")
def checkpoint(
    out: Annotated[Path | None, typer.Option("--out", help="New file for it [default: standard output].")] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Make a signed checkpoint; keep it out of reach of those who can write the database.

    Example: `facematch audit checkpoint --out /elsewhere/2027-01-01.txt`
    """
    with open_watchlist(access) as watchlist:
        made = watchlist.audit.checkpoint()
    if out is not None:
        write_private(out, made.note)
    if as_json:
        print_json(
            {
                "origin": made.origin,
                "number": made.number,
                "size": made.size,
                "root": made.root.hex(),
                "time": made.time.isoformat(),
                "note": made.note,
            }
        )
    elif out is None:
        typer.echo(made.note, nl=False)
    else:
        console().print(f"checkpoint {made.number} of {made.size} entries is in {out}", markup=False)


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Write the log into a folder that can be verified without facematch: verify.py lies in it.

    Example: `facematch audit export audit-2027-01`
    """
    with open_watchlist(access) as watchlist:
        written = watchlist.audit.export(folder)
    if as_json:
        print_json({"folder": str(written)})
    else:
        console().print(f"the log is in {written}; verify it with: python -I verify.py .", markup=False)


@app.command("prove")
def prove(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Number of the entry.")],
    out: Annotated[Path | None, typer.Option("--out", help="New file for it [default: standard output].")] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Prove that an entry is in the log: the hashes that lead from it to the root, as JSON.

    Example: `facematch audit prove 17 --out proof-17.json`
    """
    with open_watchlist(access) as watchlist:
        proof = watchlist.audit.prove(number)
    if out is not None:
        write_private(out, json.dumps(proof.to_dict(), indent=2, ensure_ascii=False) + "\n")
    if out is None or as_json:
        print_json(proof.to_dict())
    else:
        console().print(f"the proof of entry {number} in a log of {proof.size} is in {out}", markup=False)


@app.command("public-key")
def public_key(*, access: Access, as_json: AsJson = False) -> None:
    """Print the key that checkpoints, receipts and certificates are verified with; hand it out by a trusted way.

    Example: `facematch audit public-key`
    """
    with open_watchlist(access) as watchlist:
        key, origin = watchlist.audit.public_key.hex(), watchlist.audit.origin
    if as_json:
        print_json({"public_key": key, "origin": origin})
    else:
        typer.echo(key)


def _details(entry: AuditEntry) -> str:
    said: dict[str, Any] = dict(entry.details)
    return ", ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in said.items()) or "-"


def _text(path: Path) -> str:
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{str(path)!r} is no text", hint="pass the checkpoint as it was kept") from error
