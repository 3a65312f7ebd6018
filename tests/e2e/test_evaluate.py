"""The evaluate commands on synthetic people, from the command line to files and exit statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facematch.cli import evaluate
from facematch.cli.app import main
from facematch.cli.output import ExitCode
from facematch.testing import FakeAnalyzer
from tests.unit.evaluation.support import labeled_folder, nobody


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures that a fake analyzer understands, lists, and a home of its own for the cache."""
    monkeypatch.setenv("FACEMATCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(evaluate, "load_analyzer", lambda *_, **__: FakeAnalyzer(8))
    labeled_folder(tmp_path / "people", {**dict.fromkeys(range(40), 3), **dict.fromkeys(range(40, 80), 1)})
    lines = [f"p{n:02}/0.png,p{n:02}/1.png,1\np{n:02}/0.png,p{n + 1:02}/0.png,0\n" for n in range(6)]
    (tmp_path / "pairs.csv").write_text("image_a,image_b,same\n" + "".join(lines), "utf-8")
    (tmp_path / "groups.csv").write_text(
        "image,group\n" + "".join(f"p{n:02}/0.png,{'ab'[n % 2]}\n" for n in range(80)), "utf-8"
    )
    return tmp_path


def run(*arguments: object) -> int:
    return main(["evaluate", *map(str, arguments)])


def test_openset_writes_json_and_a_report_and_is_quick_the_second_time(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("openset", "--images", folder / "people", "--gallery-size", 20, "--draws", 2, "--templates", 2)
    assert run(*given, "--json", folder / "out.json", "--report", folder / "report") == ExitCode.OK
    printed = capsys.readouterr()
    assert "Gallery of 20 people" in printed.out
    assert (folder / "report" / "report.html").is_file()
    document = json.loads((folder / "out.json").read_text("utf-8"))
    assert document["pack"] == "opencv"
    assert (document["gallery_size"], document["templates"], document["draws"]) == (20, 2, 2)
    assert list((folder / "home" / "evaluation").glob("*/*.npz"))
    assert run(*given, "--json", "-") == ExitCode.OK
    again = json.loads(capsys.readouterr().out)
    assert (document.pop("n_cached"), again.pop("n_cached")) == (0, 160)
    assert document | {"seconds": 0} == again | {"seconds": 0}
    assert run(*given, "--rule", "mean_template", "--cache", folder / "elsewhere") == ExitCode.OK
    assert list((folder / "elsewhere").glob("*/*.npz"))


def test_no_cache_keeps_nothing(folder: Path) -> None:
    assert run("openset", "--images", folder / "people", "--gallery-size", 20, "--no-cache") == ExitCode.OK
    assert not (folder / "home" / "evaluation").exists()


def test_verification(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nobody(folder / "people" / "p00" / "1.png")
    given = ("verification", "--pairs", folder / "pairs.csv", "--images", folder / "people")
    assert run(*given, "--json", "-") == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert (document["n_pairs"], document["failures"], document["threshold"]) == (12, ["p00/1.png"], 0.6)
    assert run(*given, "--threshold", "0.2") == ExitCode.OK
    printed = capsys.readouterr()
    assert "0.2000" in printed.out
    assert "no face: p00/1.png" in printed.err


def test_errors_are_json_only_where_standard_output_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("verification", "--pairs", folder / "pairs.csv", "--images", folder / "absent")
    assert run(*given, "--json", "-") == ExitCode.INPUT
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "invalid_argument"
    assert "13 pictures are missing: p00/0.png" in error["message"]
    assert run(*given, "--json", folder / "out.json") == ExitCode.INPUT
    printed = capsys.readouterr()
    assert (printed.out, "pictures are missing" in printed.err) == ("", True)
    assert run("openset", "--images", folder / "people", "--json", folder / "no" / "folder.json") == ExitCode.INPUT
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(("ratio", "status"), [(None, ExitCode.OK), (1000, ExitCode.OK), (1.0, ExitCode.REFUSED)])
def test_differentials_are_a_release_gate(
    ratio: float | None, status: ExitCode, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = [] if ratio is None else ["--max-ratio", ratio]
    given = ("differentials", "--images", folder / "people", "--groups", folder / "groups.csv", "--gallery-size", 20)
    for person in range(10):  # five people of each group whose probes may show nobody: misses
        nobody(folder / "people" / f"p{person:02}" / "2.png", shade=person)
    assert run(*given, "--threshold", 0.7, "--min-people", 5, "--json", folder / "out.json", *gate) == status
    document: dict[str, Any] = json.loads((folder / "out.json").read_text("utf-8"))
    assert document["groups"] == {"a": 40, "b": 40}
    printed = capsys.readouterr()
    assert document["max_min"]["fpir"]["value"] > 1
    assert document["max_min"]["fnir"]["value"] > 1
    assert ("times that of" in printed.err) == (status is ExitCode.REFUSED)


def test_a_group_that_cannot_be_judged_fails_the_gate(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("differentials", "--images", folder / "people", "--groups", folder / "groups.csv", "--max-ratio", 9)
    assert run(*given, "--threshold", 0.99, "--json", "-") == ExitCode.REFUSED
    printed = capsys.readouterr()
    assert json.loads(printed.out)["gate"]["passed"] is False
    assert "cannot be judged" in printed.err


def test_lfw(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = folder / "lfw"
    for number, name in enumerate(("Ann", "Ben", "Eve")):
        (people / name).mkdir(parents=True)
        for which in (1, 2):
            source = folder / "people" / f"p{number:02}" / f"{which}.png"
            (people / name / f"{name}_{which:04d}.jpg").write_bytes(source.read_bytes())
    fold = "Ann\t1\t2\nBen\t1\t2\nAnn\t1\tBen\t1\nBen\t2\tEve\t1\n"
    (folder / "pairs.txt").write_text("2\t2\n" + fold * 2, "utf-8")
    assert run("lfw", "--images", people, "--pairs", folder / "pairs.txt", "--report", folder / "r", "--json", "-") == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) >= {
        "accuracy",
        "std",
        "auc",
        "eer",
        "tpr_at_fmr",
        "n_pairs",
        "failures",
        "contract",
        "seconds",
    }
    assert (document["accuracy"], document["auc"], document["eer"], document["n_pairs"]) == (1.0, 1.0, 0.0, 8)
    assert (folder / "r" / "scores.png").is_file()


def test_detection(tmp_path: Path, group_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = tmp_path / "truth.txt"
    truth.write_text(f"{group_path.name}\n1\n0 0 30 30 0 0 0 0 0 0\n", "utf-8")
    given = ("detection", "--images", group_path.parent, "--truth", truth, "--report", tmp_path / "r")
    assert run(*given, "--json", "-") == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert (document["ap"], document["false_positives_per_image"], document["n_faces"]) == (0.0, 6.0, 1)
    assert document["recall_at_height"] == {"20": 0.0, "50": None, "100": None}
    assert document["detector"]["settings"]["max_side"] == 0
    assert run(*given, "--score", 0.99, "--max-side", 320) == ExitCode.OK
    assert "none there" in capsys.readouterr().out
    assert np.all([(tmp_path / "r" / name).is_file() for name in ("report.html", "precision-recall.png")])
