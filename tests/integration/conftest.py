"""What several integration tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def evaluation_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One evaluation folder for the whole run: LFW is embedded once."""
    return tmp_path_factory.mktemp("evaluation")
