"""The README's example runs as it stands, and its figures are the ones that were measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from facematch.matching import Calibration
from facematch.models import open_pack
from facematch.types import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workplace(tmp_path: Path, astronaut: Image, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the example names."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.jpg", astronaut)
    cv2.imwrite("b.jpg", np.ascontiguousarray(astronaut[:, ::-1]))
    cv2.imwrite("door.jpg", (astronaut * 0.6).astype(np.uint8))
    Path("notice-en.txt").write_text("What happens to your picture.", "utf-8")
    Path("signed-form-0042.pdf").write_bytes(b"%PDF")
    with av.open("lobby.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuv420p"
        for shift in range(12):
            picture = np.ascontiguousarray(np.roll(astronaut, shift, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    return tmp_path


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
