from __future__ import annotations

import pytest

from facematch.types import Box
from facematch.video.recording.timeline import MARGIN_S, Decision, Region, Timeline
from tests.unit.video.support import make_alert

RATE = 10.0


def timeline(frames: int = 40, cuts: tuple[int, ...] = (), every: int = 1) -> Timeline:
    return Timeline(every=every, times=[i / RATE for i in range(frames)], cuts=list(cuts))


def box(x: float, size: float = 20.0) -> Box:
    return Box(x, 10, x + size, 10 + size)


def hidden(regions: list[list[Region]]) -> list[int]:
    return [i for i, frame in enumerate(regions) if any(r.decision is None for r in frame)]


def test_margin_before_and_after_a_bystander() -> None:
    line = timeline()
    for frame in range(15, 20):
        line.add_tracked(0, frame, box(50))
    margin = round(MARGIN_S * RATE)
    regions = list(line.regions())
    assert hidden(regions) == list(range(15 - margin, 20 + margin))
    assert regions[22][0].box.width > 20


def test_margins_stop_at_cuts_and_ends() -> None:
    line = timeline(cuts=(14, 21))
    for frame in range(15, 20):
        line.add_tracked(0, frame, box(50))
    line.add_loose(0, box(5))
    assert hidden(list(line.regions())) == [0, 1, 2, 3, 4, *range(14, 21)]


def test_gaps_are_interpolated() -> None:
    line = timeline()
    line.add_tracked(0, 10, box(0))
    line.add_tracked(0, 14, box(40))
    regions = list(line.regions())
    assert regions[11][0].box.x1 == pytest.approx(10)
    assert regions[13][0].box.x1 == pytest.approx(30)


def test_loose_detections_are_hidden_too() -> None:
    line = timeline()
    line.add_loose(20, box(5))
    line.add_loose(20, box(90))
    regions = list(line.regions())
    assert len(regions[20]) == 2
    assert all(r.decision is None for r in regions[20])


def test_adopted_detection_moves_from_loose_to_its_track() -> None:
    line = timeline()
    first = box(5)
    line.add_loose(9, first)
    line.add_loose(9, box(90))
    line.on_adopted(3, 9, first)
    line.add_tracked(3, 10, box(5))
    line.decisions.append(Decision(make_alert(), 3, 9, 10, 10))
    regions = list(line.regions())
    assert [r.decision is None for r in sorted(regions[9], key=lambda r: r.box.x1)] == [False, True]


def candidate(frames: list[int], every: int = 1) -> Timeline:
    line = timeline(every=every)
    for frame in frames:
        line.add_tracked(0, frame, box(50, 40))
    line.decisions.append(Decision(make_alert(), 0, frames[0], frames[-1], frames[0]))
    return line


def test_candidates_are_shown_from_first_to_last_detection() -> None:
    regions = list(candidate(list(range(10, 20))).regions())
    assert [i for i, frame in enumerate(regions) if frame] == list(range(10, 20))
    assert hidden(regions) == []


def test_the_same_face_found_twice_does_not_hide_a_candidate() -> None:
    line = candidate(list(range(10, 20)))
    line.add_loose(15, box(55, 20))
    assert hidden(list(line.regions())) == []


def test_a_bystander_beside_a_candidate_stays_hidden() -> None:
    line = candidate(list(range(10, 20)))
    line.add_loose(15, box(80, 30))
    assert 15 in hidden(list(line.regions()))


def test_whoever_is_found_where_the_candidate_was_lost_stays_hidden() -> None:
    line = candidate([10, 11, 12, 20, 21])
    line.add_loose(16, box(52, 30))
    assert hidden(list(line.regions())) == [13, 14, 15, 16, 17, 18, 19]


def test_part_of_a_track_that_belongs_to_somebody_else_is_hidden() -> None:
    line = timeline()
    for frame in range(10, 30):
        line.add_tracked(0, frame, box(50))
    line.decisions.append(Decision(make_alert(), 0, 20, 29, 25))
    regions = list(line.regions())
    assert hidden(regions) == list(range(6, 20))
    assert [i for i, frame in enumerate(regions) if any(r.decision for r in frame)] == list(range(20, 30))


def test_certain_is_what_was_clearly_detected() -> None:
    line = timeline()
    for frame in range(10, 20):
        line.add_tracked(0, frame, box(50), clear=frame < 15)
    line.add_loose(12, box(120), clear=False)
    regions = list(line.regions())
    certain = [i for i, frame in enumerate(regions) if any(r.certain for r in frame)]
    assert certain == list(range(10, 15))
    assert sorted((r.box.x1 > 90, r.certain) for r in regions[12]) == [(False, True), (True, False)]
