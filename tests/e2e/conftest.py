"""Fixtures of the whole stories."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.desk import Desk


@pytest.fixture(autouse=True, scope="session")
def heed_ctrl_c() -> Iterator[None]:
    """Processes that the tests start heed Ctrl-C also where these tests run in the background and ignore it."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The command line on a database of its own, without keys from the environment."""
    monkeypatch.delenv("FACEMATCH_KEY", raising=False)
    monkeypatch.delenv("FACEMATCH_PREVIOUS_KEYS", raising=False)
    return Desk(tmp_path, capsys, monkeypatch)
