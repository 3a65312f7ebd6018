from __future__ import annotations

import numpy as np

from facematch.video.passages.scene_cuts import CutDetector
from tests.unit.video.support import ground, put


def test_only_the_change_of_scene_is_a_cut() -> None:
    cuts = CutDetector()
    answers = []
    for i in range(20):
        image = ground(seed=1 if i < 10 else 2)
        put(image, "ana", 5 * i, 40)
        answers.append(cuts.is_cut(image))
    assert [i for i, cut in enumerate(answers) if cut] == [10]


def test_flash_and_exposure_step_are_no_cuts() -> None:
    cuts = CutDetector()
    image = ground()
    brighter = np.clip(image.astype(np.float32) * 1.3 + 30, 0, 255).astype(np.uint8)
    darker = (image * 0.4).astype(np.uint8)
    assert [cuts.is_cut(i) for i in (image, brighter, image, darker, darker)] == [False] * 5


def test_black_between_scenes_and_black_alone() -> None:
    cuts = CutDetector()
    black = np.zeros((128, 192, 3), dtype=np.uint8)
    assert [cuts.is_cut(i) for i in (black, black, ground(), black)] == [False, False, True, True]


def test_reset_forgets_the_scene_before() -> None:
    cuts = CutDetector()
    cuts.is_cut(ground(seed=1))
    cuts.reset()
    assert not cuts.is_cut(ground(seed=2))
    assert cuts.correlation == 1.0
