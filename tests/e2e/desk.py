"""The command line as several people use it, each under their own name, on one database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facematch.cli.app import main
from facematch.cli.output import ExitCode


class Desk:
    """Runs commands as somebody and reads what they print.

    Args:
        folder: For the database and all files.
        capsys: Reads standard output.
        monkeypatch: Sets the variables that the command line reads.
    """

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.database = folder / "w.db"
        self.notice = self.file("notice.txt", "What happens to your picture.")
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("COLUMNS", "250")  # tables then break no word
        monkeypatch.setenv("FACEMATCH_DATABASE", f"sqlite:///{self.database}")

    def file(self, name: str, text: str) -> Path:
        """A new file."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def run(self, actor: str, *arguments: object) -> tuple[int, str, str]:
        """Status, standard output and standard error of a command."""
        self._monkeypatch.setenv("FACEMATCH_ACTOR", actor)
        status = main([str(argument) for argument in arguments])
        printed = self._capsys.readouterr()
        return status, printed.out, printed.err

    def ask(self, actor: str, *arguments: object) -> Any:
        """The JSON answer of a command that must succeed."""
        status, out, err = self.run(actor, *arguments, "--json")
        assert status == ExitCode.OK, out + err
        return json.loads(out)

    def refused(self, actor: str, *arguments: object) -> tuple[int, str]:
        """Status and code of a command that must fail."""
        status, out, _ = self.run(actor, *arguments, "--json")
        return status, str(json.loads(out)["error"]["code"])

    def consent(self, **changes: object) -> list[object]:
        """Options of a whole consent record; ``None`` leaves one out."""
        form = self.folder / "form.pdf"
        form.write_bytes(b"%PDF signed")
        said: dict[str, object] = {
            "purpose": "site-access",
            "notice": self.notice,
            "language": "en",
            "evidence": form,
            **changes,
        }
        given = [part for name, value in said.items() if value is not None for part in (_option(name), value)]
        return [*given, "--adult"]

    def record(self, actor: str, subject: str, **changes: object) -> Any:
        """File a consent record."""
        return self.ask(actor, "consent", "record", subject, *self.consent(**changes))

    def states(self, actor: str) -> dict[str, str]:
        """The subjects and their states."""
        return {item["subject_id"]: item["state"] for item in self.ask(actor, "subjects")["subjects"]}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
