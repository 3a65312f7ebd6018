"""Run the tests on every Python that the project names and this machine has: ``make test-pythons``.

Each gets an environment of its own, ``.venv-3.x``, with the versions that resolve. With ``--fast`` only what shows
whether the interpreter and those versions fit: the unit tests that run no model, how the command line starts, and the
README's example, which enrolls, identifies, watches a recording and erases. With ``--newest`` one environment is made
anew with the newest versions that the ranges of pyproject.toml let in. uv installs them: it resolves and links from one
cache in seconds what pip takes a minute for, each time.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FAST = (
    *(f"tests/unit/{name}" for name in ("alerts", "cli", "governance", "imaging", "matching", "parallel", "video")),
    *(
        f"tests/unit/watchlist/{name}.py"
        for name in (
            "setup/test_open",
            "enrollment/test_enroll",
            "test_search",
            "test_session",
            "data_lifecycle/test_erasure",
            "data_lifecycle/test_restore",
        )
    ),
    "tests/unit/test_public.py",
    "tests/unit/test_settings.py",
    "tests/e2e/test_cli_start.py",
    "tests/integration/test_readme.py",
)


def named_versions() -> list[str]:
    """The versions that the classifiers name, such as ``3.12``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in project["classifiers"])
    return [match[1] for match in found if match]


def interpreter(version: str) -> Path | None:
    """A Python of a version that starts: of the path, or else the latest in pyenv's folder."""
    on_path = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = sorted(pyenv.glob(f"{version}.*/bin/python"), key=lambda path: int(path.parts[-3].rpartition(".")[2]))
    for candidate in (*([Path(on_path)] if on_path else []), *reversed(kept)):
        said = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        if said.returncode == 0 and said.stdout.startswith(f"Python {version}."):  # a shim of pyenv may start nothing
            return candidate
    return None


def environment(python: Path, folder: Path, *options: str) -> Path:
    """The Python of an environment with facematch and what its development needs; made where it is out of date."""
    stamp, inside = folder / ".installed", folder / "bin" / "python"
    if not stamp.exists() or stamp.stat().st_mtime < (ROOT / "pyproject.toml").stat().st_mtime:
        subprocess.run([python, "-m", "venv", folder], check=True)
        subprocess.run([inside, "-m", "pip", "install", "--quiet", "uv"], check=True)
        install = [inside.with_name("uv"), "pip", "install", "--quiet", *options, "--editable", ".[dev]"]
        subprocess.run([*install, "--python", inside], cwd=ROOT, check=True)
        stamp.touch()
    return inside


def passes(python: Path, *, fast: bool) -> bool:
    """Whether the tests pass there."""
    chosen = ["-m", "not slow and not alone" if fast else "not slow", *(FAST if fast else ())]
    command = [python, "-m", "pytest", "-q", "--durations=3", "-n", "2", "--dist", "worksteal", *chosen]
    return subprocess.run([*command, "-p", "no:cacheprovider"], cwd=ROOT, check=False).returncode == 0


def main() -> int:
    """Test, and say of each version what became of it; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="only what shows whether it fits at all")
    parser.add_argument("--newest", action="store_true", help="this Python, with the newest versions that resolve")
    parser.add_argument("--without", metavar="VERSION", default=None, help="leave this one out, such as 3.11")
    chosen = parser.parse_args()
    if chosen.newest:
        folder = ROOT / ".venv-newest"
        shutil.rmtree(folder, ignore_errors=True)
        newest = environment(Path(sys.executable), folder, "--upgrade")
        return 0 if passes(newest, fast=chosen.fast) else 1
    outcome: dict[str, str] = {}
    for version in named_versions():
        if version == chosen.without:
            continue
        python = interpreter(version)
        if python is None:
            outcome[version] = "is not on this machine"
            continue
        sys.stdout.write(f"Python {version}: {python}\n")
        sys.stdout.flush()
        inside = environment(python, ROOT / f".venv-{version}")
        outcome[version] = "passes" if passes(inside, fast=chosen.fast) else "FAILS"
    for version, said in outcome.items():
        sys.stdout.write(f"Python {version} {said}\n")
    return 1 if "FAILS" in outcome.values() else 0


if __name__ == "__main__":
    raise SystemExit(main())
