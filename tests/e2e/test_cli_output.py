"""What the command line does with odd surroundings: encodings, closed pipes, bad variables, names made to hurt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facematch.cli import main
from facematch.cli.output import ExitCode, print_json, print_table, progress_bar, shown
from facematch.cli.video import _stop_on_interrupt
from facematch.testing import FakeAnalyzer, SyntheticFace, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist

MAIN = "import sys; from facematch.cli import main; sys.exit(main())"


@pytest.fixture
def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    with Watchlist.open(url, analyzer=FakeAnalyzer()) as watchlist:
        for person in range(3):
            subject = f"Zoë-{person}-" + "long" * 20
            picture = synthetic_picture([SyntheticFace(person=person)])
            watchlist.enroll(subject, picture, consent=synthetic_consent(subject))
    return url


def spawn(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )


def test_a_bad_variable_is_a_typed_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FACEMATCH_THREADS", "abc")
    assert main(["models", "list", "--json"]) == ExitCode.INPUT
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "invalid_argument"


@pytest.mark.parametrize("arguments", [["identify"], ["nonsense"], ["identify", "x.jpg", "--top-k", "0"]])
def test_a_usage_error_is_one_json_document_too(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main([*arguments, "--json"]) == ExitCode.USAGE
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["code"] == "usage"
    assert main(arguments) == ExitCode.USAGE
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_tables_and_json_in_any_encoding(database: str, encoding: str) -> None:
    table = spawn("subjects", "--db", database, PYTHONIOENCODING=encoding)
    assert (table.returncode, table.stderr) == (0, b"")
    document = spawn("subjects", "--db", database, "--json", PYTHONIOENCODING=encoding)
    subjects = json.loads(document.stdout.decode(encoding))["subjects"]
    assert [s["subject_id"] for s in subjects] == [f"Zoë-{person}-" + "long" * 20 for person in range(3)]


def test_json_of_a_file_name_that_is_no_utf8_can_be_decoded() -> None:
    result = spawn("identify", os.fsdecode(b"\xff.jpg"), "--purpose", "p", "--json", PYTHONIOENCODING="utf-8")
    assert result.returncode == ExitCode.INPUT
    assert "\udcff.jpg" in json.loads(result.stdout.decode("utf-8"))["error"]["message"]


@pytest.mark.parametrize("arguments", [["models", "show", "opencv"], ["models", "list", "--json"]])
def test_a_reader_that_goes_away_is_no_error(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [sys.executable, "-c", MAIN, *arguments], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=120
        )
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", [["models", "list"], ["models", "list", "--json"], ["identify"]])
def test_a_closed_standard_output_is_no_crash(arguments: list[str]) -> None:
    script = f"exec {sys.executable} -c '{MAIN}' {' '.join(arguments)} >&-"
    result = subprocess.run(["/bin/sh", "-c", script], stderr=subprocess.PIPE, check=False, timeout=120)
    assert b"Traceback" not in result.stderr
    assert result.returncode == (ExitCode.USAGE if arguments == ["identify"] else ExitCode.OK)


def test_ctrl_c_while_the_modules_load_is_an_interruption() -> None:
    probe = "import sys; sys.stderr.write('up'); sys.stderr.flush(); from facematch.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", probe, "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stderr is not None
        assert child.stderr.read(2) == b"up"
        time.sleep(0.25)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert child.returncode == ExitCode.INTERRUPTED
    assert b"Traceback" not in err
    assert b"interrupted" in err


def test_a_table_never_drops_what_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    """An ellipsis in the place of a score would be a score that nobody saw."""
    print_table("t", ("candidates", "why"), [("x" * 100 + "  0.536", "y" * 100)])
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert printed.count("x") == 100
    assert "0.536" in printed


def test_names_cannot_steer_the_terminal_nor_the_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "a\x1b[31m\x9b2J\r[/bold]\u202e.mp4"
    print_table(f"Alerts in {hostile}", ("file",), [(hostile,)])
    assert main(["identify", f"/no/such/{hostile}", "--purpose", "p"]) == ExitCode.INPUT
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_bar(f"processing {hostile}") as progress:
        progress(1, 2)
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert "\x1b[31m" not in text
        assert not set("\x9b\u202e") & set(text)
        assert r"a\x1b[31m\x9b2J\r[/bold]\u202e.mp4" in text.replace("\n", "").replace("│", "").replace(" ", "")
    assert shown("Zoë 日本\n[x]") == "Zoë 日本\n[x]"


def test_json_is_never_escaped_without_need(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": "Zoë"})
    assert "Zoë" in capsys.readouterr().out


def test_verbose_tells_about_facematch_and_not_about_libraries(database: str) -> None:
    result = spawn("--verbose", "doctor", "--db", database)
    assert b"faiss" not in result.stderr
    assert b"ModuleNotFoundError" not in result.stderr


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_interrupts(kind: signal.Signals) -> None:
    before = signal.getsignal(kind)
    with pytest.raises(KeyboardInterrupt), _stop_on_interrupt() as stop:  # noqa: PT012 - the second signal raises
        signal.raise_signal(kind)
        assert stop.is_set()
        signal.raise_signal(kind)
    assert signal.getsignal(kind) is before


def test_an_interruption_is_one_json_document_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facematch.models.bundled_names", interrupt)
    assert main(["models", "list", "--json"]) == ExitCode.INTERRUPTED
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "interrupted"


def test_a_full_disk_behind_standard_output_is_said_and_no_traceback() -> None:
    command = [sys.executable, "-m", "facematch", "models", "list", "--json"]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 3
    assert result.stderr.splitlines() == ["standard output cannot be written: No space left on device"]
