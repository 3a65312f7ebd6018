"""Output of the command line: JSON for machines on standard output, tables for people, progress on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from facematch.cli.wording import document_for_commands, hint_for_commands
from facematch.errors import (
    AccessError,
    ConsentError,
    EnrollmentRefused,
    FacematchError,
    ModelError,
    PolicyRefused,
    ThresholdError,
    WatchlistError,
)

if TYPE_CHECKING:
    from facematch.protocols import Progress as ProgressCallback

__all__ = [
    "ExitCode",
    "OutputFailed",
    "ReaderGone",
    "console",
    "exit_code",
    "print_error",
    "print_json",
    "print_table",
    "progress_bar",
    "shown",
]


class ExitCode(IntEnum):
    """Exit statuses of every command."""

    OK = 0
    """It was done. An identification without a candidate is done."""
    INTERNAL = 1
    """A defect of facematch."""
    USAGE = 2
    """The command line is wrong."""
    INPUT = 3
    """A picture, recording or parameter cannot be used."""
    REFUSED = 4
    """Governance refuses: consent, policy, purpose, roles, threshold, enrollment."""
    MODEL = 5
    """A model pack or the runtime."""
    WATCHLIST = 6
    """The watchlist, its database, its keys or its audit log."""
    INTERRUPTED = 130
    """Ctrl-C."""


def exit_code(error: FacematchError) -> ExitCode:
    """The exit status that stands for an error."""
    if isinstance(error, ConsentError | AccessError | ThresholdError | EnrollmentRefused):
        return ExitCode.REFUSED
    if isinstance(error, ModelError):
        return ExitCode.MODEL
    if isinstance(error, WatchlistError):
        return ExitCode.WATCHLIST
    return ExitCode.INPUT


class ReaderGone(Exception):
    """Standard output was closed by its reader, as ``| head -1`` does."""


class OutputFailed(Exception):
    """Standard output cannot be written, for want of space perhaps."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise ReaderGone


def console(*, stderr: bool = False) -> Console:
    """A console on standard output or standard error."""
    return _Console(stderr=stderr, highlight=False, soft_wrap=not sys.stdout.isatty())


def shown(value: object) -> str:
    """Text as a terminal may get it: file names can hold escape sequences, which are spelt out here."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in str(value))


def print_json(document: Any) -> None:
    """One JSON document on standard output; what its encoding cannot say is written in JSON's own escapes.

    Hints in it say options and commands, see :mod:`facematch.cli.wording`.
    """
    document = document_for_commands(document)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=2, allow_nan=False)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGone from None
    except OSError as error:
        raise OutputFailed(error.strerror) from error


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people. Values are shown as they are, never read as markup."""
    table = Table(title=escape(shown(title)), title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(shown(value)) for value in row))
    console().print(table)


def print_error(error: FacematchError, *, as_json: bool) -> None:
    """An error: as a JSON document on standard output, or in words on standard error."""
    if as_json:
        document: dict[str, Any] = dict(error.to_dict())
        if isinstance(error, EnrollmentRefused):
            document["refusals"] = [refusal.to_dict() for refusal in error.refusals]
        if isinstance(error, PolicyRefused):
            document["rule"] = error.rule
        print_json({"error": document})
        return
    out = console(stderr=True)
    out.print(f"[bold red]error[/] \\[{error.code}] {escape(shown(error.message))}")
    if isinstance(error, EnrollmentRefused):
        for refusal in error.refusals:
            out.print(f"  {escape(shown(refusal.picture))}: \\[{refusal.code}] {escape(shown(refusal.message))}")
    if error.hint:
        out.print(f"[dim]hint[/]  {escape(shown(hint_for_commands(error.hint)))}")


class _Rate(ProgressColumn):
    """Rate a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s", style="progress.data.speed")


@contextmanager
def progress_bar(label: str, *, unit: str = "items") -> Iterator[ProgressCallback]:
    """A progress bar on standard error; nothing where that is not a terminal.

    Args:
        label: What is being done.
        unit: ``"bytes"`` shows sizes, anything else counts and says how many a second.
    """
    counters = [DownloadColumn()] if unit == "bytes" else [MofNCompleteColumn(), _Rate()]
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *counters,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with bar:
        task = bar.add_task(shown(label), total=None)

        def update(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield update
