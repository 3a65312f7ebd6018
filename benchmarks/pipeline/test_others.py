"""The whole pipeline beside deepface's and face_recognition's; ``make bench-peers`` runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from timing import median_ratio

from facematch.faces import FaceAnalyzer
from facematch.types import Image
from pipeline.others import Other, assert_same_people, deepface, face_recognition
from pipeline.scenes import singles


@pytest.fixture(scope="module")
def analyzer() -> FaceAnalyzer:
    return FaceAnalyzer.from_pack("opencv")


@pytest.fixture(scope="module", params=["deepface", "face_recognition"])
def other(request: pytest.FixtureRequest, analyzer: FaceAnalyzer, tmp_path_factory: Any) -> Iterator[Other]:
    pytest.importorskip(request.param, reason="make bench-peers installs it")
    if request.param == "face_recognition":
        yield face_recognition()
        return
    folder: Path = tmp_path_factory.mktemp("deepface")
    with deepface(analyzer, folder) as found:
        yield found


@pytest.mark.parametrize("pictures", ["six", "singles8"])
def test_pictures(benchmark: Any, analyzer: FaceAnalyzer, other: Other, group: Image, pictures: str) -> None:
    images = [group] if pictures == "six" else singles(group, analyzer.detect([group])[0], 8)
    assert_same_people(analyzer.analyze(images), other.analyze(images), other.name)
    benchmark.extra_info["times_faster"] = median_ratio(
        lambda: other.analyze(images), lambda: analyzer.analyze(images), rounds=3
    )
    benchmark.pedantic(lambda: analyzer.analyze(images), rounds=3)
