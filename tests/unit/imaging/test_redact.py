from __future__ import annotations

import numpy as np
import pytest

from facematch.errors import InvalidArgument
from facematch.imaging.redact import redact
from facematch.types import Box, Image


def noise(width: int = 200, height: int = 160) -> Image:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("side", [6, 12, 40, 100])
def test_what_is_left_does_not_resemble_what_was_there(side: int) -> None:
    before = noise()
    after = before.copy()
    redact(after, [Box(50, 40, 50 + side, 40 + side)])
    inner = (slice(41, 39 + side), slice(51, 49 + side))
    correlation = np.corrcoef(before[inner].ravel().astype(float), after[inner].ravel().astype(float))[0, 1]
    assert abs(correlation) < 0.35
    assert after[inner].std() < 0.3 * before[inner].std()


def test_the_whole_box_is_covered_and_nothing_far_from_it() -> None:
    before = noise()
    after = before.copy()
    redact(after, [Box(60, 50, 100, 110)])
    changed = (before != after).any(axis=2)
    assert changed[50:110, 60:100].mean() > 0.99
    assert not changed[:, :45].any()
    assert not changed[:30].any()


def test_two_pictures_with_equal_block_means_look_the_same_afterwards() -> None:
    """Only the means go in, so nothing else can be had back."""
    one = noise(64, 64)
    box = Box(-100, -100, 164, 164)
    other = np.empty_like(one)
    for y in range(0, 64, 16):
        for x in range(0, 64, 16):
            block = one[y : y + 16, x : x + 16].reshape(-1, 3)
            other[y : y + 16, x : x + 16] = np.random.default_rng(x + y).permutation(block).reshape(16, 16, 3)
    redact(one, [box])
    redact(other, [box])
    assert np.abs(one.astype(int) - other).max() <= 1


@pytest.mark.parametrize(
    "box",
    [Box(-30, -30, 20, 20), Box(190, 150, 260, 230), Box(300, 300, 320, 320), Box(5, 5, 5, 5), Box(0, 0, 200, 160)],
)
def test_boxes_at_and_over_the_edge(box: Box) -> None:
    image = noise()
    redact(image, [box])
    assert image.shape == (160, 200, 3)


def test_refuses_what_it_cannot_change_or_would_not_hide() -> None:
    frozen = noise()
    frozen.flags.writeable = False
    with pytest.raises(InvalidArgument):
        redact(frozen, [])
    with pytest.raises(InvalidArgument):
        redact(np.zeros((4, 4), dtype=np.uint8), [])
    with pytest.raises(InvalidArgument, match="blocks"):
        redact(noise(), [], blocks=20)
    with pytest.raises(InvalidArgument, match="margin"):
        redact(noise(), [], margin=0.0)
