"""The README's example runs as it stands, and its figures are the ones that were measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from facematch.matching import Calibration
from facematch.models import open_pack

ROOT = Path(__file__).parents[2]


def test_the_example_runs_and_prints_a_candidate_and_an_alert(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), flags=re.DOTALL)
    assert len(blocks) == 1
    exec(compile(blocks[0], "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3
    assert "Candidate(subject_id='s-0042'" in printed[0]
    assert " s-0042 0." in printed[1]
    assert printed[2].endswith("'destroyed': True}")
    assert {path.name for path in workplace.glob("store-12.db*")} == {
        "store-12.db",
        "store-12.db.key",
        "store-12.db.vault",
    }


def test_accuracy_figures_are_the_ones_in_the_result_files() -> None:
    results = ROOT / "docs" / "results"
    lfw = json.loads((results / "lfw-opencv.json").read_text("utf-8"))
    calibration = Calibration.load(results / "calibration-opencv.json")
    readme = (ROOT / "README.md").read_text("utf-8")
    figures = (
        f"{lfw['accuracy'] * 100:.2f} % ± {lfw['std'] * 100:.2f}",
        f"{len(lfw['failures'])} of {lfw['n_images']:,}",
        f"{calibration.threshold:.4f}",
        f"with {calibration.gallery_size} people enrolled, {calibration.templates} templates each",
        f"at most {calibration.fpir_upper * 100:.2f} % ({calibration.confidence * 100:.0f} % confidence)",
        f"{calibration.people:,}, of whom {calibration.errors} became candidates",
    )
    assert [figure for figure in figures if figure not in readme] == []


def test_the_default_pack_carries_the_committed_calibration() -> None:
    calibration = Calibration.load(ROOT / "docs" / "results" / "calibration-opencv.json")
    point = open_pack("opencv").operating_point
    assert point == calibration.operating_point()
