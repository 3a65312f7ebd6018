"""The file locks of a process hold whatever it does to a watchlist: no database file is opened outside SQLite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import FacematchError
from facematch.testing import FakeAnalyzer, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist
from tests import warm
from tests.integration.watchlist.conftest import Worker

WALKED = """
import json, os, sys
from pathlib import Path

folder = Path(sys.argv[1])
opened = []

def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        opened.append(os.path.abspath(os.fsdecode(arguments[0])))

from facematch.testing import FakeAnalyzer, ManualClock, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist

sys.addaudithook(hook)
url, clock = f"sqlite:///{folder / 'w.db'}", ManualClock()
first = Watchlist.open(url, actor="ana", analyzer=FakeAnalyzer(), clock=clock)
for number in range(3):
    consent = synthetic_consent(f"subject-{number}", now=clock.now)
    first.enroll(f"subject-{number}", synthetic_picture([number]), consent=consent)
second = Watchlist.open(url, actor="ana", analyzer=FakeAnalyzer(), clock=clock)
second.identify(synthetic_picture([1]), purpose="site-access")
second.verify("subject-1", synthetic_picture([1]), purpose="site-access")
second.preview_enrollment(synthetic_picture([1]), purpose="site-access")
copy = folder / "copy.db"
first.backup(copy, vault_copy=folder / "copy.vault")
held = Watchlist.open(f"sqlite:///{folder / 'other.db'}", actor="ana", analyzer=FakeAnalyzer())
certificate = first.erase("subject-0", reason="asked").certificate
first.verify_erasure(certificate, extra_files=[folder / "other.db", copy]).findings
first.keys.rotate()
first.keys.renew_templates()
first.withdraw("subject-1", reason="left")
first.rights.export("subject-2", folder / "subject.zip")
first.audit.verify().require()
first.audit.export(folder / "audit")
first.restore(copy)
first.restore(folder / "copy.db")
first.apply_retention()
first.reports.processing_record()
second.close()
first.close()
Watchlist.open(url, actor="ana", analyzer=FakeAnalyzer(), clock=clock).close()
json.dump(sorted(set(opened)), sys.stdout)
"""


def open_watchlist(path: Path, actor: str = "ana") -> Watchlist:
    return Watchlist.open(f"sqlite:///{path}", actor=actor, analyzer=FakeAnalyzer())


def enroll(watchlist: Watchlist, subject_id: str, person: int) -> int:
    return watchlist.enroll(subject_id, synthetic_picture([person]), consent=synthetic_consent(subject_id)).generation


def found(watchlist: Watchlist, person: int) -> list[str]:
    result = watchlist.identify(synthetic_picture([person]), purpose="site-access")
    return [candidate.subject_id for candidate in result.candidates]


def test_no_call_opens_a_database_file_outside_sqlite(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WALKED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    opened = [Path(name) for name in json.loads(done.stdout)]
    inside = {path.name for path in opened if path.is_relative_to(tmp_path)}
    databases = {name + end for name in ("w.db", "w.db.vault", "copy.db", "copy.vault", "other.db", "other.db.vault")
                 for end in ("", "-wal", "-shm", "-journal")}  # fmt: skip
    assert len(inside) > 5  # the hook hears of files
    assert sorted(inside & databases) == []


def _look(connection: Connection, path: Path) -> None:
    with open_watchlist(path) as watchlist:
        connection.send(f"{[record.subject_id for record in watchlist.subjects.list()]} {found(watchlist, 1)}")


def _beside(path: Path) -> str:
    """What another process sees that opens and closes the watchlist."""
    process, connection = warm.start(_look, path)
    with connection:
        seen = str(connection.recv())
    process.join(timeout=60)
    assert process.exitcode == 0
    return seen


def _open_again(watchlist: Watchlist, path: Path) -> None:
    open_watchlist(path, "ana").close()


def _verify_an_erasure(watchlist: Watchlist, path: Path) -> None:
    enroll(watchlist, "gone", 9)
    certificate = watchlist.erase("gone", reason="asked").certificate
    assert watchlist.verify_erasure(certificate).ok


def _restore_a_copy_that_is_open(watchlist: Watchlist, path: Path) -> None:
    copy = path.with_name("copy.db")
    watchlist.backup(copy)
    watchlist.verify_erasure(watchlist.erase("s-0", reason="asked").certificate, extra_files=[copy, path])


@pytest.mark.parametrize("act", [_open_again, _verify_an_erasure, _restore_a_copy_that_is_open])
def test_what_was_acknowledged_is_there_after_another_process_closed(
    tmp_path: Path, start_worker: Callable[[], Worker], act: Callable[[Watchlist, Path], None]
) -> None:
    path = tmp_path / "w.db"
    with open_watchlist(path) as watchlist:
        for person in range(3):
            enroll(watchlist, f"s-{person}", person)
        watchlist.actors.grant("worker", "owner")
        act(watchlist, path)
        log = path.with_name("w.db-wal")
        before = log.stat().st_ino
        _beside(path)
        assert log.stat().st_ino == before  # it is not deleted while this process has the watchlist open
        other = start_worker()
        other.ask("open", path=str(path))
        assert other.ask("search", person=1)["found"] == ["s-1"]
        watchlist.withdraw("s-1", reason="left")
        enroll(watchlist, "s-3", 3)
        assert other.ask("search", person=1)["found"] == []
        assert "s-3" in other.ask("subjects")
    assert "'s-3'" in _beside(path)
    assert _beside(path).endswith("[]")
    with open_watchlist(path) as again:
        assert again.audit.verify().findings == ()


def _requests(path: Path, number: int, times: int, out: list[Any]) -> None:
    """Open the watchlist, do one thing, close it; again and again, as a request handler would."""
    known: dict[str, tuple[str, int]] = {}
    wrong: list[str] = []
    errors: list[str] = []
    for count in range(1, times + 1):
        person = 1000 * number + count
        name = f"p{number}-{count}"
        try:
            with open_watchlist(path, "boss") as watchlist:
                enroll(watchlist, name, person)
                known[name] = ("enrolled", person)
            with open_watchlist(path, "boss") as watchlist:
                if name not in found(watchlist, person):
                    wrong.append(f"{name} is not found")
                if count % 3 == 0:
                    watchlist.withdraw(name, reason="left")
                    known[name] = ("withdrawn", person)
                    if name in found(watchlist, person):
                        wrong.append(f"{name} is found")
        except FacematchError as error:
            errors.append(f"{type(error).__name__}: {error}")
    out.append({"known": known, "wrong": wrong, "errors": errors})


def _process(path: Path, number: int, times: int, result: Path) -> None:
    out: list[Any] = []
    threads = [threading.Thread(target=_requests, args=(path, 10 * number + n, times, out)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.write_text(json.dumps(out))


def test_a_watchlist_opened_for_each_request_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.db"
    open_watchlist(path, "boss").close()
    children = []
    for number in (1, 2):
        child = os.fork()
        if child == 0:
            try:
                _process(path, number, 4, tmp_path / f"result-{number}")
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    answers = [answer for number in (1, 2) for answer in json.loads((tmp_path / f"result-{number}").read_text())]
    assert len(answers) == 6
    assert [error for answer in answers for error in answer["errors"]] == []
    assert [wrong for answer in answers for wrong in answer["wrong"]] == []
    known = {name: state for answer in answers for name, state in answer["known"].items()}
    assert len(known) == 2 * 3 * 4
    with open_watchlist(path, "boss") as watchlist:
        assert {record.subject_id for record in watchlist.subjects.list()} == set(known)
        returned = {name for name, (_, person) in known.items() if name in found(watchlist, person)}
        assert returned == {name for name, (state, _) in known.items() if state == "enrolled"}
        assert watchlist.audit.verify().findings == ()
