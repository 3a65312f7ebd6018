"""Samples shared out among threads: the same answers, whoever computes them."""

from __future__ import annotations

import pickle
import threading
import time
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from facematch.errors import InferenceError
from facematch.faces import FaceAnalyzer
from facematch.models import OnnxSession, SessionOptions, open_pack, samples_at_once
from facematch.models.sessions import sharing
from facematch.models.sessions.sharing import SharingSession
from facematch.parallel import shared_out
from facematch.protocols import Session
from facematch.types import FloatArray


def faces(count: int) -> FloatArray:
    return np.random.default_rng(count).uniform(0, 255, (count, 3, 112, 112)).astype(np.float32)


@pytest.fixture(scope="module")
def sface() -> bytes:
    return open_pack("opencv").model_bytes("embedder")


class Doubling:
    """Stands for a session: twice its input, and a note of who ran what."""

    name, input_shape, output_names = "doubling", ("batch", 2), ("twice",)

    def __init__(self, threads: int = 1, broken: int | None = None) -> None:
        self.threads = threads
        self.runs: list[tuple[int, int]] = []
        self._broken = broken

    def describe(self) -> str:
        return "nothing real"

    def run(self, values: NDArray[np.generic]) -> dict[str, FloatArray]:
        self.runs.append((threading.get_ident(), len(values)))
        time.sleep(0.01)
        if self._broken is not None and (values == self._broken).any():
            raise InferenceError("broken", hint="mend it")
        return {"twice": np.asarray(2 * values, dtype=np.float32)}


def rows(count: int) -> FloatArray:
    return np.arange(2 * count, dtype=np.float32).reshape(count, 2)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_it_gives_what_the_whole_model_gives(sface: bytes, threads: int, count: int) -> None:
    shared = SessionOptions(threads=threads).open_sharing(sface, "sface")
    whole = OnnxSession(sface, name="sface", threads=1)
    assert isinstance(shared, Session)
    assert isinstance(shared, SharingSession)
    (name,) = whole.output_names
    expected = np.concatenate([whole.run(face[None])[name] for face in faces(count)])
    found = shared.run(faces(count))
    assert list(found) == [name]
    assert found[name].shape == (count, 128)
    np.testing.assert_allclose(found[name], expected, atol=1e-4 * np.abs(expected).max())


def test_it_says_what_it_is(sface: bytes) -> None:
    shared = SessionOptions(threads=2).open_sharing(sface, "sface")
    assert (shared.name, shared.threads, shared.input_shape) == ("sface", 2, ("batch", 3, 112, 112))
    assert shared.output_names == ("fc1",)
    assert shared.describe() == "ONNX Runtime on CPUExecutionProvider"
    assert samples_at_once(shared) > samples_at_once(OnnxSession(sface, name="sface", threads=1))


def test_each_sample_is_a_run_of_its_own_by_more_than_one_thread() -> None:
    alone, together, head = Doubling(), Doubling(threads=2), Doubling(threads=2)
    shared = SharingSession(alone, together=together, head=head)
    np.testing.assert_array_equal(shared.run(rows(6))["twice"], 4 * rows(6))
    assert [count for _, count in alone.runs] == [1] * 6
    assert len({thread for thread, _ in alone.runs}) == 2
    assert (together.runs, [count for _, count in head.runs]) == ([], [6])


@pytest.mark.parametrize(
    ("count", "threads", "by"),
    [(1, 2, "together"), (2, 2, "alone"), (2, 8, "together"), (3, 8, "alone"), (1, 1, "alone")],
)
def test_samples_too_few_for_the_threads_are_run_by_all_of_them_one_after_the_other(
    count: int, threads: int, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "helpers", lambda: 15)
    alone, together = Doubling(), Doubling(threads=threads)
    shared = SharingSession(alone, together=together if threads > 1 else None)
    np.testing.assert_array_equal(shared.run(rows(count))["twice"], 2 * rows(count))
    runs = {"alone": alone.runs, "together": together.runs}
    assert {name: len(each) for name, each in runs.items()} == {"alone": 0, "together": 0} | {by: count}
    assert by == "alone" or {thread for thread, _ in together.runs} == {threading.get_ident()}


def test_no_more_threads_take_part_than_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def listening(parts: Any, work: Any, *, wanted: int) -> None:
        asked.append(wanted)
        shared_out(parts, work, wanted=wanted)

    monkeypatch.setattr(sharing, "helpers", lambda: 15)
    monkeypatch.setattr(sharing, "shared_out", listening)
    SharingSession(Doubling(), together=Doubling(threads=3)).run(rows(9))
    SharingSession(Doubling(), together=Doubling(threads=3)).run(rows(2))
    SharingSession(Doubling()).run(rows(9))
    assert asked == [3, 2, 1]


def test_its_parts_have_the_threads_that_they_need(sface: bytes) -> None:
    shared: Any = SessionOptions(threads=2).open_sharing(sface, "sface")
    assert (shared._alone.threads, shared._together.threads, shared._head.threads) == (1, 2, 2)


def test_other_providers_than_the_processor_run_samples_together(sface: bytes) -> None:
    options = SessionOptions(threads=2, providers=("AzureExecutionProvider", "CPUExecutionProvider"))
    assert isinstance(options.open_sharing(sface, "sface"), OnnxSession)


def test_an_embedding_does_not_depend_on_how_many_are_made_at_once(analyzer: FaceAnalyzer) -> None:
    crops = np.random.default_rng(1).integers(0, 256, (33, 112, 112, 3)).astype(np.uint8)
    singly = np.concatenate([analyzer.embed(crop[None]) for crop in crops])
    for count in (2, 3, 8, 32, 33):
        np.testing.assert_allclose(analyzer.embed(crops[:count]), singly[:count], atol=2e-7)


def test_an_error_of_one_sample_is_the_callers_and_the_next_call_is_answered() -> None:
    shared = SharingSession(Doubling(broken=7), together=Doubling(threads=2))
    with pytest.raises(InferenceError, match="broken"):
        shared.run(rows(9))
    np.testing.assert_array_equal(shared.run(rows(3))["twice"], 2 * rows(3))


def test_no_sample_is_an_error_and_not_a_crash() -> None:
    with pytest.raises(InferenceError, match="no sample"):
        SharingSession(Doubling()).run(rows(0))


def test_outputs_without_a_batch_are_kept_a_sample() -> None:
    class Counting(Doubling):
        def run(self, values: NDArray[np.generic]) -> dict[str, FloatArray]:
            return super().run(values) | {"sum": np.asarray(values.sum(), dtype=np.float32)}

    assert SharingSession(Counting()).run(rows(3))["sum"].tolist() == [1.0, 5.0, 9.0]


def test_many_callers_share_it(sface: bytes) -> None:
    shared = SessionOptions(threads=2).open_sharing(sface, "sface")
    given = [faces(count) for count in (1, 2, 3, 4, 5, 6)]
    expected = [shared.run(values)["fc1"] for values in given]
    right: dict[int, bool] = {}

    def work(number: int) -> None:
        answers = [shared.run(given[number])["fc1"] for _ in range(3)]
        right[number] = all(np.array_equal(answer, expected[number]) for answer in answers)

    callers = [threading.Thread(target=work, args=(number,)) for number in range(len(given))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert right == dict.fromkeys(range(len(given)), True)


def test_it_can_be_pickled_for_another_process(sface: bytes) -> None:
    shared = SessionOptions(threads=2).open_sharing(sface, "sface")
    data = pickle.dumps(shared)
    assert len(data) < 1.1 * len(sface)  # no weights twice
    np.testing.assert_array_equal(pickle.loads(data).run(faces(3))["fc1"], shared.run(faces(3))["fc1"])


def test_a_fixed_batch_of_one_is_shared_out_all_the_same(sface: bytes) -> None:
    model = onnx.load_from_string(sface)
    for tensor in (model.graph.input[0], model.graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    data = model.SerializeToString()
    shared = SessionOptions(threads=2).open_sharing(data, "sface")
    whole: Any = OnnxSession(data, name="sface", threads=1)
    assert (samples_at_once(whole), shared.input_shape[0]) == (1, "batch")
    (name,) = whole.output_names
    expected = np.concatenate([whole.run(face[None])[name] for face in faces(3)])
    np.testing.assert_allclose(shared.run(faces(3))[name], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("shape", "batch"),
    [(("batch", 3, 112, 112), 8), ((0, 3, 112, 112), 8), ((-1, 3), 8), ((1, 3), 1), ((16, 3), 16), ((), 1)],
)
def test_a_batch_that_is_stated_is_kept_to(shape: tuple[int | str, ...], batch: int) -> None:
    session = Doubling()
    session.input_shape = shape  # type: ignore[assignment]
    assert samples_at_once(session) == batch


def test_openvino_runs_samples_together(sface: bytes) -> None:
    data = open_pack("opencv").model_bytes("embedder", runtime="openvino")
    session = SessionOptions(runtime="openvino", threads=2).open_sharing(data, "sface")
    assert not isinstance(session, SharingSession)
    assert samples_at_once(session) == 8
