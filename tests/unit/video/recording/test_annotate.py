from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from facematch.types import Box, Frame
from facematch.video.passages.regions_of_interest import Areas
from facematch.video.recording.annotate import _hide, _Painter
from facematch.video.recording.timeline import Decision, Region, Timeline
from tests.unit.video.support import make_alert

CANDIDATE = Region(Box(40, 40, 80, 90), Decision(make_alert(), 0, 0, 9, 5), certain=True)
ACROSS = Box(60, 60, 110, 110)


def picture() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(5).integers(0, 256, (160, 200, 3), dtype=np.uint8)


def test_faint_detections_do_not_cover_a_candidates_face() -> None:
    image, before = picture(), picture()
    _hide(image, [Region(ACROSS, None, certain=False), CANDIDATE])
    assert np.array_equal(image[40:90, 40:80], before[40:90, 40:80])
    assert not np.array_equal(image[90:110, 80:110], before[90:110, 80:110])


def test_a_clearly_detected_bystander_is_hidden_also_over_a_candidate() -> None:
    image, before = picture(), picture()
    _hide(image, [CANDIDATE, Region(ACROSS, None, certain=True)])
    changed = (image != before).any(axis=2)
    assert changed[60:110, 60:110].mean() > 0.99
    assert not changed[40:44, 40:44].any()


def test_a_candidate_who_was_lost_covers_nobody() -> None:
    image, before = picture(), picture()
    lost = Region(CANDIDATE.box, CANDIDATE.decision, certain=False)
    _hide(image, [lost, Region(ACROSS, None, certain=False)])
    assert (image != before).any(axis=2)[60:110, 60:110].mean() > 0.99


@pytest.mark.parametrize("blur", [True, False])
def test_a_thumbnail_never_shows_who_stands_beside_the_candidate(blur: bool) -> None:
    """A thumbnail reaches well beyond the candidate's face, and the report is passed on."""
    alert = replace(make_alert(), best_box=CANDIDATE.box)
    decision = Decision(alert, 0, 0, 9, 5)
    beside = Box(90, 50, 125, 100)
    painter = _Painter(Timeline(decisions=[decision]), Areas(), blur=blur)
    regions = [Region(CANDIDATE.box, decision, certain=True), Region(beside, None, certain=True)]
    painted = painter.paint(Frame(5, 0.2, picture()), regions)
    jpeg = np.frombuffer(painter.thumbnails[alert.alert_id], np.uint8)
    shown = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert shown is not None
    scale = shown.shape[0] / 135  # the view is clipped to rows 0 to 135
    hidden = shown[round(60 * scale) : round(90 * scale), round(95 * scale) : round(120 * scale)]
    face = shown[round(50 * scale) : round(80 * scale), round(45 * scale) : round(75 * scale)]
    assert hidden.std() < face.std() / 3
    unchanged = np.array_equal(painted[60:90, 95:120], picture()[60:90, 95:120])
    assert unchanged is not blur


def test_what_nobody_looked_at_is_black_in_video_and_thumbnails() -> None:
    """Outside of the areas nobody was sought, so nobody there was redacted either."""
    alert = replace(make_alert(), best_box=CANDIDATE.box)
    decision = Decision(alert, 0, 0, 9, 5)
    areas = Areas([Box(0, 0, 0.45, 1)])  # up to x = 90 of 200
    regions = [Region(CANDIDATE.box, decision, certain=True)]
    painter = _Painter(Timeline(decisions=[decision]), areas, blur=True)
    painted = painter.paint(Frame(5, 0.2, picture()), regions)
    assert (painted[30:, 95:] == 0).all()
    assert (painted[95:, :90] == picture()[95:, :90]).all()
    shown = cv2.imdecode(np.frombuffer(painter.thumbnails[alert.alert_id], np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown[:, -shown.shape[1] // 8 :].mean() < 8
    open_one = _Painter(Timeline(decisions=[decision]), areas, blur=False)
    assert (open_one.paint(Frame(5, 0.2, picture()), regions)[100:, 95:] == picture()[100:, 95:]).all()
    clean = cv2.imdecode(np.frombuffer(open_one.thumbnails[alert.alert_id], np.uint8), cv2.IMREAD_COLOR)
    assert clean is not None
    assert clean[:, -clean.shape[1] // 8 :].mean() < 8
