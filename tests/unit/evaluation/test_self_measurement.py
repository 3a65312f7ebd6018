from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facematch.errors import InferenceError, InvalidArgument, VectorIndexError
from facematch.evaluation import self_measurement
from facematch.evaluation.self_measurement import measure_index, measure_pipeline
from facematch.faces import FaceAnalyzer
from facematch.index.exact import ExactIndex
from facematch.models import SessionOptions
from facematch.types import Face, FloatArray


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_measurement, "_PAUSE", 0.0)


def test_searches_are_timed_beside_faiss() -> None:
    steps: list[tuple[int, int | None]] = []
    result = measure_index(3000, 32, k=5, rounds=3, approximate=True, progress=lambda *step: steps.append(step))
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert found["of"] == {
        "size": 3000,
        "dimension": 32,
        "k": 5,
        "kinds": {"exact": "exact", "approximate": "pq"},
        "recall_at_1": {"exact": 1.0, "approximate": found["of"]["recall_at_1"]["approximate"]},
    }
    assert 0.95 < found["of"]["recall_at_1"]["approximate"] <= 1.0
    names = [f"{name}, {probes}" for name in ("exact", "approximate") for probes in ("1 probe", "64 probes")]
    assert [each["workload"] for each in found["times"]] == names
    assert all(min(each["median_ms"], each["reference_ms"], each["ratio"]) > 0 for each in found["times"])
    assert (found["reference"], found["rounds"]) == ("FAISS IndexFlatIP", 3)
    assert steps == [(step, 16) for step in range(1, 17)]


def test_a_ratio_is_the_median_over_the_turns_without_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    took = {"ours": iter([99.0, 2.0, 1.0, 1.0]), "theirs": iter([1.0, 2.0, 3.0, 5.0])}
    now = [0.0]

    def call(side: str) -> None:
        calls.append(side)
        if calls.count(side) % 2 == 0:  # the second call of a turn is the one that counts
            now[0] += next(took[side])

    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    sides = (lambda: call("ours"), lambda: call("theirs"))
    (times,) = self_measurement._times({"work": sides}, 3, None)
    assert (times.median_ms, times.reference_ms, times.ratio) == (1000.0, 3000.0, 3.0)  # of 2/2, 3/1 and 5/1
    assert calls[::2] == ["theirs", "ours", "ours", "theirs"] * 2


def _other_vector(rows: NDArray[np.int64]) -> None:
    rows[3, 1] = rows[3, 4]


def _twice(rows: NDArray[np.int64]) -> None:
    rows[3, 1] = rows[3, 0]


def _missing(rows: NDArray[np.int64]) -> None:
    rows[3, -1] = -1


@pytest.mark.parametrize("change", [_other_vector, _twice, _missing])
def test_an_index_with_another_answer_is_not_timed(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    search = ExactIndex.search

    def changed(index: ExactIndex, queries: FloatArray, k: int) -> tuple[FloatArray, NDArray[np.int64]]:
        scores, ids = search(index, queries, k)
        if len(queries) > 64:
            change(ids)
        return scores, ids

    monkeypatch.setattr(ExactIndex, "search", changed)
    monkeypatch.setattr(self_measurement, "_times", lambda *_: pytest.fail("it is timed"))
    with pytest.raises(VectorIndexError, match="different vectors"):
        measure_index(500, 16)


@pytest.mark.parametrize("options", [{"k": 0}, {"k": 51}, {"rounds": 0}, {"dimension": 1}, {"size": 0}])
def test_an_index_that_cannot_be_measured_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        measure_index(**{"size": 50, "dimension": 8, **options})


def test_pictures_are_timed_on_all_threads_beside_one() -> None:
    result = measure_pipeline("opencv", SessionOptions(threads=2), rounds=1)
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert found["of"]["faces"] == {"a portrait": 1, "portraits": 6, "a group": 6}
    assert (found["of"]["threads"], found["reference"]) == (2, "one thread")
    assert found["of"]["pack"].startswith("opencv ")
    assert set(found["of"]["runtime"]) == {"detector", "embedder"}
    assert [each["workload"] for each in found["times"]] == ["a portrait", "portraits", "a group"]


def _fewer(faces: list[Face]) -> list[Face]:
    return faces[1:]


def _turned(faces: list[Face]) -> list[Face]:
    return [*faces[:-1], faces[0]]


@pytest.mark.parametrize("change", [_fewer, _turned])
def test_threads_that_see_other_faces_are_not_timed(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    analyze = FaceAnalyzer.analyze
    calls: list[int] = []

    def changed(analyzer: FaceAnalyzer, images: Any, **more: Any) -> list[list[Face]]:
        calls.append(len(images))
        found = analyze(analyzer, images, **more)
        return [change(faces) if len(faces) == 6 and len(calls) == 6 else faces for faces in found]

    monkeypatch.setattr(FaceAnalyzer, "analyze", changed)
    monkeypatch.setattr(self_measurement, "_times", lambda *_: pytest.fail("it is timed"))
    with pytest.raises(InferenceError, match="see other faces"):
        measure_pipeline("opencv", SessionOptions())


def test_a_pack_that_finds_no_face_and_no_rounds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument):
        measure_pipeline("opencv", SessionOptions(), rounds=0)
    monkeypatch.setattr(FaceAnalyzer, "detect", lambda *_, **__: [[]])
    with pytest.raises(InferenceError, match="no face"):
        measure_pipeline("opencv", SessionOptions(), rounds=1)
