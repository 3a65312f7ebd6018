"""Look-alikes: enrolled subjects whose references new pictures reach at the threshold in force."""

from __future__ import annotations

from collections.abc import Iterable

from facematch.gallery.snapshot import Scope, Snapshot
from facematch.matching import SubjectRule
from facematch.protocols import Analyzer
from facematch.types import Candidate, FloatArray, OperatingPoint

__all__ = ["best_of", "look_alikes", "tested_point"]

_MOST = 10


def look_alikes(snapshot: Snapshot, vectors: FloatArray, analyzer: Analyzer, scope: Scope) -> list[list[Candidate]]:
    """Subjects whose references the vectors reach at the threshold in force; none where nothing was tested.

    Args:
        snapshot: The gallery.
        vectors: ``(N, D)`` unit vectors.
        analyzer: The analyzer that made them.
        scope: Which references may be compared.
    """
    point = tested_point(snapshot, analyzer)
    if point is None or not len(vectors):
        return [[] for _ in vectors]
    rule = SubjectRule.parse(point.rule)
    return snapshot.search(vectors, scope, top_k=_MOST, threshold=point.threshold, rule=rule)


def tested_point(snapshot: Snapshot, analyzer: Analyzer) -> OperatingPoint | None:
    """The operating point that was tested for the analyzer's vectors, or ``None``."""
    point = analyzer.operating_point if snapshot.calibration is None else snapshot.calibration.operating_point()
    return None if point is None or point.contract != analyzer.contract.digest else point


def best_of(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Candidates best first, each subject once."""
    best: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (-c.score, c.subject_id)):
        best.setdefault(candidate.subject_id, candidate)
    return tuple(best.values())
