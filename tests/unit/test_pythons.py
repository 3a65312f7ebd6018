"""The requirements end where they were tested, and the script that tests the other Pythons finds them."""

from __future__ import annotations

import re
import runpy
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / ".ci" / "pythons.py"))


def test_every_requirement_of_a_user_has_both_ends() -> None:
    extras = PROJECT["optional-dependencies"]
    required = [
        *PROJECT["dependencies"],
        *(one for name in extras if name not in {"dev", "docs"} for one in extras[name]),
    ]
    assert len(required) > 25
    assert [one for one in required if re.fullmatch(r"[a-z0-9-]+>=[\d.]+,<[\d.]+", one) is None] == []


def test_the_lowest_requirements_lie_within_the_ranges(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / ".ci" / "lowest_requirements.py"))
    lines = capsys.readouterr().out.splitlines()
    assert "av==17.*,<20" in lines
    assert not any(">=" in line for line in lines)


def test_the_pythons_of_the_classifiers_are_tested() -> None:
    versions = SCRIPT["named_versions"]()
    assert versions[:3] == ["3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == f">={versions[0]}"


def test_what_is_tested_quickly_is_there() -> None:
    assert [name for name in SCRIPT["FAST"] if not (ROOT / name).exists()] == []


def _program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)
    return path


def test_a_python_is_found_on_the_path_or_in_the_folder_of_pyenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    find = SCRIPT["interpreter"]
    assert find("3.99") is None
    for patch in (9, 10):
        _program(tmp_path / "pyenv" / "versions" / f"3.99.{patch}" / "bin" / "python", f"echo Python 3.99.{patch}")
    latest = tmp_path / "pyenv" / "versions" / "3.99.10" / "bin" / "python"
    assert find("3.99") == latest
    shim = _program(tmp_path / "bin" / "python3.99", "exit 127")  # as pyenv's own, where that version is not chosen
    assert find("3.99") == latest
    _program(shim, "echo Python 3.99.1")
    assert find("3.99") == shim


def test_this_python_is_one_of_them() -> None:
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in SCRIPT["named_versions"]()
