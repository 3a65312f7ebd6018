"""Sessions in forked and spawned processes: a child makes its own and hangs neither in a run nor at its end."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Callable

import numpy as np
import pytest

from facematch.faces import FaceAnalyzer
from facematch.models import SessionOptions, open_pack
from facematch.settings import Runtime
from facematch.testing import synthetic_picture

_PATIENCE_S = 60


def _child_ends_with(work: Callable[[], bool]) -> bool:
    """Whether a forked child that works and then leaves does so in time, and succeeds."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def analyzer(request: pytest.FixtureRequest) -> FaceAnalyzer:
    runtime: Runtime = request.param
    return FaceAnalyzer.from_pack("opencv", sessions=SessionOptions(runtime=runtime, threads=2))


def _crops() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)


def test_a_forked_child_embeds_as_its_parent_does(analyzer: FaceAnalyzer) -> None:
    right = analyzer.embed(_crops())
    assert _child_ends_with(lambda: bool(np.allclose(analyzer.embed(_crops()), right, atol=1e-6)))
    np.testing.assert_array_equal(analyzer.embed(_crops()), right)  # and the parent goes on


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_session_that_is_let_go_of_is_freed_at_once(runtime: Runtime) -> None:
    sessions = SessionOptions(runtime=runtime, threads=1)
    session = sessions.open(open_pack("opencv").model_bytes("detector"), "yunet")
    watched = weakref.ref(session)
    gc.disable()
    try:
        del session
        assert watched() is None
    finally:
        gc.enable()


LETTING_GO = """
import os, sys
import numpy as np
from facematch.faces import FaceAnalyzer
from facematch.models import SessionOptions, open_pack
analyzer = FaceAnalyzer.from_pack("opencv", sessions=SessionOptions(runtime=sys.argv[1], threads=2))
analyzer.embed(np.zeros((3, 112, 112, 3), dtype=np.uint8) + 90)
if os.fork() == 0:
    del analyzer
    sys.exit(0)  # as any program ends
_, status = os.wait()
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_forked_child_that_lets_go_of_the_parents_analyzer_and_ends_does_not_hang(runtime: Runtime) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", LETTING_GO, runtime]
    assert subprocess.run(command, timeout=_PATIENCE_S, check=False).returncode == 0


def test_children_of_children_embed_too(analyzer: FaceAnalyzer) -> None:
    right = analyzer.embed(_crops())

    def again() -> bool:
        return _child_ends_with(lambda: bool(np.allclose(analyzer.embed(_crops()), right, atol=1e-6)))

    assert _child_ends_with(again)


def _embedded(analyzer: FaceAnalyzer) -> np.ndarray:
    return analyzer.embed(_crops())


def test_a_spawned_process_takes_the_analyzer_along(analyzer: FaceAnalyzer) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_embedded, (analyzer,))
    np.testing.assert_allclose(found, analyzer.embed(_crops()), atol=1e-6)


def test_detection_survives_a_fork_too(analyzer: FaceAnalyzer) -> None:
    picture = synthetic_picture([1])
    right = [face.box for face in analyzer.detect([picture])[0]]
    assert _child_ends_with(lambda: [face.box for face in analyzer.detect([picture])[0]] == right)
