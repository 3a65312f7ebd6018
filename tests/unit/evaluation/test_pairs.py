"""Verification on a list of pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from facematch.errors import ContractMismatch, InvalidArgument
from facematch.evaluation.pairs import evaluate_verification, operational_threshold, read_pair_list
from facematch.testing import FakeAnalyzer
from facematch.types import OperatingPoint
from tests.unit.evaluation.support import labeled_folder, nobody

LIST = """image_a,image_b,same,remark
p00/0.png,p00/1.png,1,
p01/0.png,p01/1.png,1,
p02/0.png,p02/none.png,1,a picture without a face
p00/0.png,p01/0.png,0,
p01/1.png,p02/0.png,0,
"""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = labeled_folder(tmp_path / "pictures", {0: 2, 1: 2, 2: 1})
    nobody(root / "p02" / "none.png")
    (root / "pairs.csv").write_text(LIST, "utf-8")
    return root


def test_pairs_are_judged_at_the_tested_threshold(pictures: Path) -> None:
    result = evaluate_verification(FakeAnalyzer(threshold=0.6), pictures / "pairs.csv")
    assert (result.threshold, result.accuracy_at_threshold, result.accuracy_best) == (0.6, 0.8, 0.8)
    document = result.to_dict()
    assert (document["fmr"], document["fnmr"], document["n_pairs"]) == (0.0, 0.333333, 5)
    assert document["failures"] == ["p02/none.png"]
    assert document["fmr_ci95"] == [0.0, 0.841886]
    assert set(document) >= {
        "accuracy_at_threshold",
        "threshold",
        "accuracy_best",
        "fmr",
        "fnmr",
        "n_pairs",
        "failures",
    }
    assert result.scores[2] == -1.0


def test_paths_are_relative_to_the_list_or_to_a_folder(pictures: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "list.csv"
    elsewhere.write_text(LIST, "utf-8")
    assert evaluate_verification(FakeAnalyzer(), elsewhere, images=pictures).n_pairs == 5
    with pytest.raises(InvalidArgument, match=r"6 pictures are missing: p00/0\.png, p00/1\.png"):
        evaluate_verification(FakeAnalyzer(), elsewhere)


def test_any_threshold_may_be_tried(pictures: Path) -> None:
    strict = evaluate_verification(FakeAnalyzer(), pictures / "pairs.csv", threshold=1.0)
    lax = evaluate_verification(FakeAnalyzer(), pictures / "pairs.csv", threshold=-1.0)
    assert strict.fnmr is not None
    assert strict.fnmr.value == 1.0
    assert lax.fmr is not None
    assert lax.fmr.value == 1.0
    with pytest.raises(InvalidArgument):
        evaluate_verification(FakeAnalyzer(), pictures / "pairs.csv", threshold=40)


def test_a_pack_without_a_tested_threshold_gives_what_can_be_said(pictures: Path) -> None:
    document = evaluate_verification(FakeAnalyzer(threshold=None), pictures / "pairs.csv").to_dict()
    assert [document[key] for key in ("threshold", "accuracy_at_threshold", "fmr", "fnmr")] == [None] * 4
    assert document["accuracy_best"] == 0.8


def test_a_threshold_of_another_contract_is_refused() -> None:
    class Other(FakeAnalyzer):
        @property
        def operating_point(self) -> OperatingPoint | None:
            return FakeAnalyzer(name="other").operating_point

    with pytest.raises(ContractMismatch):
        operational_threshold(Other())
    assert operational_threshold(Other(), 0.5) == 0.5


def test_pairs_of_one_kind_only_have_no_curve(pictures: Path) -> None:
    (pictures / "mated.csv").write_text("image_a,image_b,same\np00/0.png,p00/1.png,1\n", "utf-8")
    result = evaluate_verification(FakeAnalyzer(), pictures / "mated.csv")
    assert (result.curve, result.fmr, result.accuracy_at_threshold) == (None, None, 1.0)
    assert result.to_dict()["eer"] is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("image_a,image_b\na,b\n", "lacks the column same"),
        ("image_a,image_b,same\n", "no rows"),
        ("image_a,image_b,same\na,b,2\n", "line 2: same is 0 or 1"),
        ("image_a,image_b,same\na,b,1\na,,1\n", "line 3: image_b is empty"),
        ("image_a,image_b,same\na\n", "line 2: image_b, same is empty"),
        ("", "lacks the column"),
    ],
)
def test_malformed_lists_are_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InvalidArgument, match=complaint):
        read_pair_list(path)


def test_lists_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_pair_list(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_pair_list(tmp_path / "binary.csv")
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbfimage_a, image_b, same\r\na, b, 1\r\n")
    assert read_pair_list(tmp_path / "bom.csv")[0].second == "b"
