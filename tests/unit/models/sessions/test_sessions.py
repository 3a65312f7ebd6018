"""What every kind of session does alike."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

from facematch.errors import InferenceError
from facematch.models import SessionOptions, open_pack
from facematch.protocols import Session
from facematch.settings import Runtime
from facematch.types import FloatArray


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def options(request: pytest.FixtureRequest) -> SessionOptions:
    runtime: Runtime = request.param
    return SessionOptions(runtime=runtime, threads=1)


@pytest.fixture(scope="module")
def session(options: SessionOptions) -> Session:
    return options.open(open_pack("opencv").model_bytes("detector"), "yunet")


def _noise(seed: int) -> FloatArray:
    return np.random.default_rng(seed).uniform(0, 255, (1, 3, 64, 64)).astype(np.float32)


def test_it_is_a_session(session: Session) -> None:
    assert isinstance(session, Session)
    assert (session.name, session.threads, session.input_shape[1]) == ("yunet", 1, 3)
    assert "bbox_8" in session.output_names


def test_garbage_is_a_typed_error(options: SessionOptions) -> None:
    with pytest.raises(InferenceError, match="cannot"):
        options.open(b"garbage", "broken")


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 4, 32, 32), dtype=np.float32),
        np.zeros((1, 3, 32, 32), dtype=np.uint8),
        np.zeros((3, 32, 32), dtype=np.float32),
    ],
    ids=["channels", "type", "dimensions"],
)
def test_a_wrong_input_is_a_typed_error_and_the_next_is_answered(session: Session, wrong: FloatArray) -> None:
    with pytest.raises(InferenceError, match="failed on an input"):
        session.run(wrong)
    assert session.run(np.zeros((1, 3, 32, 32), dtype=np.float32))["bbox_8"].shape == (1, 16, 4)


def test_many_threads_share_it(session: Session) -> None:
    inputs = [_noise(seed) for seed in range(8)]
    expected = [session.run(values)["bbox_8"] for values in inputs]
    results: dict[int, bool] = {}

    def work(number: int) -> None:
        answers = [session.run(inputs[number])["bbox_8"] for _ in range(10)]
        results[number] = all(np.array_equal(answer, expected[number]) for answer in answers)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(8), True)


def test_an_output_is_the_callers_own(session: Session) -> None:
    first = session.run(_noise(1))["bbox_8"]
    kept = first.copy()
    session.run(_noise(2))
    np.testing.assert_array_equal(first, kept)


def test_it_can_be_pickled(session: Session) -> None:
    again = pickle.loads(pickle.dumps(session))
    np.testing.assert_array_equal(again.run(_noise(3))["bbox_8"], session.run(_noise(3))["bbox_8"])
