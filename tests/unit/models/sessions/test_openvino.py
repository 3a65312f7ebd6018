"""OpenVINO beside ONNX Runtime: the same answers in float32, near ones in bfloat16, and the same behavior."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from facematch.errors import InferenceError, InvalidArgument, MissingExtra, ProviderUnavailable
from facematch.faces import FaceAnalyzer
from facematch.models import SessionOptions, open_pack
from facematch.models.sessions import openvino as module
from facematch.models.sessions.openvino import OpenVinoSession
from facematch.protocols import Session
from facematch.settings import Settings
from facematch.types import FloatArray

PICTURE = str(resources.files("insightface") / "data" / "images" / "t1.jpg")


@pytest.fixture(scope="module")
def detector() -> OpenVinoSession:
    return OpenVinoSession(open_pack("opencv").model_bytes("detector"), name="yunet", threads=1)


def _embeddings(**options: object) -> FloatArray:
    sessions = SessionOptions(threads=2, **options)  # type: ignore[arg-type]
    (faces,) = FaceAnalyzer.from_pack("opencv", sessions=sessions).analyze([PICTURE])
    assert len(faces) == 6
    return np.stack([face.embedding for face in faces if face.embedding is not None])


@pytest.fixture(scope="module")
def onnx_embeddings() -> FloatArray:
    return _embeddings()


def test_it_gives_what_onnx_runtime_gives(onnx_embeddings: FloatArray) -> None:
    assert (_embeddings(runtime="openvino") * onnx_embeddings).sum(axis=1).min() > 0.99999


def test_bfloat16_is_near(onnx_embeddings: FloatArray) -> None:
    try:
        found = _embeddings(runtime="openvino", precision="bfloat16")
    except ProviderUnavailable as error:
        pytest.skip(error.message)
    cosines = (found * onnx_embeddings).sum(axis=1)
    assert cosines.min() > 0.9998
    assert cosines.max() < 0.999999  # it really computes in another precision


def test_detectors_run_on_onnx_runtime_in_float32_whatever_runs_embedders() -> None:
    options = SessionOptions(runtime="openvino", precision="bfloat16", threads=3)
    assert options.for_detectors() == SessionOptions(threads=3)


def test_a_processor_that_cannot_is_an_error_and_not_a_fallback(
    monkeypatch: pytest.MonkeyPatch, detector: OpenVinoSession
) -> None:
    class Core:
        def get_property(self, *_: str) -> list[str]:
            return ["FP32", "INT8"]

    class OpenVino:
        pass

    monkeypatch.setattr(OpenVino, "Core", Core, raising=False)
    monkeypatch.setattr(module, "_openvino", lambda: OpenVino)
    with pytest.raises(ProviderUnavailable, match="bfloat16"):
        OpenVinoSession(b"", name="any", precision="bfloat16")


def test_it_says_what_is_missing_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match="openvino"):
        SessionOptions(runtime="openvino").open(b"", "any")


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="bfloat16"):
        SessionOptions(precision="bfloat16")
    with pytest.raises(InvalidArgument, match="providers"):
        SessionOptions(runtime="openvino", providers=("CUDAExecutionProvider",))
    with pytest.raises(InvalidArgument, match="negative"):
        SessionOptions(threads=-1)


def test_settings_choose_the_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEMATCH_THREADS", raising=False)
    settings = Settings(home=tmp_path, runtime="openvino", precision="bfloat16", threads=3)
    options = SessionOptions.from_settings(settings)
    assert (options.runtime, options.precision, options.threads) == ("openvino", "bfloat16", 3)
    assert SessionOptions.from_settings(Settings(home=tmp_path)) == SessionOptions()


def test_what_runs_is_said(detector: OpenVinoSession) -> None:
    assert isinstance(detector, Session)
    assert detector.describe() == "OpenVINO on the processor in float32"
    assert detector.input_shape[1] == 3
    assert "bbox_8" in detector.output_names


def test_nothing_of_a_picture_or_its_answer_stays(detector: OpenVinoSession) -> None:
    detector.run(np.full((1, 3, 64, 64), 77.0, dtype=np.float32))
    (request,) = detector._compiled.get()._idle[:1]
    for tensor in (*request.input_tensors, *request.output_tensors):
        assert tensor.data.size > 0
        assert not tensor.data.any()


def test_it_tells_what_it_really_has() -> None:
    model = open_pack("opencv").model_bytes("detector")
    session = OpenVinoSession(model, name="yunet", threads=1)
    assert (session.threads, session.describe()) == (1, "OpenVINO on the processor in float32")
    assert OpenVinoSession(model, name="yunet", threads=1000).threads <= 1000
    with pytest.raises(InferenceError, match="float32"):
        session.run(np.zeros((1, 3, 32, 32), dtype=np.uint8))


def test_options_are_values() -> None:
    options = SessionOptions(threads=2, providers=["CPUExecutionProvider"], entries=[["a.b", "1"]])  # type: ignore[arg-type]
    assert options == SessionOptions(threads=2, entries=(("a.b", "1"),))
    assert hash(options) == hash(pickle.loads(pickle.dumps(options)))


PROBE = """
import sys

def audit(event, _):
    if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork"}:
        raise RuntimeError(event)

sys.addaudithook(audit)
from facematch.faces import FaceAnalyzer
from facematch.models import SessionOptions
from facematch.testing import synthetic_picture
FaceAnalyzer.from_pack("opencv", sessions=SessionOptions(runtime="openvino")).analyze([synthetic_picture([])])
"""


def test_the_runtime_reports_nothing_and_leaves_no_identifier(tmp_path: Path) -> None:
    elsewhere = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    home = str(Settings().home)
    subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, **elsewhere, "FACEMATCH_HOME": home},
        check=True,
        timeout=120,
    )
    assert list(tmp_path.iterdir()) == []
