from __future__ import annotations

import numpy as np
import pytest

from facematch.imaging.draw import ACCENT, draw_box
from facematch.types import Box


@pytest.mark.parametrize(
    ("box", "text"),
    [
        (Box(40, 60, 90, 110), "s-0042 0.71"),
        (Box(0, 0, 30, 30), "at the corner"),
        (Box(150, 100, 230, 190), "over the edge"),
        (Box(40, 40, 80, 80), "x" * 300),
        (Box(40, 40, 80, 80), "Zoë \U0001f600\n"),
        (Box(0, 0, 200, 160), "all of it"),
    ],
)
def test_box_and_label_stay_in_the_picture(box: Box, text: str) -> None:
    image = np.zeros((160, 200, 3), dtype=np.uint8)
    draw_box(image, box, text)
    assert (image == np.array(ACCENT)).all(axis=2).sum() > 100


def test_inside_of_the_box_is_left_alone() -> None:
    image = np.full((160, 200, 3), 90, dtype=np.uint8)
    draw_box(image, Box(60, 60, 120, 120), "s-1 0.70")
    assert (image[64:116, 64:116] == 90).all()
    empty = np.zeros((160, 200, 3), dtype=np.uint8)
    draw_box(empty, Box(60, 60, 120, 120), "")
    assert not empty[:55].any()
