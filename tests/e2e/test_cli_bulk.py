"""Pictures in bulk on the command line: lists of subjects, and folders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facematch.cli.app import main
from facematch.cli.output import ExitCode
from facematch.types import Image


class Desk:
    """A folder with a list of two people, and commands on it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        status = main(list(arguments))
        printed = self._capsys.readouterr()
        return status, printed.out, printed.err

    def enroll(self, *more: str) -> tuple[int, str, str]:
        said = ["--purpose", "site-access", "--notice", str(self.folder / "notice.txt"), "--language", "en"]
        return self.run("enroll", "--from-csv", str(self.folder / "people.csv"), *said, *more)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], astronaut: Image, group: Image) -> Desk:
    (tmp_path / "notice.txt").write_text("What happens to your picture.", "utf-8")
    for name in ("eileen", "lee", "nobody"):
        (tmp_path / f"{name}.pdf").write_text(f"signed by {name}", "utf-8")
    cv2.imwrite(str(tmp_path / "eileen.png"), astronaut)
    cv2.imwrite(str(tmp_path / "darker.png"), (astronaut[:, ::-1] * 0.7).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "group.png"), group)
    rows = ["subject;picture;evidence;adult", "eileen;eileen.png;eileen.pdf;yes", "eileen;darker.png;;"]
    rows += ["lee;group.png;lee.pdf;yes", "nobody;eileen.png;nobody.pdf;no"]
    (tmp_path / "people.csv").write_text("\n".join(rows), "utf-8")
    return Desk(tmp_path, capsys)


def test_a_list_is_enrolled_and_what_became_of_everybody_is_told(desk: Desk) -> None:
    status, out, _ = desk.enroll("--json", "--report", str(desk.folder / "report.json"))
    assert status == ExitCode.OK
    document = json.loads(out)
    assert document == json.loads((desk.folder / "report.json").read_text("utf-8"))
    assert (desk.folder / "report.json").stat().st_mode & 0o777 == 0o600
    assert [document[name] for name in ("subjects", "active", "refused", "not_reached", "templates")] == [3, 1, 2, 0, 2]
    outcomes: dict[str, Any] = {outcome["subject_id"]: outcome for outcome in document["outcomes"]}
    assert list(outcomes) == ["eileen", "lee", "nobody"]
    assert [refusal["code"] for refusal in outcomes["lee"]["refusals"]] == ["several_faces"]
    assert outcomes["nobody"]["error"]["code"] == "consent_invalid"
    assert outcomes["nobody"]["line"] == 5
    status, out, _ = desk.run("identify", str(desk.folder / "darker.png"), "--purpose", "site-access", "--json")
    assert [c["subject_id"] for c in json.loads(out)["probes"][0]["candidates"]] == ["eileen"]
    status, out, _ = desk.enroll("--json")
    assert [json.loads(out)[name] for name in ("active", "already", "refused")] == [0, 1, 2]


def test_people_read_it_in_a_table(desk: Desk) -> None:
    status, out, _ = desk.enroll()
    assert status == ExitCode.OK
    assert "1 of 3 subjects enrolled, 2 templates; 2 refused" in out
    assert "adult" in out


@pytest.mark.parametrize(
    "more", [["s-1"], ["s-1", "a.png"], ["--adult"], ["--evidence", "x.pdf"], ["--quality-override", "why"]]
)
def test_what_does_not_go_with_a_list_is_refused(desk: Desk, more: list[str]) -> None:
    status, _, err = desk.enroll(*more)
    assert (status, "invalid_argument" in err) == (ExitCode.INPUT, True)


@pytest.mark.parametrize("arguments", [[], ["s-1"], ["s-1", "a.png", "--report", "r.json"]])
def test_without_a_list_a_subject_and_pictures_are_needed(desk: Desk, arguments: list[str]) -> None:
    status, _, err = desk.run("enroll", *arguments)
    assert (status, "invalid_argument" in err) == (ExitCode.INPUT, True)
    assert not (desk.folder / "default.db").exists()


def test_a_folder_becomes_a_table(desk: Desk) -> None:
    (desk.folder / "bad.jpg").write_bytes(b"")
    out_file, report = desk.folder / "out.npz", desk.folder / "report.json"
    status, out, _ = desk.run("embed", str(desk.folder), "--out", str(out_file), "--report", str(report), "--json")
    assert status == ExitCode.OK
    document = json.loads(out)
    assert document == json.loads(report.read_text("utf-8"))
    assert (document["pictures"], document["faces"], document["errors_by_code"]) == (4, 8, {"image_empty": 1})
    assert np.load(out_file)["embeddings"].shape == (8, 128)
    status, _, err = desk.run("embed", str(desk.folder), "--out", str(out_file))
    assert (status, "is there already" in err) == (ExitCode.INPUT, True)
    status, out, _ = desk.run("embed", str(desk.folder), "--out", str(desk.folder / "out.parquet"))
    assert "8 faces of 4 pictures" in out
    assert "image_empty" in out
    assert "biometric data" in out


def test_ctrl_c_ends_it_cleanly_and_says_how_to_go_on(tmp_path: Path, group: Image) -> None:
    (tmp_path / "in").mkdir()
    for number in range(600):
        cv2.imwrite(str(tmp_path / "in" / f"{number:03}.jpg"), group[100:500, 100 + number % 50 : 700])
    command = [sys.executable, "-m", "facematch", "embed", str(tmp_path / "in"), "--out", str(tmp_path / "out.npz")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        draft = tmp_path / "out.npz.part"
        until = time.monotonic() + 120
        while not (draft.exists() and draft.stat().st_size > 60_000):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert out == ""
    assert err.split() == f"what was done is in {draft}; the same command goes on from there interrupted".split()
    assert os.listdir(tmp_path) in (["in", "out.npz.part"], ["out.npz.part", "in"])  # noqa: PTH208
