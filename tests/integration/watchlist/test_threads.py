"""One watchlist, many threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facematch.testing import FakeAnalyzer, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_threads_share_a_watchlist(tmp_path: Path, kind: str) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}" if kind == "file" else "sqlite://"
    with Watchlist.open(url, actor="ana", analyzer=FakeAnalyzer()) as watchlist:
        watchlist.enroll("stays", synthetic_picture([0]), consent=synthetic_consent("stays"))

        def search(_: int) -> list[str]:
            result = watchlist.identify(synthetic_picture([0]), purpose="site-access")
            return [candidate.subject_id for candidate in result.candidates]

        def live(number: int) -> list[bool]:
            name = f"s{number}"
            picture = synthetic_picture([number])
            seen = []
            watchlist.enroll(name, picture, consent=synthetic_consent(name))
            for step in (None, watchlist.withdraw, watchlist.erase):
                if step is not None:
                    step(name, reason="left")
                result = watchlist.identify(picture, purpose="site-access")
                seen.append(name in [candidate.subject_id for candidate in result.candidates])
            return seen

        work: list[tuple[Callable[[int], object], int]] = []
        for number in range(1, 15):
            work += [(live, number), (search, 0), (search, 0), (search, 0)]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda item: item[0](item[1]), work))
        lives = [answer for (task, _), answer in zip(work, answers, strict=True) if task is live]
        searches = [answer for (task, _), answer in zip(work, answers, strict=True) if task is search]
        assert lives == [[True, False, False]] * 14
        assert searches == [["stays"]] * 42
        entries = watchlist.audit.entries()
        assert len(entries) == 1 + 14 * 6 + 42
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
