"""What the audit costs a search: the whole path from the picture to the answer, with and without its audit entry."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from timing import median_ratio

from facematch.faces import FaceAnalyzer
from facematch.governance import AuditRecord
from facematch.settings import Settings
from facematch.testing import synthetic_consent
from facematch.watchlist import Watchlist


def test_the_audit_takes_little_of_a_search(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analyzer = FaceAnalyzer.from_pack("opencv", settings=Settings())
    portrait = Path(str(resources.files("skimage") / "data" / "astronaut.png"))
    with Watchlist.open(f"sqlite:///{tmp_path / 'w.db'}", actor="ana", analyzer=analyzer) as watchlist:
        watchlist.enroll("s", portrait, consent=synthetic_consent("s"))
        core = watchlist._session.resources  # noqa: SLF001 - the benchmark takes one part away
        append = core.append_audit
        entries: list[bool] = []

        def search(audited: bool) -> list[str]:
            entries.append(audited)
            return [c.subject_id for c in watchlist.identify(portrait, purpose="site-access").candidates]

        def switch(connection: Any, records: Sequence[AuditRecord]) -> None:
            if entries[-1]:
                append(connection, records)

        monkeypatch.setattr(core.group_commit, "_append", switch)
        assert search(True) == search(False) == ["s"]
        before = len(watchlist.audit)
        benchmark.extra_info["times_longer_with_audit"] = median_ratio(
            lambda: search(True), lambda: search(False), rounds=41
        )
        assert len(watchlist.audit) == before + 42
        benchmark(lambda: search(True))
