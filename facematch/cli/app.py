"""The ``facematch`` command: its subcommands, its exit statuses, and the last catch for errors."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer

from facematch import __version__
from facematch.cli import (
    actors,
    approvals,
    audit,
    backups,
    bench,
    calibration,
    consent,
    doctor,
    embed,
    evaluate,
    identify,
    keys,
    models,
    policy,
    quality,
    receipts,
    report,
    retention,
    rights,
    subjects,
    suspensions,
    video,
    zones,
)
from facematch.cli import enroll as enrol
from facematch.cli.output import ExitCode, OutputFailed, ReaderGone, exit_code, print_error, print_json
from facematch.errors import FacematchError

__all__ = ["app", "main"]

_UsageProblem: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""The base of all usage errors: click's own class or, in later versions of Typer, the one of the click inside it."""

app = typer.Typer(
    name="facematch",
    help="Match faces in pictures and video against an enrolled, consent-governed watchlist.",
    epilog="Exit status: 0 done, 1 defect, 2 usage, 3 unusable input, 4 refused by governance, 5 models, 6 watchlist, "
    "130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("enroll")(enrol.enroll)
app.command("embed")(embed.embed)
app.command("identify")(identify.identify)
app.command("verify")(identify.verify)
app.command("video")(video.video)
app.command("withdraw")(consent.withdraw)
app.command("erase")(subjects.erase)
app.command("subjects")(subjects.subjects)
app.command("suspend")(suspensions.suspend)
app.command("resume")(suspensions.resume)
app.command("suspensions")(suspensions.suspensions)
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)
app.add_typer(receipts.app, name="consent")  # consent's own, with the commands on receipts
app.add_typer(approvals.app, name="approvals")
app.add_typer(policy.app, name="policy")
app.add_typer(actors.app, name="actors")
app.add_typer(zones.app, name="zones")
app.add_typer(keys.app, name="keys")
app.add_typer(retention.app, name="retention")
app.add_typer(audit.app, name="audit")
app.add_typer(rights.app, name="rights")
app.add_typer(report.app, name="report")
app.add_typer(models.app, name="models")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(calibration.app, name="calibration")
app.add_typer(bench.app, name="bench")
app.command("quality")(quality.quality)
app.command("preview")(quality.preview)
app.command("doctor")(doctor.doctor)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"facematch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens to standard error."),
) -> None:
    """Match faces in pictures and video against an enrolled, consent-governed watchlist."""
    del version
    logging.captureWarnings(True)  # what Pillow says about damaged metadata is for -v
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    if verbose:
        for name in ("facematch", "py.warnings"):  # not what the libraries below try and give up while they load
            logging.getLogger(name).setLevel(logging.INFO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; default: the process's own.

    Returns:
        The exit status, an :class:`~facematch.cli.output.ExitCode`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    _prepare_output()
    try:
        return _run(given)
    except ReaderGone:  # it has what it wanted; what is still buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except OutputFailed as error:
        typer.echo(f"standard output cannot be written: {error}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.INPUT


def _run(given: list[str]) -> int:
    as_json = _wants_json(given)
    try:
        result = app(args=given, prog_name="facematch", standalone_mode=False)
    except FacematchError as error:
        print_error(error, as_json=as_json)
        return exit_code(error)
    except _UsageProblem as error:
        error.show()
        if as_json:
            print_json({"error": {"code": "usage", "message": error.format_message(), "hint": "see --help"}})
        return ExitCode.USAGE
    except (KeyboardInterrupt, typer.Abort):
        result = 130
    if result == ExitCode.INTERRUPTED and not isinstance(result, ExitCode):  # a command that ended itself says ExitCode
        typer.echo("interrupted", err=True)
        if as_json:
            print_json({"error": {"code": "interrupted", "message": "interrupted", "hint": None}})
    return result if isinstance(result, int) else ExitCode.OK


def _wants_json(given: list[str]) -> bool:
    """Whether errors too are JSON on standard output; ``--json`` of some names a file, of which ``-`` is that."""
    if next((word for word in given if not word.startswith("-")), None) in {"evaluate", "bench"}:
        return "--json=-" in given or ("--json", "-") in pairwise(given)
    return "--json" in given


def _prepare_output() -> None:
    """Make standard output take any text: a closed one, and one whose encoding has no box-drawing letters."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - stands in until the process ends
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
