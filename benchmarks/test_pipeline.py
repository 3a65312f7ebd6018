"""Detection, embedding and the whole pipeline beside OpenCV's own YuNet and SFace on the same weights.

Answers are compared before anything is timed. The ratio (how many times faster than OpenCV) stands in ``extra_info``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pipeline.measure import compare
from pipeline.peers import Peer, peer_of
from pipeline.scenes import singles
from timing import median_ratio

from facematch.faces import FaceAnalyzer
from facematch.parallel import usable_cpus
from facematch.types import Image


@pytest.fixture(scope="module")
def analyzer() -> FaceAnalyzer:
    return FaceAnalyzer.from_pack("opencv")


@pytest.fixture(scope="module")
def opencv(analyzer: FaceAnalyzer) -> Iterator[Peer]:
    """OpenCV's detector and recognizer with the pack's weights, unpacked and otherwise as published."""
    assert analyzer.pack is not None
    with ExitStack() as stack:
        peer = peer_of(analyzer.pack, usable_cpus(), stack)
        assert peer is not None
        yield peer


@pytest.mark.parametrize("pictures", ["six", "one", "singles8"])
def test_pictures(benchmark: Any, analyzer: FaceAnalyzer, opencv: Peer, group: Image, pictures: str) -> None:
    alone = singles(group, analyzer.detect([group])[0], 8)
    images = {"six": [group], "one": alone[:1], "singles8": alone}[pictures]
    compare(analyzer.analyze(images), opencv.analyze(images), opencv, pictures)
    benchmark.extra_info["times_faster_than_opencv"] = median_ratio(
        lambda: opencv.analyze(images), lambda: analyzer.analyze(images)
    )
    benchmark(lambda: analyzer.analyze(images))
