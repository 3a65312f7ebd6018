from __future__ import annotations

import numpy as np

from facematch.types import Box
from facematch.video.render import _hide
from facematch.video.timeline import Decision, Region
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
