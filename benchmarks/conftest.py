"""Fixtures of the benchmarks."""

from __future__ import annotations

from importlib import resources

import pytest

from facematch.imaging import decode
from facematch.types import Image


@pytest.fixture(scope="session")
def group() -> Image:
    """insightface's own picture of six people."""
    return decode(str(resources.files("insightface") / "data" / "images" / "t1.jpg")).pixels
