"""Facts that documents state about the source: names, files, layers, codes, rules and commands are there."""

from __future__ import annotations

import ast
import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facematch import errors
from facematch.cli.app import app
from facematch.cli.commands import whole
from facematch.errors import FacematchError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

BEHAVIORS = re.findall(r"^\| [^|]+\? \| `([^`]+)` \| `([^`]+)` \|$", CONTRIBUTING, re.MULTILINE)


def _defined(path: Path) -> set[str]:
    """Functions and classes of a module, and methods as ``Class.method``."""
    names: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return names


@pytest.mark.parametrize(("file", "name"), BEHAVIORS)
def test_a_behavior_is_where_the_map_says(file: str, name: str) -> None:
    assert name in _defined(ROOT / file)


def test_the_map_lists_twenty_behaviors_and_every_package() -> None:
    assert len(BEHAVIORS) >= 20
    packages = {path.name for path in (ROOT / "facematch").iterdir() if (path / "__init__.py").exists()}
    assert packages == set(re.findall(r"^\| `facematch/(\w+)/` \|", CONTRIBUTING, re.MULTILINE))


def test_the_layers_of_the_architecture_are_those_that_are_checked() -> None:
    contract = next(c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["name"] == "Imports point down only")
    held = [{name.strip().removeprefix("facematch.") for name in re.split(r"[|:]", row)} for row in contract["layers"]]
    text = (DOCS / "explanation" / "architecture.md").read_text("utf-8")
    table = text.partition("| layer | job |")[2].partition("\n\n")[0]
    shown = [set(re.findall(r"`(\w+)`", row.split("|")[1])) for row in table.splitlines() if row.startswith("| `")]
    assert shown == held


def test_names_in_the_walks_of_the_architecture_are_in_the_files_that_they_name() -> None:
    text = (DOCS / "explanation" / "architecture.md").read_text("utf-8").partition("## Three walks")[2]
    everywhere = set().union(*(_defined(path) for path in (ROOT / "facematch").rglob("*.py")))
    named = set(re.findall(r"`((?:[A-Z]\w+\.)?[a-z_]+|[A-Z]\w+\.[a-z_]+)`", text)) - {"corroboration"}
    methods = {name.rpartition(".")[2] for name in everywhere}
    assert len(named) > 20
    assert {name for name in named if name not in everywhere | methods} == set()
    files = set(re.findall(r"`([\w/]+\.py)`", text))
    assert {name for name in files if not list((ROOT / "facematch").rglob(name))} == set()


def test_every_test_that_the_threat_model_names_is_there() -> None:
    text = (DOCS / "explanation" / "threat-model.md").read_text("utf-8")
    files = set(re.findall(r"`((?:unit|integration)/[\w/]+\.py)`", text))
    assert len(files) > 15
    assert {name for name in files if not (ROOT / "tests" / name).is_file()} == set()
    rows = {int(number) for number in re.findall(r"\bR(\d+)\b", text)}
    tested = (ROOT / "tests" / "integration" / "test_governance_rows.py").read_text("utf-8")
    assert {row for row in rows if f"def test_r{row:02}_" not in tested} == set()


def test_every_error_code_has_advice() -> None:
    text = (DOCS / "how-to" / "troubleshoot.md").read_text("utf-8")
    classes = [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, FacematchError)
    ]
    codes = {cls.code for cls in classes} - {FacematchError.code}
    assert {code for code in codes if f"`{code}`" not in text} == set()
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ", text, re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`(\w+)`", row)} <= codes


def test_the_page_of_policy_rules_is_made_from_the_rules() -> None:
    made = runpy.run_path(str(DOCS / "make_policy_page.py"))["page"]()
    assert (DOCS / "reference" / "policy-rules.md").read_text("utf-8") == made, "run `make policy-docs`"
    assert made.count("\n## `") == len(made.partition("|---|---|\n")[2].partition("\n\n")[0].splitlines())


def _commands(text: str) -> Iterator[list[str]]:
    """Words of every command line that a page shows: a console line, or code beginning with ``facematch``."""
    for found in re.findall(r"^\$ facematch ([^\n]+)|`facematch ([^`\n]+)`", text, re.MULTILINE):
        yield "".join(found).split()


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")], ids=str)
def test_commands_that_a_page_shows_exist_with_their_options(page: Path) -> None:
    root: Any = whole(app)
    for words in _commands(page.read_text("utf-8")):
        command = root
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        shown = {word.partition("=")[0].strip("[],.") for word in words if word.startswith("--")}
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert command is not root or not words or words[0].startswith(("-", "[")), words
        assert shown <= known, (command.name, words)
