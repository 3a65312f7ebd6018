"""The calibration artifact: round trip, tamper notice, planning, and how it becomes an operating point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import CalibrationInvalid, InvalidArgument
from facematch.matching import Calibration

FIELDS: dict[str, Any] = {
    "contract": "ab" * 32,
    "models": "test",
    "rule": "mean_template",
    "gallery_size": 100,
    "templates": 3,
    "people": 1000,
    "target_fpir": 0.01,
    "threshold": 0.45,
    "errors": 4,
    "fpir_upper": 0.0091,
    "confidence": 0.95,
    "data": "made up",
    "seed": 0,
    "data_digest": "cd" * 32,
    "measured_at": "2026-01-02",
    "tool_version": "0",
}


def calibration(**changes: Any) -> Calibration:
    return Calibration(**(FIELDS | changes)).sealed()


def test_it_survives_a_file(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(calibration().to_json(), "utf-8")
    assert Calibration.load(path) == calibration()
    assert len(calibration().digest) == 64


@pytest.mark.parametrize("field", ["threshold", "people", "rule", "data", "contract", "tool_version"])
def test_an_edited_field_is_noticed(field: str) -> None:
    document = json.loads(calibration().to_json())
    edits = {"threshold": 0.44, "people": 999, "rule": "max", "contract": "ee" * 32}
    document[field] = edits.get(field, "edited")
    with pytest.raises(CalibrationInvalid, match="edited or damaged"):
        Calibration.from_json(json.dumps(document))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "not json",
        calibration().to_json()[:-20],
        calibration().to_json().replace("mean_template", "median"),
    ],
)
def test_what_is_no_artifact_is_refused(text: str) -> None:
    with pytest.raises(CalibrationInvalid):
        Calibration.from_json(text)


def test_one_without_a_digest_is_refused_and_so_is_a_missing_file(tmp_path: Path) -> None:
    document = json.loads(calibration().to_json()) | {"digest": ""}
    with pytest.raises(CalibrationInvalid, match="no digest"):
        Calibration.from_json(json.dumps(document))
    with pytest.raises(CalibrationInvalid, match="cannot be read"):
        Calibration.load(tmp_path / "absent.json")


def test_a_bound_above_its_target_is_no_calibration() -> None:
    document = json.loads(calibration().to_json()) | {"fpir_upper": 0.02}
    with pytest.raises(CalibrationInvalid, match="above its target"):
        Calibration.from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"people": 100, "errors": 0, "fpir_upper": 0.0099}, "give a bound of 0.0295"),
        ({"errors": 40}, "give a bound of"),
        ({"errors": 1000}, "certify nothing"),
        ({"people": 10**400}, "less than or equal"),
        ({"gallery_size": 10**400}, "less than or equal"),
        ({"rule": "mean_top_" + "9" * 5000}, "no subject rule"),
    ],
)
def test_figures_that_contradict_each_other_or_are_absurd_are_refused(changes: dict[str, Any], match: str) -> None:
    """Whoever seals it: the counts must give the bound that is claimed."""
    document = json.loads(calibration().to_json()) | {"digest": ""} | changes
    with pytest.raises(CalibrationInvalid, match=match):
        Calibration.from_json(json.dumps(document))


def test_what_is_no_file_of_an_artifact_is_refused_without_reading_it_all(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(b" " * (2 << 20) + calibration().to_json().encode())
    with pytest.raises(CalibrationInvalid, match="too large"):
        Calibration.load(path)
    with pytest.raises(CalibrationInvalid, match="null"):
        Calibration.load(Path("a\0b"))


def test_a_copy_changed_past_the_validation_is_found() -> None:
    assert calibration().checked() == calibration()
    assert Calibration(**FIELDS).checked() == calibration()
    with pytest.raises(CalibrationInvalid, match="edited"):
        calibration().model_copy(update={"threshold": -0.5}).checked()
    for threshold in (7.0, "high", float("nan"), object()):
        with pytest.raises(CalibrationInvalid):
            calibration().model_copy(update={"threshold": threshold, "digest": ""}).checked()


def test_it_becomes_an_operating_point() -> None:
    point = calibration().operating_point()
    assert (point.threshold, point.error_kind, point.error_rate) == (0.45, "FPIR", 0.01)
    assert (point.rule, point.gallery_size, point.templates, point.trials) == ("mean_template", 100, 3, 1000)


def test_planning_extrapolates_as_independent_comparisons_would() -> None:
    tested = calibration()
    fmr = 1 - (1 - tested.fpir_upper) ** (1 / 100)
    assert tested.planned_fpir(1000) == pytest.approx(1 - (1 - fmr) ** 1000)
    assert tested.planned_fpir(100) == pytest.approx(tested.fpir_upper)
    with pytest.raises(InvalidArgument):
        tested.planned_fpir(0)
