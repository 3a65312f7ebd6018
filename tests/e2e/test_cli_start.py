"""How the command line starts: what it loads, how it completes words, and what it logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from facematch.cli.actors import RoleName
from facematch.cli.app import app
from facematch.cli.bench import pipeline
from facematch.cli.commands import COMMANDS, whole
from facematch.cli.evaluate_options import FaceOption
from facematch.cli.options import UseOption
from facematch.evaluation.pictures import FaceChoice
from facematch.governance.roles import Role
from facematch.settings import Precision, Runtime, Use

# not pydantic: Typer itself reads arguments with it
HEAVY = ("numpy", "sqlalchemy", "onnxruntime", "cv2", "faiss", "PIL", "scipy", "alembic", "cryptography")

PROBE = f"""
import contextlib, io, json, sys
from facematch.cli import main
loaded = {{}}
for arguments in json.loads(sys.argv[1]):
    before = {{name for name in {HEAVY!r} if name in sys.modules}}
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        status = main(arguments)
    now = [name for name in {HEAVY!r} if name in sys.modules and name not in before]
    loaded[" ".join(arguments)] = [status, len(out.getvalue()), now]
print(json.dumps(loaded))
"""


def probe(*commands: list[str]) -> dict[str, tuple[int, int, list[str]]]:
    """Status, length of what is printed and heavy modules of commands, one after the other in one fresh process."""
    result = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(commands)], capture_output=True, text=True, check=True, timeout=120
    )
    found: dict[str, tuple[int, int, list[str]]] = json.loads(result.stdout)
    return found


def helps(group: Any, words: tuple[str, ...] = ()) -> list[list[str]]:
    found = [[*words, "--help"]]
    for name, command in group.commands.items():
        found += helps(command, (*words, name)) if hasattr(command, "commands") else [[*words, name, "--help"]]
    return found


def test_help_and_version_load_no_library() -> None:
    found = probe(["--version"], *helps(whole(app)))
    assert len(found) > 80
    assert {arguments: (status, heavy) for arguments, (status, _, heavy) in found.items() if status or heavy} == {}
    assert all(printed for _, printed, _ in found.values())


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["identify"], ["consent", "nonsense"], ["identify", "x", "--top-k", "0"]]
)
def test_an_error_of_usage_loads_no_library(arguments: list[str]) -> None:
    ((status, _, heavy),) = probe(arguments).values()
    assert (status, heavy) == (2, [])


def test_the_probe_sees_what_a_command_loads() -> None:
    ((status, _, heavy),) = probe(["models", "list"]).values()
    assert status == 0
    assert "numpy" in heavy


def test_only_the_module_of_the_command_is_loaded() -> None:
    code = (
        "import sys; from facematch.cli import main; main(['zones', '--help']); "
        "print(*(name for name in sys.modules if name.startswith('facematch.cli.')), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stderr.split())
    assert "facematch.cli.zones" in loaded
    assert not {"facematch.cli.enroll", "facematch.cli.evaluate", "facematch.cli.doctor"} & loaded


def test_the_list_of_commands_says_what_the_commands_say() -> None:
    loaded = whole(app).commands
    assert list(loaded) == [entry.name for entry in COMMANDS]
    for entry in COMMANDS:
        sentence = " ".join(loaded[entry.name].help.partition("\n\n")[0].split())
        assert (sentence + " ").startswith(entry.summary + " "), entry.name
        assert hasattr(loaded[entry.name], "commands") == entry.home.endswith(":app")


def test_help_lists_the_commands_by_what_a_person_does() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "facematch", "--help"], capture_output=True, text=True, check=True, env=environment()
    )
    panels = ["Enroll", "Search", "Watch recordings", "Govern", "Operate", "Measure"]
    places = [result.stdout.index(f"╭─ {panel} ─") for panel in panels]
    assert places == sorted(places)
    assert places[3] < result.stdout.index("│ withdraw ") < places[4]
    assert {entry.panel for entry in COMMANDS} == set(panels)


def test_choices_written_for_the_command_line_are_the_librarys() -> None:
    assert [role.value for role in RoleName] == [role.value for role in Role]
    parameters = {"use": UseOption, "face": FaceOption}
    literals = {name: get_args(kind)[0] for name, kind in parameters.items()}
    assert [value for part in get_args(literals["use"]) for value in get_args(part)] == list(get_args(Use))
    assert get_args(literals["face"]) == get_args(FaceChoice)
    written = pipeline.__annotations__
    assert all(f'"{value}"' in written["runtime"].replace("'", '"') for value in get_args(Runtime))
    assert all(f'"{value}"' in written["precision"].replace("'", '"') for value in get_args(Precision))


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "COLUMNS": "120", "PYTHONIOENCODING": "utf-8", **changes}


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """A folder with a program ``facematch`` that runs this Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "facematch"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m facematch "$@"\n', "utf-8")
    program.chmod(0o755)
    return folder


def bash(script: str, folder: Path, home: Path) -> str:
    result = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(HOME=str(home), PATH=f"{folder}:{os.environ['PATH']}"),
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["facematch", "sus"], {"suspend", "suspensions"}),
        (["facematch", "consent", "re"], {"receipt", "record", "refuse", "renew", "revoke"}),
        (["facematch", "identify", "--top"], {"--top-k"}),
        (["facematch", "actors", "grant", "ana", "op"], {"operator"}),
        (["facematch", "identify", "x.jpg", "--use", "com"], {"commercial"}),
    ],
)
def test_bash_completes_words(words: list[str], expected: set[str], bin_folder: Path, tmp_path: Path) -> None:
    script = bash("facematch --show-completion; true", bin_folder, tmp_path)
    assert "complete -o default -F _facematch_completion facematch" in script
    given = " ".join(f"'{word}'" for word in words)
    asked = f"{script}\nCOMP_WORDS=({given}) COMP_CWORD={len(words) - 1}\n_facematch_completion facematch\n"
    assert set(bash(f"{asked}printf '%s\\n' \"${{COMPREPLY[@]}}\"", bin_folder, tmp_path).split()) == expected


def test_completion_is_installed_for_bash(bin_folder: Path, tmp_path: Path) -> None:
    bash("facematch --install-completion; true", bin_folder, tmp_path)
    installed = tmp_path / ".bash_completions" / "facematch.sh"
    assert f"source '{installed}'" in (tmp_path / ".bashrc").read_text("utf-8")
    assert "_facematch_completion" in bash(f". '{installed}'; complete -p facematch", bin_folder, tmp_path)


def test_completion_loads_no_library() -> None:
    code = (
        "import sys\n"
        "from facematch.cli import main\n"
        "try:\n    main([])\n"
        f"finally:\n    print(*(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment(_FACEMATCH_COMPLETE="complete_bash", COMP_WORDS="facematch evaluate ", COMP_CWORD="2"),
    )
    assert result.stdout.split() == ["lfw", "verification", "openset", "detection", "differentials"]
    assert result.stderr.split() == []


def test_a_word_that_is_nearly_a_command_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    from facematch.cli import main

    assert main(["identfy"]) == 2
    assert "'identify'" in capsys.readouterr().err
