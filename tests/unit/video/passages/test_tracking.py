from __future__ import annotations

from facematch.video.passages.tracking import FaceTracker
from tests.unit.video.support import face


def test_first_sighting_comes_with_the_second() -> None:
    tracker = FaceTracker(25)
    first = tracker.update([face(10, 10)], 0.0)
    second = tracker.update([face(12, 10)], 0.04)
    assert first.tracks == (None,)
    assert second.tracks == (0,)
    assert second.earlier == ((0, 0),)


def test_two_people_keep_their_numbers_whatever_the_order_of_detection() -> None:
    tracker = FaceTracker(25)
    for i in range(3):
        tracker.update([face(10 + i, 10), face(120 - i, 10)], i * 0.04)
    straight = tracker.update([face(13, 10), face(117, 10)], 0.12)
    swapped = tracker.update([face(116, 10), face(14, 10)], 0.16)
    assert straight.tracks == swapped.tracks[::-1]
    assert set(straight.tracks) == {0, 1}


def test_a_track_survives_a_gap_and_ends_after_a_second() -> None:
    tracker = FaceTracker(25)
    for i in range(5):
        tracker.update([face(10, 10)], i * 0.04)
    for i in range(5, 15):
        assert tracker.update([], i * 0.04).ended == ()
    assert tracker.update([face(11, 10)], 0.6).tracks == (0,)
    assert tracker.update([], 1.7).ended == (0,)
    assert tracker.update([face(11, 10)], 1.74).tracks == (None,)


def test_a_gap_is_measured_in_seconds_not_in_frames() -> None:
    tracker = FaceTracker(10)
    for time_s in (0.0, 0.1, 0.2):
        tracker.update([face(10, 10)], time_s)
    assert tracker.update([face(10, 10)], 0.9).tracks == (0,)
    assert tracker.update([face(10, 10)], 3.0).ended == (0,)


def test_numbers_never_cross_a_cut_nor_come_back() -> None:
    tracker = FaceTracker(25)
    for i in range(4):
        tracker.update([face(10, 10)], i * 0.04)
    assert tracker.cut() == (0,)
    after = [tracker.update([face(10, 10)], 0.16 + i * 0.04) for i in range(3)]
    assert [a.tracks for a in after] == [(None,), (1,), (1,)]
    assert after[1].earlier == ((0, 1),)
    assert after[0].ended == ()


def test_faint_detections_continue_a_track_but_start_none() -> None:
    tracker = FaceTracker(25)
    alone = [tracker.update([face(10, 10, score=0.4)], i * 0.04).tracks for i in range(4)]
    assert alone == [(None,)] * 4
    for i in range(4, 8):
        tracker.update([face(10, 10)], i * 0.04)
    assert tracker.update([face(10, 10, score=0.4)], 0.32).tracks == (0,)


def test_frames_without_faces_are_fine() -> None:
    tracker = FaceTracker(25)
    assert tracker.update([], 0.0).tracks == ()
    assert tracker.update([face(1, 1)], 0.04).tracks == (None,)
