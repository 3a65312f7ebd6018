from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.watchlist.support import Bench, open_bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path / "watchlist.db") as made:
        yield made
