from __future__ import annotations

from facematch.faces import FaceAnalyzer
from facematch.protocols import FaintDetector
from facematch.types import Face, Image


class Plain:
    """A detector that knows one threshold only."""

    def detect(self, images: list[Image]) -> list[list[Face]]:
        return [[] for _ in images]


def test_faint_faces_come_apart_from_the_others(analyzer: FaceAnalyzer, group: Image) -> None:
    assert isinstance(analyzer, FaintDetector)
    (plain,) = analyzer.detect([group])
    ((faces, fainter),) = analyzer.detect_faint([group], 0.1)
    assert [f.box.as_tuple() for f in faces] == [f.box.as_tuple() for f in plain]
    assert len(fainter) > 0
    assert all(0.1 <= f.detection_score < 0.6 for f in fainter)


def test_a_floor_above_the_threshold_adds_nobody(analyzer: FaceAnalyzer, group: Image) -> None:
    ((faces, fainter),) = analyzer.detect_faint([group], 0.9)
    assert len(faces) == 6
    assert fainter == []


def test_detectors_without_it_give_no_faint_faces(analyzer: FaceAnalyzer, group: Image) -> None:
    plain = FaceAnalyzer(Plain(), analyzer.embedder)  # type: ignore[arg-type]
    assert plain.detect_faint([group], 0.3) == [([], [])]
