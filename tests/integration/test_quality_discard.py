"""Quality shows: on LFW with synthetic damage, FNIR falls as the worst pictures are discarded."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facematch.faces import FaceAnalyzer
from facematch.imaging import decode
from facematch.models import open_pack
from facematch.settings import Settings
from facematch.types import Image


def damaged(picture: Image, kind: int) -> Image:
    if kind == 1:
        return cv2.GaussianBlur(picture, (0, 0), 4).astype(np.uint8)
    if kind == 2:
        small = cv2.resize(picture, None, fx=0.16, fy=0.16, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    if kind == 3:
        return (picture * 0.04).astype(np.uint8)
    return picture


@pytest.mark.shared_data
@pytest.mark.parametrize("number", [60, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("pack", ["opencv", "opencv-lightqnet"])
def test_fnir_falls_as_the_worst_are_discarded(shared: Path, pack: str, number: int, tmp_path: Path) -> None:
    folders = [shared / "models" / "quality", open_pack("opencv").folder]
    settings = Settings(home=tmp_path)
    open_pack(pack, settings=settings, folders=folders)
    analyzer = FaceAnalyzer.from_pack(pack, settings=settings)
    root = shared / "data" / "lfw" / "images"
    people = [f for f in sorted(root.iterdir()) if len(list(f.glob("*.jpg"))) >= 2][::5][:number]
    assert len(people) == number
    gallery, probes, qualities, mates = [], [], [], []
    for place, folder in enumerate(people):
        first, second = (decode(path).pixels for path in sorted(folder.glob("*.jpg"))[:2])
        second = damaged(second, place % 4)
        found = [
            min(faces, key=lambda face: abs(face.box.center[0] - 125) + abs(face.box.center[1] - 125), default=None)
            for faces in analyzer.detect([first, second])
        ]
        if found[0] is None or found[1] is None:
            continue
        crops = [analyzer.align(picture, [face]) for picture, face in zip((first, second), found, strict=True) if face]
        embeddings = analyzer.embed(np.concatenate(crops))
        gallery.append(embeddings[0])
        probes.append(embeddings[1])
        qualities.append(analyzer.assess(second, [found[1]])[0].unified)
        mates.append(len(gallery) - 1)
    assert len(gallery) > number * 3 / 4
    point = analyzer.operating_point
    assert point is not None
    scores = np.stack(probes) @ np.stack(gallery).T
    own = scores[np.arange(len(mates)), mates]
    missed = (own < point.threshold) | (scores.argmax(axis=1) != mates)
    order = np.argsort(qualities, kind="stable")
    rates = [float(missed[order[int(len(order) * share) :]].mean()) for share in (0.0, 0.2, 0.4, 0.6)]
    assert rates[0] > 0.1  # the damage hurts
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0] / 4
    at_random = np.random.default_rng(0).permutation(len(order))[int(len(order) * 0.6) :]
    assert rates[-1] < missed[at_random].mean() / 2
