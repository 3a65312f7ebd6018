"""``facematch rights export | complain | decide | disclose``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.files import reserved
from facematch.cli.option_groups import Commands
from facematch.cli.options import Access, AsJson, SubjectArgument, open_watchlist
from facematch.cli.output import console, print_json

__all__ = ["app"]

app = Commands(help="What subjects can ask for: access, complaints, disclosures.", no_args_is_help=True)


@app.command("export")
def export(
    subject: SubjectArgument,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A zip file that is not there yet.")],
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Write everything about a subject into one zip file: no data of others, and no template.

    Example: `facematch rights export s-0042 s-0042.zip`
    """
    with open_watchlist(access) as watchlist:
        written = watchlist.rights.export(subject, path)
    if as_json:
        print_json({"subject_id": subject, "file": str(written)})
    else:
        console().print(f"everything about the subject is in {written}", markup=False)


@app.command("complain")
def complain(
    subject: SubjectArgument,
    ground: Annotated[str, typer.Option("--ground", help="What is contested; sealed under the subject's key.")],
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Take up a complaint; no search returns the subject until it is decided.

    Example: `facematch rights complain s-0042 --ground "it was not me"`
    """
    with open_watchlist(access) as watchlist:
        opened = watchlist.rights.open_complaint(subject, ground=ground)
    if as_json:
        print_json(opened.to_dict())
    else:
        console().print(f"complaint {opened.complaint_id}: no search returns the subject until it is decided")


@app.command("decide")
def decide(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Number of the complaint.")],
    upheld: Annotated[bool, typer.Option("--upheld/--dismissed", help="Whether the complaint is right; required.")],
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Decide a complaint. Dismissed, searches may return the subject again; upheld, revoke or erase next.

    Example: `facematch rights decide 4 --upheld`
    """
    with open_watchlist(access) as watchlist:
        decided = watchlist.rights.decide_complaint(number, upheld=upheld)
    if as_json:
        print_json(decided.to_dict())
    elif upheld:
        console().print(f"complaint {number} is upheld; the subject stays restricted: revoke the consent, or erase")
    else:
        console().print(f"complaint {number} is dismissed; searches may return the subject again")


@app.command("disclose")
def disclose(
    subject: SubjectArgument,
    recipient: Annotated[str, typer.Option("--recipient", help="Who receives it; a consent must name it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; required. Sealed under the subject's key.")],
    out: Annotated[Path, typer.Option("--out", help="New file for what may be handed over.")],
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Write what may be handed to a recipient that the consent names: the consent records, never a template.

    Example: `facematch rights disclose s-0042 --recipient "Example Auditors" --reason "yearly audit" --out s-0042.json`
    """
    with open_watchlist(access) as watchlist, reserved(out) as write:
        disclosure = watchlist.rights.disclose(subject, recipient=recipient, reason=reason)
        write(json.dumps(disclosure.to_dict(), indent=2, ensure_ascii=False) + "\n")
    if as_json:
        print_json({"file": str(out)} | disclosure.to_dict())
    else:
        console().print(f"what {recipient} may have is in {out}", markup=False)
