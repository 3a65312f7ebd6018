from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from facematch.alerts import AlertDecision, AlertOrigin, decide_alert
from facematch.protocols import FaceSearch
from facematch.types import Alert, Box, Candidate, Face, Identification, Probe
from tests.unit.video.support import Gallery

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN = AlertOrigin("door", NOON)
FACE = Face(Box(1, 2, 30, 40), np.zeros((5, 2), np.float32), 0.9)
FOUND = Probe(FACE, (Candidate("s-1", 0.7, 4), Candidate("s-2", 0.6, 5)))


@dataclass(frozen=True)
class Passage:
    start_s: float = 1.5
    end_s: float = 4.0
    frames: int = 9
    shots: int = 5
    best_frame_s: float = 2.25
    best_box: Box = Box(10, 20, 50, 70)  # noqa: RUF009 - frozen


def decide(probe: Probe, search: FaceSearch) -> AlertDecision:
    answer = Identification((probe,), 0.45, 12, 31, "c0" * 32, "site-access", "store-12", "entrance", 6)
    return decide_alert(search, Passage(), probe, answer, ORIGIN)


def test_an_alert_says_everything_of_passage_answer_and_origin() -> None:
    alert = decide(FOUND, Gallery()).alert
    assert alert is not None
    expected = {
        "candidates": FOUND.candidates,
        "started_at": NOON + timedelta(seconds=1.5),
        "ended_at": NOON + timedelta(seconds=4),
        "start_s": 1.5,
        "end_s": 4.0,
        "frames": 9,
        "shots": 5,
        "best_frame_s": 2.25,
        "best_box": Box(10, 20, 50, 70),
        "source": "door",
        "purpose": "site-access",
        "site": "store-12",
        "zone": "entrance",
        "threshold": 0.45,
        "gallery_size": 12,
        "generation": 31,
        "contract": "c0" * 32,
        "policy_version": 6,
    }
    assert {name: getattr(alert, name) for name in expected} == expected
    assert {field.name for field in fields(Alert)} - set(expected) == {"alert_id"}
    again = decide(FOUND, Gallery()).alert
    assert again is not None
    assert again.alert_id != alert.alert_id


def test_without_a_candidate_there_is_no_alert_and_the_policy_is_not_asked() -> None:
    search = Gallery(corroboration=99)
    assert decide(Probe(FACE), search) == AlertDecision()
    assert search.asked == []


@pytest.mark.parametrize(("needed", "raised"), [(9, True), (10, False)])
def test_the_policy_of_the_search_is_asked_with_frames_and_cameras(needed: int, raised: bool) -> None:
    search = Gallery(corroboration=needed)
    decided = decide(FOUND, search)
    assert search.asked == [(9, 1, 6)]
    assert (decided.alert is not None, decided.refusal is None) == (raised, raised)


def test_a_refusal_names_neither_subject_nor_score() -> None:
    decided = decide(FOUND, Gallery(corroboration=10))
    assert decided.alert is None
    assert decided.refusal == "corroboration: 10 frames are needed"
