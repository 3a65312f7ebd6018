"""What ``-v`` and ``-vv`` write to standard error, and what never stands there."""

from __future__ import annotations

import base64
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from facematch.cli.logs import start_logging

SUBJECT = "anna-of-the-north"
KEY = base64.b64encode(bytes(range(32))).decode()


class Log:
    """Runs commands, each in a process of its own on one watchlist, and keeps all that they log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all = ""

    def run(self, *arguments: object) -> str:
        variables = {"FACEMATCH_DATABASE": f"sqlite:///{self.folder / 'w.db'}", "FACEMATCH_KEY": KEY}
        result = subprocess.run(
            [sys.executable, "-m", "facematch", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            env={**os.environ, "FACEMATCH_ACTOR": "boss", **variables},
        )
        self.all += result.stderr
        return result.stderr

    def enroll(self, picture: Path, *verbosity: str) -> str:
        notice, form = self.folder / "notice.txt", self.folder / "form.pdf"
        notice.write_text("What happens to your picture.", "utf-8")
        form.write_bytes(b"%PDF signed")
        said = ("--purpose", "site-access", "--notice", notice, "--language", "en", "--evidence", form, "--adult")
        return self.run(*verbosity, "enroll", SUBJECT, picture, *said)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_verbose_says_what_is_done_and_never_who(log: Log, astronaut_path: Path) -> None:
    said = log.enroll(astronaut_path, "-v")
    assert re.search(r"INFO facematch\.\S+: watchlist opened database=.*w\.db' new=True", said)
    assert re.search(
        r"INFO facematch\.\S+: model pack loaded pack=opencv version=\S+ runtime=\S+ contract=\w{64}", said
    )
    assert re.search(r"INFO facematch\.\S+: operation done operation=enroll", said)
    assert "DEBUG" not in said
    said = log.run("-v", "identify", astronaut_path, "--purpose", "site-access")
    assert re.search(r"INFO facematch\.\S+: gallery loaded generation=\d+ subjects=1 templates=1 seconds=", said)
    _nothing_is_told(log)


def _nothing_is_told(log: Log) -> None:
    for hidden in (SUBJECT, KEY, "she asked for it", "score"):
        assert hidden not in log.all
    assert not re.search(r"\b0\.\d{4,}", log.all)  # neither scores nor embeddings: the seconds have three digits


def test_very_verbose_says_no_score(log: Log, astronaut_path: Path, group_path: Path) -> None:
    log.enroll(astronaut_path)
    assert "DEBUG" in log.run("-vv", "identify", group_path, "--purpose", "site-access")
    _nothing_is_told(log)


def test_very_verbose_says_each_step_and_never_who(log: Log, astronaut_path: Path) -> None:
    log.enroll(astronaut_path)
    said = log.run("-vv", "erase", SUBJECT, "--reason", "she asked for it")
    steps = ["operation begins", "rows deleted", "data key destroyed", "files rebuilt", "subject erased"]
    places = [said.index(step) for step in steps]
    assert places == sorted(places)
    assert "DEBUG" in said
    _nothing_is_told(log)


def test_a_refusal_is_logged_with_its_code(log: Log) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        log.run("-v", "erase", SUBJECT, "--reason", "r")
    said = str(caught.value.stderr)
    assert "operation refused or failed operation=erase code=subject_not_found" in said


def test_nothing_is_logged_unasked(log: Log) -> None:
    assert log.run("subjects") == ""


@pytest.mark.parametrize(("verbosity", "level"), [(0, "ERROR"), (1, "INFO"), (2, "DEBUG"), (3, "DEBUG")])
def test_the_level_follows_the_count(verbosity: int, level: str) -> None:
    code = (
        f"import logging; from facematch.cli.logs import start_logging; start_logging({verbosity}); "
        "log = logging.getLogger('facematch.x')\n"
        "for name in ('DEBUG', 'INFO', 'WARNING', 'ERROR'):\n"
        "    log.log(getattr(logging, name), 'w', extra={'where': '\\x1b[31m'})\n"
        "logging.getLogger('another').info('not ours')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = result.stderr.splitlines()
    levels = ["DEBUG", "INFO", "WARNING", "ERROR"]
    assert lines == [f"{name} facematch.x: w where=\\x1b[31m" for name in levels[levels.index(level) :]]


def test_a_later_command_of_one_process_can_be_quiet_again() -> None:
    logger = logging.getLogger("facematch")
    before = logger.level
    try:
        start_logging(1)
        assert logger.level == logging.INFO
        start_logging(0)
        assert logger.level == logging.NOTSET
    finally:
        logger.setLevel(before)
        logging.captureWarnings(False)
