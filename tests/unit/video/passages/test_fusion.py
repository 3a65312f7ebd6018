from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from facematch.errors import InvalidArgument
from facematch.types import FloatArray
from facematch.video.passages.fusion import Shot, Track, divide, frontalness, fuse, shot_quality
from tests.unit.video.support import face


def unit(*values: float) -> FloatArray:
    vector = np.array(values, dtype=np.float32)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def shot(frame: int, quality: float, rate: float = 25.0) -> Shot:
    return Shot(frame, frame / rate, face(0, 0), np.zeros((4, 4, 3), np.uint8), quality)


def test_frontalness_from_the_nose_between_the_eyes() -> None:
    assert frontalness(face(0, 0).landmarks) == pytest.approx(1.0)
    assert frontalness(face(0, 0, turn=0.25).landmarks) == pytest.approx(0.5)
    assert frontalness(face(0, 0, turn=0.5).landmarks) == pytest.approx(0.0, abs=1e-6)
    assert frontalness(face(0, 0, turn=-0.9).landmarks) == 0.0
    assert frontalness(np.zeros((5, 2), dtype=np.float32)) == 0.0


def test_quality_rises_with_score_size_and_frontalness_and_saturates() -> None:
    assert shot_quality(face(0, 0, 56, score=0.8)) == pytest.approx(0.8 * 0.5)
    assert shot_quality(face(0, 0, 300, score=0.8)) == pytest.approx(shot_quality(face(0, 0, 112, score=0.8)))
    assert shot_quality(face(0, 0, 112, turn=0.5)) < shot_quality(face(0, 0, 112, turn=0.2))


def test_fusion_is_the_renormalized_weighted_mean() -> None:
    embeddings = np.stack([unit(1, 0, 0), unit(1, 1, 0)])
    fusion = fuse(embeddings, [0.25, 0.75])
    half = math.sqrt(0.5)
    x, y = 0.25 * 1 + 0.75 * half, 0.75 * half
    length = math.hypot(x, y)
    assert fusion.embedding == pytest.approx([x / length, y / length, 0.0], abs=1e-6)
    assert fusion.embedding.dtype == np.float32
    assert (fusion.best, fusion.used) == (1, (0, 1))


def test_fusion_takes_the_best_shots_only() -> None:
    embeddings = np.stack([unit(1, 0.1 * i, 0) for i in range(6)])
    assert fuse(embeddings, [0.1, 0.9, 0.2, 0.8, 0.3, 0.7], shots=3).used == (1, 3, 5)


def test_a_shot_that_disagrees_is_left_out() -> None:
    embeddings = np.stack([unit(1, 0, 0), unit(1, 0.1, 0), unit(0, 0, 1), unit(1, 0, 0.1)])
    fusion = fuse(embeddings, [0.5, 0.6, 0.55, 0.5])
    assert fusion.used == (0, 1, 3)
    assert fusion.embedding @ unit(0, 0, 1) < 0.1


def test_the_sharp_shot_is_not_outvoted_by_blurred_ones() -> None:
    embeddings = np.stack([unit(0, 1, 0.1 * i) for i in range(4)] + [unit(1, 0, 0)])
    fusion = fuse(embeddings, [0.06, 0.07, 0.06, 0.05, 0.7])
    assert fusion.best == 4
    assert fusion.embedding @ unit(1, 0, 0) > 0.9


def test_one_shot_and_opposite_shots_have_a_template() -> None:
    assert fuse(unit(1, 2)[None], [0.0]).embedding == pytest.approx(unit(1, 2), abs=1e-6)
    opposite = fuse(np.stack([unit(1, 0), unit(-1, 0)]), [0.5, 0.5])
    assert opposite.embedding == pytest.approx(unit(1, 0))


def test_fusion_refuses_nothing_and_uneven_input() -> None:
    with pytest.raises(InvalidArgument):
        fuse(np.empty((0, 4), dtype=np.float32), [])
    with pytest.raises(InvalidArgument):
        fuse(np.ones((2, 4), dtype=np.float32), [1.0])


def test_a_track_of_two_people_is_divided_where_they_change() -> None:
    one, two = unit(1, 0.2, 0, 0), unit(0, 0, 1, 0.2)
    embeddings = np.stack([one, one, one, two, two])
    assert divide(embeddings, [0.5] * 5) == [slice(0, 3), slice(3, 5)]


def test_three_people_make_three_parts_and_one_person_one() -> None:
    eye = np.eye(4, dtype=np.float32)
    assert divide(eye[[0, 0, 1, 1, 2, 2]], [0.5] * 6) == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert divide(eye[[0, 0, 0, 0]], [0.5] * 4) == [slice(0, 4)]


def test_one_odd_shot_does_not_divide_a_track() -> None:
    eye = np.eye(4, dtype=np.float32)
    assert divide(eye[[0, 0, 0, 1]], [0.5] * 4) == [slice(0, 4)]
    assert divide(eye[[0, 1, 2]], [0.5] * 3) == [slice(0, 3)]


def test_shots_are_the_best_and_reach_over_the_whole_track() -> None:
    track = Track(0, shots_wanted=4)
    for frame in range(200):
        quality = 0.9 if 100 <= frame < 125 else 0.1 + frame * 1e-4
        if track.wants(frame / 25, quality):
            track.add(shot(frame, quality))
    frames = [s.frame for s in track.shots]
    assert frames == sorted(set(frames))
    assert 4 <= len(frames) <= 8
    assert sum(s.quality == 0.9 for s in track.shots) >= 4
    assert frames[0] < 50
    assert frames[-1] > 150


def test_best_shots_are_not_the_same_moment() -> None:
    track = Track(0, shots_wanted=3)
    for frame in range(50):
        track.add(shot(frame, 0.5 + frame * 0.001))
    best = sorted(track._best)
    assert len(best) == 3
    assert all(b - a >= 1 for a, b in itertools.pairwise(best))
    assert max(s.quality for s in track.shots) == pytest.approx(0.549)


def test_shots_that_would_be_dropped_are_not_wanted() -> None:
    track = Track(0, shots_wanted=2)
    for frame in (0, 25, 50, 75):
        track.add(shot(frame, 0.8))
    assert not track.wants(76 / 25, 0.1)
    assert track.wants(76 / 25, 0.9)
