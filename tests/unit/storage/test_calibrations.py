"""A calibration in a watchlist: in force at once, bound to its contract, audited, and noted when outgrown."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facematch.errors import (
    CalibrationInvalid,
    ContractMismatch,
    InvalidArgument,
    PolicyRefused,
    ThresholdTooLow,
)
from facematch.governance.policy import Policy
from facematch.matching import Calibration
from facematch.testing import FakeAnalyzer, ManualClock, synthetic_consent
from facematch.types import Box, Face, FloatArray
from facematch.watchlist import Watchlist

PURPOSE = "site-access"


def calibration(analyzer: FakeAnalyzer, **changes: Any) -> Calibration:
    fields: dict[str, Any] = {
        "contract": analyzer.contract.digest,
        "models": "fake",
        "rule": "max",
        "gallery_size": 2,
        "templates": 2,
        "people": 400,
        "target_fpir": 0.01,
        "threshold": 0.6,
        "errors": 0,
        "fpir_upper": 0.0075,
        "confidence": 0.95,
        "data": "made up",
        "seed": 0,
        "data_digest": "cd" * 32,
        "measured_at": "2026-01-02",
        "tool_version": "0",
    }
    return Calibration(**(fields | changes)).sealed()


class VectorAnalyzer(FakeAnalyzer):
    """Enrolls vectors that a test chooses: each picture's first pixels name a row."""

    def __init__(self, vectors: FloatArray) -> None:
        super().__init__(dimension=vectors.shape[1])
        self._vectors = vectors

    def face(self, row: int) -> Face:
        return Face(Box(0, 0, 60, 60), np.zeros((5, 2), np.float32), 0.99, self._vectors[row])

    def detect(self, images: Any) -> list[list[Face]]:
        return [[self.face(int(image[0, 0, 0])).with_embedding(None)] for image in images]

    def align(self, image: Any, faces: Any) -> Any:
        return np.full((len(faces), 4, 4, 3), image[0, 0, 0], np.uint8)

    def embed(self, crops: Any) -> FloatArray:
        rows: FloatArray = self._vectors[crops[:, 0, 0, 0]]
        return rows


def picture(row: int) -> Any:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[0, 0, 0] = row
    pixels[1:] = row + 1
    return pixels


def unit(*values: float) -> FloatArray:
    vector = np.zeros(16, np.float32)
    vector[: len(values)] = values
    return vector / np.linalg.norm(vector)


@pytest.fixture
def analyzer() -> VectorAnalyzer:
    rows = [unit(1, 0.2), unit(1, -0.2), unit(0, 0, 1), unit(0, 0, 0, 1), unit(1, 0, 0.9)]
    return VectorAnalyzer(np.stack(rows))


@pytest.fixture
def watchlist(tmp_path: Path, analyzer: VectorAnalyzer) -> Any:
    with Watchlist.open(f"sqlite:///{tmp_path / 'w.db'}", actor="ana", analyzer=analyzer) as opened:
        yield opened


def enroll(watchlist: Watchlist, subject: str, *rows: int) -> None:
    watchlist.enroll(subject, [picture(row) for row in rows], consent=synthetic_consent(subject, purposes=[PURPOSE]))


def score_of(watchlist: Watchlist, face: Face, **more: Any) -> float | None:
    (probe,) = watchlist.identify_faces([face], purpose=PURPOSE, **more).probes
    return None if probe.best is None else probe.best.score


def test_its_threshold_rules_from_the_next_search_on(watchlist: Watchlist, analyzer: VectorAnalyzer) -> None:
    enroll(watchlist, "s-1", 0)
    probe = analyzer.face(4)
    before = score_of(watchlist, probe)
    assert before is not None
    assert before > 0.6
    watchlist.set_calibration(calibration(analyzer, threshold=before + 0.01))
    assert score_of(watchlist, probe) is None
    watchlist.set_calibration(calibration(analyzer, threshold=before - 0.01))
    assert score_of(watchlist, probe) == pytest.approx(before)
    assert watchlist.calibration == calibration(analyzer, threshold=before - 0.01)


def test_another_handle_on_the_database_sees_it(tmp_path: Path, watchlist: Watchlist, analyzer: VectorAnalyzer) -> None:
    enroll(watchlist, "s-1", 0)
    watchlist.actors.grant("ben", "operator")
    with Watchlist.open(f"sqlite:///{tmp_path / 'w.db'}", actor="ben", analyzer=analyzer) as other:
        assert score_of(other, analyzer.face(4)) is not None
        watchlist.set_calibration(calibration(analyzer, threshold=0.99))
        assert score_of(other, analyzer.face(4)) is None
        assert other.identify_faces([], purpose=PURPOSE).threshold == 0.99


def test_it_may_be_raised_and_never_lowered(watchlist: Watchlist, analyzer: VectorAnalyzer) -> None:
    watchlist.set_calibration(calibration(analyzer, threshold=0.6))
    assert watchlist.identify_faces([], purpose=PURPOSE, threshold=0.7).threshold == 0.7
    with pytest.raises(ThresholdTooLow, match=r"0\.6"):
        watchlist.identify_faces([], purpose=PURPOSE, threshold=0.5)


def test_an_object_changed_past_its_validation_is_refused_and_the_watchlist_stays_usable(
    watchlist: Watchlist, analyzer: VectorAnalyzer
) -> None:
    """It used to be stored; every later search then found the database damaged."""
    for changes in ({"threshold": 7.0}, {"threshold": -1.0}, {"threshold": 7.0, "digest": ""}):
        with pytest.raises(CalibrationInvalid):
            watchlist.set_calibration(calibration(analyzer).model_copy(update=changes))
    assert watchlist.calibration is None
    assert watchlist.identify_faces([], purpose=PURPOSE).probes == ()


def test_another_contract_is_refused_and_nothing_changes(watchlist: Watchlist, analyzer: VectorAnalyzer) -> None:
    enroll(watchlist, "s-1", 0)
    with pytest.raises(ContractMismatch):
        watchlist.set_calibration(calibration(analyzer, contract="ff" * 32))
    assert watchlist.calibration is None


def test_set_before_the_first_enrollment_it_is_checked_at_the_search(
    watchlist: Watchlist, analyzer: VectorAnalyzer
) -> None:
    watchlist.set_calibration(calibration(analyzer, contract="ff" * 32))
    with pytest.raises(ContractMismatch):
        watchlist.identify_faces([], purpose=PURPOSE)


def test_the_mean_template_rule_scores_the_normalized_mean(watchlist: Watchlist, analyzer: VectorAnalyzer) -> None:
    enroll(watchlist, "s-1", 0, 1)
    enroll(watchlist, "s-2", 2)
    probe = analyzer.face(4)
    assert probe.embedding is not None
    rows = np.stack([unit(1, 0.2), unit(1, -0.2)])
    best = float((rows @ probe.embedding).max())
    mean = rows.sum(axis=0) / np.linalg.norm(rows.sum(axis=0))
    watchlist.set_calibration(calibration(analyzer, threshold=0.2, rule="max"))
    assert score_of(watchlist, probe) == pytest.approx(best, abs=1e-6)
    watchlist.set_calibration(calibration(analyzer, threshold=0.2, rule="mean_template"))
    result = watchlist.identify_faces([probe], purpose=PURPOSE)
    scores = {c.subject_id: c.score for c in result.probes[0].candidates}
    assert scores["s-1"] == pytest.approx(float(mean @ probe.embedding), abs=1e-6)
    assert scores["s-1"] > best
    assert scores["s-2"] == pytest.approx(float(unit(0, 0, 1) @ probe.embedding), abs=1e-6)
    watchlist.set_calibration(calibration(analyzer, threshold=0.2, rule="mean_top_2"))
    lopsided = analyzer.face(0)  # the first probe is as near to one template as to the other: their mean is the best
    assert lopsided.embedding is not None
    both = rows @ lopsided.embedding
    assert both.max() - both.mean() > 0.03
    assert score_of(watchlist, lopsided) == pytest.approx(float(both.mean()), abs=1e-6)


def test_a_withdrawn_subjects_templates_leave_the_means(watchlist: Watchlist, analyzer: VectorAnalyzer) -> None:
    watchlist.set_calibration(calibration(analyzer, threshold=0.2, rule="mean_template"))
    enroll(watchlist, "s-1", 0, 1)
    enroll(watchlist, "s-2", 2, 3)
    assert score_of(watchlist, analyzer.face(0)) is not None
    watchlist.withdraw("s-1", reason="test")
    result = watchlist.identify_faces([analyzer.face(0)], purpose=PURPOSE)
    assert [c.subject_id for c in result.candidates if c.subject_id == "s-1"] == []
    assert result.gallery_size == 1


def test_an_outgrown_gallery_is_noted_and_logged(
    watchlist: Watchlist, analyzer: VectorAnalyzer, caplog: pytest.LogCaptureFixture
) -> None:
    watchlist.set_calibration(calibration(analyzer, gallery_size=1, templates=1, threshold=0.2))
    enroll(watchlist, "s-1", 0)
    assert watchlist.identify_faces([analyzer.face(4)], purpose=PURPOSE).notes == ()
    enroll(watchlist, "s-2", 2, 3)
    with caplog.at_level(logging.WARNING, logger="facematch"):
        result = watchlist.identify_faces([analyzer.face(4)], purpose=PURPOSE)
    assert len(result.notes) == 2
    assert "tested with up to 1" in result.notes[0]
    assert result.to_dict()["notes"] == list(result.notes)
    assert len(caplog.records) == 2


@pytest.mark.parametrize(("rule", "noted"), [("mean_top_2", True), ("max", False), ("mean_template", False)])
def test_fewer_templates_than_tested_are_noted_where_that_makes_false_positives(
    watchlist: Watchlist, analyzer: VectorAnalyzer, rule: str, noted: bool
) -> None:
    watchlist.set_calibration(calibration(analyzer, gallery_size=5, templates=2, threshold=0.2, rule=rule))
    assert watchlist.identify_faces([], purpose=PURPOSE).notes == ()  # nobody is there
    enroll(watchlist, "s-1", 0, 1)
    assert watchlist.identify_faces([analyzer.face(4)], purpose=PURPOSE).notes == ()
    enroll(watchlist, "s-2", 2)
    notes = watchlist.identify_faces([analyzer.face(4)], purpose=PURPOSE).notes
    assert ["only 1 of the 2 templates" in note for note in notes] == [True] * noted


@pytest.mark.parametrize(
    ("tested", "message"), [({"gallery_size": 1}, "2 subjects"), ({"templates": 1}, "2 templates")]
)
def test_an_outgrown_gallery_is_refused_where_the_policy_says_so(
    tmp_path: Path, analyzer: VectorAnalyzer, tested: dict[str, int], message: str
) -> None:
    document = Policy.profile("access-control").to_dict()
    document["gallery_limit"]["outgrown"] = "refuse"
    url, policy = f"sqlite:///{tmp_path / 'strict.db'}", Policy.from_dict(document)
    with Watchlist.open(url, actor="ana", analyzer=analyzer, policy=policy) as strict:
        strict.set_calibration(calibration(analyzer, threshold=0.2, **{"gallery_size": 5, "templates": 5, **tested}))
        enroll(strict, "s-1", 0)
        assert score_of(strict, analyzer.face(0)) is not None
        enroll(strict, "s-2" if "gallery_size" in tested else "s-1", 2)
        with pytest.raises(PolicyRefused, match=message) as caught:
            strict.identify_faces([analyzer.face(0)], purpose=PURPOSE)
        assert caught.value.rule == "gallery_limit"
        refusals = [e for e in strict.audit.entries() if e.details.get("code") == "policy_refused"]
        assert len(refusals) == 1


def test_setting_is_audited_and_so_is_a_refusal(watchlist: Watchlist, analyzer: VectorAnalyzer, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(calibration(analyzer).to_json(), "utf-8")
    watchlist.set_calibration(path)
    path.write_text(path.read_text("utf-8").replace('"people": 400', '"people": 4000'), "utf-8")
    with pytest.raises(CalibrationInvalid, match="edited"):
        watchlist.set_calibration(path)
    with pytest.raises(InvalidArgument):
        watchlist.set_calibration(17)  # type: ignore[arg-type]
    entries = [e for e in watchlist.audit.entries() if e.action == "set_calibration"]
    assert [e.outcome for e in entries] == ["done", "refused", "refused"]
    assert entries[0].details["calibration"] == calibration(analyzer).digest


def look_alikes(watchlist: Watchlist, subject: str, row: int, *sites: str) -> list[str]:
    consent = synthetic_consent(subject, purposes=[PURPOSE], sites=list(sites))
    return [c.subject_id for c in watchlist.enroll(subject, [picture(row)], consent=consent).look_alikes]


def test_look_alikes_reach_the_threshold_in_force_and_share_a_site(
    watchlist: Watchlist, analyzer: VectorAnalyzer
) -> None:
    watchlist.set_calibration(calibration(analyzer, threshold=0.6))
    assert look_alikes(watchlist, "s-1", 0, "north") == []
    assert look_alikes(watchlist, "s-2", 2, "north") == []  # at right angles
    assert look_alikes(watchlist, "s-3", 1, "south") == []  # no search reaches both
    assert look_alikes(watchlist, "s-4", 1, "north", "east") == ["s-1"]
    assert sorted(look_alikes(watchlist, "s-5", 1)) == ["s-1", "s-3", "s-4"]
    watchlist.set_calibration(calibration(analyzer, threshold=0.999999))
    assert look_alikes(watchlist, "s-6", 0) == ["s-1"]
    watchlist.set_calibration(calibration(analyzer, threshold=0.6))
    again = watchlist.enroll("s-2", [picture(3)])  # nobody is a look-alike of themselves
    assert again.look_alikes == ()
    consent = synthetic_consent("s-2", purposes=[PURPOSE], sites=["north"])
    assert watchlist.enroll("s-2", [picture(2)], consent=consent).look_alikes == ()


def test_a_calibration_of_other_models_finds_no_look_alikes(watchlist: Watchlist, analyzer: VectorAnalyzer) -> None:
    watchlist.set_calibration(calibration(analyzer, contract="ff" * 32, threshold=0.0))
    assert look_alikes(watchlist, "s-1", 0) == []
    assert look_alikes(watchlist, "s-2", 1) == []


def test_a_template_whose_consent_ended_leaves_the_mean(tmp_path: Path, analyzer: VectorAnalyzer) -> None:
    clock = ManualClock()
    url = f"sqlite:///{tmp_path / 'c.db'}"
    with Watchlist.open(url, actor="ana", analyzer=analyzer, clock=clock) as opened:
        opened.set_calibration(calibration(analyzer, threshold=0.2, rule="mean_template"))
        for row, days in ((0, 10), (2, 100)):
            consent = synthetic_consent("s-1", purposes=[PURPOSE], now=clock.now, valid_for=timedelta(days=days))
            opened.enroll("s-1", [picture(row)], consent=consent)
        before = score_of(opened, analyzer.face(2))
        clock.advance(timedelta(days=11))
        after = score_of(opened, analyzer.face(2))
    assert before == pytest.approx(2**-0.5, abs=1e-6)
    assert after == pytest.approx(1.0, abs=1e-6)


def test_opposite_templates_have_no_mean_and_match_nobody(tmp_path: Path) -> None:
    rows = np.stack([unit(1), unit(-1), unit(0, 1)])
    opposed = VectorAnalyzer(rows)
    with Watchlist.open(f"sqlite:///{tmp_path / 'o.db'}", actor="ana", analyzer=opposed) as opened:
        opened.set_calibration(calibration(opposed, threshold=0.01, rule="mean_template"))
        enroll(opened, "s-1", 0, 1)
        assert [score_of(opened, opposed.face(row)) for row in range(3)] == [None] * 3
