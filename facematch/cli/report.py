"""``facematch report processing-record | impact-input | transparency-notice``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from facematch.cli.files import read_bytes, write_private
from facematch.cli.option_groups import Commands
from facematch.cli.options import Access, open_watchlist
from facematch.cli.output import console
from facematch.errors import InvalidArgument

if TYPE_CHECKING:
    from facematch.governance.reports import Statements

__all__ = ["app"]

app = Commands(help="Reports from the live configuration; what was not stated is marked so.", no_args_is_help=True)

Format: TypeAlias = Annotated[Literal["markdown", "html"], typer.Option("--format", help="Markdown or one HTML page.")]
StatementsFile: TypeAlias = Annotated[
    Path | None, typer.Option("--statements", help="TOML file with what only the controller can state.")
]
Out: TypeAlias = Annotated[Path | None, typer.Option("--out", help="New file for it [default: standard output].")]


@app.command("processing-record")
def processing_record(
    kind: Format = "markdown",
    statements: StatementsFile = None,
    out: Out = None,
    *,
    access: Access,
) -> None:
    """Write the record of processing activities, with the headings of GDPR Article 30.

    Example: `facematch report processing-record --format html --out record.html`
    """
    said = _read(statements)
    with open_watchlist(access) as watchlist:
        _deliver(watchlist.reports.processing_record(kind, statements=said), out)


@app.command("impact-input")
def impact_input(
    kind: Format = "markdown",
    statements: StatementsFile = None,
    out: Out = None,
    *,
    access: Access,
) -> None:
    """Write what an impact assessment needs to know about this watchlist.

    Example: `facematch report impact-input --out impact.md`
    """
    said = _read(statements)
    with open_watchlist(access) as watchlist:
        _deliver(watchlist.reports.impact_input(kind, statements=said), out)


@app.command("transparency-notice")
def transparency_notice(
    kind: Format = "markdown",
    site: Annotated[str | None, typer.Option("--site", help="Only the zones of this site.")] = None,
    statements: StatementsFile = None,
    out: Out = None,
    *,
    access: Access,
) -> None:
    """Write a notice for the public, in plain language.

    Example: `facematch report transparency-notice --format html --out notice.html`
    """
    said = _read(statements)
    with open_watchlist(access) as watchlist:
        _deliver(watchlist.reports.transparency_notice(kind, site=site, statements=said), out)


def _read(statements: Path | None) -> Statements | None:
    from facematch.governance.reports import Statements

    if statements is None:
        return None
    try:
        data = tomllib.loads(read_bytes(statements).decode())
    except ValueError as error:
        raise InvalidArgument(f"{str(statements)!r} is not valid TOML: {error}", hint="correct the line") from error
    return Statements.from_dict(data)


def _deliver(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=not text.endswith("\n"))
        return
    write_private(out, text)
    console().print(f"the report is in {out}", markup=False)
