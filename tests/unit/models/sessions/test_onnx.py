"""Sessions: requested providers or an error, threads from the machine's limits, failures with a code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from facematch.errors import ProviderUnavailable
from facematch.models import OnnxSession, open_pack
from facematch.parallel import usable_cpus
from facematch.settings import Settings


@pytest.fixture(scope="module")
def detector_bytes() -> bytes:
    return open_pack("opencv").model_bytes("detector")


def test_a_provider_that_is_not_there_is_an_error_and_not_a_fallback(detector_bytes: bytes) -> None:
    with pytest.raises(ProviderUnavailable, match="CUDAExecutionProvider"):
        OnnxSession(detector_bytes, name="yunet", providers=["CUDAExecutionProvider", "CPUExecutionProvider"])


def test_threads_and_providers_can_be_read_back(detector_bytes: bytes) -> None:
    session = OnnxSession(detector_bytes, name="yunet", threads=1)
    assert session.threads == 1
    assert session.providers == ("CPUExecutionProvider",)
    assert OnnxSession(detector_bytes, name="yunet").threads == usable_cpus()


@pytest.mark.parametrize(
    ("content", "expected"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", None), ("nonsense", None)]
)
def test_container_quotas_are_respected(content: str, expected: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(content)
    unlimited = usable_cpus(tmp_path / "nowhere")
    assert usable_cpus(tmp_path) == (unlimited if expected is None else min(expected, unlimited))


def test_the_older_kind_of_quota_is_respected(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cpus(tmp_path) == 1


TELEMETRY_PROBE = """
from facematch.faces import FaceAnalyzer
from facematch.testing import synthetic_picture
FaceAnalyzer.from_pack("opencv").analyze([synthetic_picture([])])
"""


def test_the_runtime_reports_nothing_and_leaves_no_device_identifier(tmp_path: Path) -> None:
    """Official builds of ONNX Runtime do both by default, from their import on."""
    home = Settings().home
    elsewhere = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    off = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")
    environment = {name: value for name, value in os.environ.items() if name not in off}
    subprocess.run(
        [sys.executable, "-c", TELEMETRY_PROBE],
        env={**environment, **elsewhere, "FACEMATCH_HOME": str(home)},
        check=True,
        timeout=120,
    )
    assert list(tmp_path.iterdir()) == []
