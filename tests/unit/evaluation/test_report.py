"""Reports: self-contained, without pictures or paths, with what was measured in them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.errors import InvalidArgument
from facematch.evaluation.differentials import evaluate_differentials
from facematch.evaluation.figures import det_figure, groups_figure, scores_figure
from facematch.evaluation.openset import evaluate_openset
from facematch.evaluation.pairs import evaluate_verification
from facematch.evaluation.ratios import GroupRate
from facematch.evaluation.report import write_report
from facematch.evaluation.summaries import report_differentials, report_openset, report_verification
from facematch.evaluation.verification import det_curve
from facematch.reporting import Report
from facematch.testing import FakeAnalyzer
from tests.unit.evaluation.support import labeled_folder

MODELS = {"embedder": "fake"}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = labeled_folder(tmp_path / "secret-place", {**dict.fromkeys(range(6), 3), **dict.fromkeys(range(6, 24), 1)})
    (root / "pairs.csv").write_text("image_a,image_b,same\np00/0.png,p00/1.png,1\np00/0.png,p01/0.png,0\n", "utf-8")
    rows = "".join(f"p{person:02}/0.png,<b>{'xy'[person % 2]}</b>\n" for person in range(24))
    (root / "groups.csv").write_text("image,group\n" + rows, "utf-8")
    return root


def verification(root: Path) -> Report:
    return report_verification(evaluate_verification(FakeAnalyzer(), root / "pairs.csv"), MODELS)


def openset(root: Path) -> Report:
    return report_openset(evaluate_openset(FakeAnalyzer(8), root, gallery_size=4, draws=2), MODELS)


def differentials(root: Path) -> Report:
    result = evaluate_differentials(FakeAnalyzer(8), root, root / "groups.csv", draws=2, max_ratio=1.2)
    return report_differentials(result, MODELS)


@pytest.mark.parametrize(
    ("make", "plots", "words"),
    [
        (verification, ["det", "scores"], ["accuracy at threshold 0.6000", "Mated pairs with the lowest scores"]),
        (openset, ["fpir-fnir", "scores"], ["A gallery of 4 people", "Non-mated searches with the highest scores"]),
        (differentials, ["groups"], ["Error rates by group", "not passed", "Not passed.", "&lt;b&gt;x&lt;/b&gt;"]),
    ],
)
def test_a_report_stands_alone(
    make: Callable[[Path], Report], plots: list[str], words: list[str], pictures: Path, tmp_path: Path
) -> None:
    path = write_report(make(pictures), tmp_path / "out" / "deep")
    html = path.read_text("utf-8")
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([*(f"{p}.png" for p in plots), "report.html"])
    sizes = [PillowImage.open(io.BytesIO((path.parent / f"{plot}.png").read_bytes())).size for plot in plots]
    assert min(min(size) for size in sizes) > 300
    assert set(re.findall(r'(?:src|srcset|href)="([^"]{5})', html)) == {"data:"}
    assert "http" not in re.sub(r"http-equiv", "", html)
    words_only = re.sub(r'data:[^"]+', "", html)
    # neither paths nor names of pictures, nor markup of the data
    assert [hidden for hidden in ("secret-place", ".png", "p00", "<b>x") if hidden in words_only] == []
    assert [word for word in words if word not in html] == []


def test_a_folder_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(InvalidArgument, match="cannot be written"):
        write_report(Report(kind="kind", title="t", meta="Made now", sections=()), tmp_path / "file")


@pytest.mark.parametrize("dark", [False, True])
def test_figures_of_the_barest_data(dark: bool) -> None:
    curve = det_curve(np.array([0.9]), np.array([0.1]))
    nothing = {"fpir": {"a": GroupRate(None, 0, 0, 0, None, "no trials", 30)}}
    empty = np.full(3, -np.inf)
    pngs = [
        det_figure(curve, threshold=0.5, dark=dark),
        scores_figure(np.array([0.5]), empty, dark=dark),
        groups_figure(nothing, dark=dark),
    ]
    assert [PillowImage.open(io.BytesIO(png)).format for png in pngs] == ["PNG"] * 3
