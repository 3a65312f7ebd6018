"""The open-set protocol on synthetic people whose scores are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facematch.errors import InvalidArgument
from facematch.evaluation.openset import default_gallery_size, evaluate_openset
from facematch.matching.subjects import MEAN_TEMPLATE
from facematch.testing import FakeAnalyzer
from tests.unit.evaluation.support import labeled_folder, nobody

PEOPLE = {**dict.fromkeys(range(8), 3), **dict.fromkeys(range(8, 20), 1)}


def test_people_who_are_told_apart_are_all_found(tmp_path: Path) -> None:
    root = labeled_folder(tmp_path, PEOPLE)
    calls: list[tuple[int, int | None]] = []
    result = evaluate_openset(
        FakeAnalyzer(64), root, gallery_size=6, draws=3, progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(32, 36), (36, 36)]
    document = result.to_dict()
    assert (document["rank1"], document["rank1_ci95"]) == (1.0, [1.0, 1.0])
    assert document["dir_at_fpir"]["0.1"] == {"dir": 1.0, "ci95": [1.0, 1.0]}
    assert 0 < document["thresholds"]["0.1"] < 0.9
    assert (document["gallery_size"], document["n_mated"], document["n_nonmated"]) == (6, 12, 18)
    assert (document["n_people"], document["n_nonmated_people"], document["draws"]) == (20, 14, 3)
    assert document["contract"] == FakeAnalyzer(64).contract.digest
    # 18 non-mated searches show no FPIR of 1 % or 0.1 %: nothing is made up
    assert document["dir_at_fpir"]["0.01"] == document["dir_at_fpir"]["0.001"] == {"dir": None, "ci95": None}
    assert document["thresholds"]["0.001"] is None


def test_the_same_seed_gives_the_same_figures_and_another_does_not(tmp_path: Path) -> None:
    root = labeled_folder(tmp_path, PEOPLE)
    one, same, other = (
        evaluate_openset(FakeAnalyzer(8), root, gallery_size=6, draws=2, seed=seed).to_dict() for seed in (1, 1, 2)
    )
    one.pop("seconds"), same.pop("seconds"), other.pop("seconds")
    assert one == same
    assert one["thresholds"] != other["thresholds"]


def test_several_templates_and_another_rule(tmp_path: Path) -> None:
    root = labeled_folder(tmp_path, PEOPLE)
    result = evaluate_openset(FakeAnalyzer(64), root, gallery_size=5, templates=2, draws=2, rule=MEAN_TEMPLATE)
    assert (result.templates, result.rule, result.n_mated) == (2, "mean_template", 5)
    assert result.rank1 == 1.0


def test_mated_probes_without_a_face_are_missed(tmp_path: Path) -> None:
    root = labeled_folder(tmp_path, PEOPLE)
    for person in range(8):
        nobody(root / f"p{person:02}" / "none.png", shade=person)
    result = evaluate_openset(FakeAnalyzer(64), root, gallery_size=8, draws=2)
    assert result.fta.errors == 8
    assert len(result.failures) == 8
    assert result.rank1 == pytest.approx(2 / 3)  # one of the three mated probes a person shows nobody
    point = result.dir_at_fpir["0.1"]
    assert point is not None
    assert point.rate == pytest.approx(2 / 3)


def test_a_wrong_label_shows_among_the_worst(tmp_path: Path) -> None:
    root = labeled_folder(tmp_path, PEOPLE)
    twin = root / "p30"
    twin.mkdir()
    (twin / "0.png").write_bytes((root / "p00" / "0.png").read_bytes())
    result = evaluate_openset(FakeAnalyzer(64), root, gallery_size=8, draws=4)
    assert result.worst[0].score > 0.9
    assert len(result.worst[0].probe) == 64
    assert result.worst[0].score > result.worst[-1].score


@pytest.mark.parametrize(("size", "templates", "draws"), [(20, 1, 1), (9, 1, 1), (5, 3, 1), (5, 1, 0), (0, 1, 1)])
def test_galleries_that_cannot_be_drawn_are_refused(size: int, templates: int, draws: int, tmp_path: Path) -> None:
    root = labeled_folder(tmp_path, PEOPLE)
    with pytest.raises(InvalidArgument):
        evaluate_openset(FakeAnalyzer(), root, gallery_size=size, templates=templates, draws=draws)


def test_default_sizes() -> None:
    assert default_gallery_size(np.repeat(np.arange(3000), 2)) == 1000
    assert default_gallery_size(np.repeat(np.arange(40), 10)) == 26
    assert default_gallery_size(np.repeat(np.arange(40), 3), templates=3) == 1
