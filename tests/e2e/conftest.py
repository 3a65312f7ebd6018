"""Fixtures of the whole stories."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The command line on a database of its own, without keys from the environment."""
    monkeypatch.delenv("FACEMATCH_KEY", raising=False)
    monkeypatch.delenv("FACEMATCH_PREVIOUS_KEYS", raising=False)
    return Desk(tmp_path, capsys, monkeypatch)
