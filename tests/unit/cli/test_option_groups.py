"""Groups of options: a dataclass in a command's signature stands for its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from facematch.cli.option_groups import Commands


@dataclass(frozen=True)
class Place:
    """Two options."""

    site: Annotated[str | None, typer.Option("--site", help="Where.")] = None
    floors: Annotated[list[int] | None, typer.Option("--floor")] = None


app = Commands()
seen: list[object] = []


@app.command("go")
def go(name: str, *, place: Place, twice: bool = False) -> None:
    """Go somewhere."""
    seen.append((name, place, twice))


@app.command("stay")
def stay() -> None:
    """Stay."""


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_fields_are_options_and_come_as_one_value() -> None:
    seen.clear()
    assert run("go", "ana", "--site", "door", "--floor", "1", "--floor", "2", "--twice")[0] == 0
    assert run("go", "ben")[0] == 0
    assert seen == [("ana", Place("door", [1, 2]), True), ("ben", Place(), False)]


def test_help_shows_the_options_of_a_group() -> None:
    status, shown = run("go", "--help")
    assert status == 0
    assert "--site" in shown
    assert "Where." in shown
    assert "--place" not in shown


def test_the_function_itself_stays_callable() -> None:
    seen.clear()
    go("cleo", place=Place("hall"))
    assert seen == [("cleo", Place("hall"), False)]
