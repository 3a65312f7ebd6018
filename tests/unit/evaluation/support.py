"""Labeled folders of synthetic pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from facematch.testing import SyntheticFace, synthetic_picture


def labeled_folder(root: Path, pictures: dict[int, int]) -> Path:
    """A folder a person: ``pictures[person]`` pictures of each; person 0's are in ``p00``."""
    for person, count in pictures.items():
        (root / f"p{person:02}").mkdir(parents=True)
        for variant in range(count):
            picture = synthetic_picture([SyntheticFace(person, variant)], shade=100 + variant)
            cv2.imwrite(str(root / f"p{person:02}" / f"{variant}.png"), picture)
    return root


def nobody(path: Path, shade: int = 0) -> None:
    """A picture without a face."""
    cv2.imwrite(str(path), np.full((60, 70, 3), shade, np.uint8))
