"""The ``facematch`` command: its subcommands, its exit statuses, and the last catch for errors."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer

from facematch import __version__
from facematch.cli.commands import MARKUP, LazyGroup
from facematch.cli.logs import start_logging
from facematch.cli.output import ExitCode, OutputFailed, ReaderGone, exit_code, print_error, print_json
from facematch.errors import FacematchError

__all__ = ["app", "main"]

_UsageProblem: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""The base of all usage errors: click's own class or, in later versions of Typer, the one of the click inside it."""

app = typer.Typer(
    name="facematch",
    cls=LazyGroup,
    help="Match faces in pictures and video against an enrolled, consent-governed watchlist.",
    epilog="Exit status: 0 done, 1 defect, 2 usage, 3 unusable input, 4 refused by governance, 5 models, 6 watchlist, "
    "130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=MARKUP,
)
"""The application; its commands are those of :data:`facematch.cli.commands.COMMANDS`."""


def _version(value: bool) -> None:
    if value:
        typer.echo(f"facematch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    verbose: int = typer.Option(
        0,
        "--verbose",
        "-v",
        count=True,
        metavar="",
        show_default=False,
        help="Log what is done to standard error; twice, -vv: with its steps.",
    ),
) -> None:
    """Match faces in pictures and video against an enrolled, consent-governed watchlist."""
    del version
    start_logging(verbose)


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
