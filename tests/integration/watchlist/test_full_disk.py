"""A disk that is full: a typed error, and a watchlist that is still whole."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import FacematchError
from facematch.testing import SyntheticFace, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist
from tests.integration.watchlist.churn import open_watchlist

ACTIONS: dict[str, Callable[[Watchlist], object]] = {
    "enroll": lambda w: w.enroll("new", synthetic_picture([9]), consent=synthetic_consent("new")),
    "withdraw": lambda w: w.withdraw("s0", reason="left"),
    "erase": lambda w: w.erase("s0", reason="asked"),
    "rotate": lambda w: w.keys.rotate(),
    "renew_templates": lambda w: w.keys.renew_templates(),
    "search": lambda w: w.identify(synthetic_picture([0]), purpose="site-access"),
    "complain": lambda w: w.rights.open_complaint("s0", ground="not me").complaint_id,
    "suspend": lambda w: w.suspensions.add(reason="a fault"),
}


def _in_a_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` returns in a process of its own, whose limits do not reach this one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(writing, json.dumps(work()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        data = stream.read()
    _, status = os.waitpid(child, 0)
    assert status == 0
    found: dict[str, Any] = json.loads(data)
    return found


def _limited(path: Path, action: str, room: int) -> dict[str, Any]:
    """Open, forbid every file to grow past what the largest has and ``room`` more, act, and say what came of it."""
    with open_watchlist(path) as watchlist:
        watchlist.identify(synthetic_picture([5]), purpose="site-access")
        largest = max(file.stat().st_size for file in path.parent.iterdir())
        smallest = 0 if room < 0 else largest + room
        resource.setrlimit(resource.RLIMIT_FSIZE, (smallest, resource.RLIM_INFINITY))
        try:
            ACTIONS[action](watchlist)
            outcome = "done"
        except FacematchError as error:
            outcome = error.code
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        result: dict[str, Any] = {"outcome": outcome, "stops": len(watchlist.suspensions.list())}
        if not result["stops"]:
            found = watchlist.identify(synthetic_picture([0]), purpose="site-access").candidates
            result["found"] = [candidate.subject_id for candidate in found]
        return result


def _made(path: Path) -> Path:
    with open_watchlist(path) as watchlist:
        for number in range(8):
            pictures = [synthetic_picture([SyntheticFace(number, variant)]) for variant in range(3)]
            watchlist.enroll(f"s{number}", pictures, consent=synthetic_consent(f"s{number}"))
    return path


@pytest.mark.parametrize("room", [-1, 0, 4096, 16384, 65536])
@pytest.mark.parametrize("action", ACTIONS)
def test_what_does_not_fit_is_refused_and_nothing_is_half_done(tmp_path: Path, action: str, room: int) -> None:
    path = _made(tmp_path / "a.db")
    result = _in_a_child(lambda: _limited(path, action, room))
    assert result["outcome"] in {"done", "database_unavailable", "key_unavailable", "audit_failed"}
    if room < 0:
        assert result["outcome"] != "done"
    ended = action in {"withdraw", "erase", "complain"}
    if result["outcome"] == "done" and ended:
        assert result["found"] == []
    with open_watchlist(path) as watchlist:
        assert watchlist.audit.verify().findings == ()
        listed = [record.subject_id for record in watchlist.subjects.list()]
        assert watchlist.keys.status().subjects == len(listed)
        expected = {f"s{number}" for number in range(8)}
        if result["outcome"] == "done":
            expected |= {"new"} if action == "enroll" else set()
            expected -= {"s0"} if action == "erase" else set()
        assert expected - {"s0"} <= set(listed) <= expected | {"s0"}
        assert ("s0" in listed) or action == "erase"
        if action == "suspend":
            assert len(watchlist.suspensions.list()) == result["stops"] == (result["outcome"] == "done")
            return
        found = watchlist.identify(synthetic_picture([0]), purpose="site-access").candidates
        if not ended:
            assert [candidate.subject_id for candidate in found] == ["s0"]
        elif result["found"] == []:  # what had ended for the process that tried has ended for good
            assert found == ()
        assert watchlist.keys.rotate().subjects == len(listed)
        watchlist.enroll("after", synthetic_picture([11]), consent=synthetic_consent("after"))
        watchlist.erase("s1", reason="asked")
