"""A gallery file that is being written when the process dies, or the disk fills, is whole, old, or not there."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import time
from pathlib import Path

import pytest

from facematch.gallery import gallery
from facematch.gallery.cache_file import gallery_path
from facematch.testing import FakeAnalyzer, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist
from tests import warm
from tests.integration.watchlist.gallery_processes import DIMENSION, compact, write

PEOPLE = 40


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a watchlist with people and a gallery file, to be copied."""
    folder = tmp_path_factory.mktemp("enrolled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "WORTH_SAVING", 1)
        with _opened(folder / "a.db") as watchlist:
            for number in range(PEOPLE):
                watchlist.enroll(f"s{number}", synthetic_picture([number]), consent=synthetic_consent(f"s{number}"))
            watchlist._session.resources.snapshot()
    return folder


@pytest.fixture
def path(tmp_path: Path, enrolled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(gallery, "WORTH_SAVING", 1)
    shutil.copytree(enrolled, tmp_path, dirs_exist_ok=True)
    assert gallery_path(tmp_path / "a.db").exists()
    return tmp_path / "a.db"


def _opened(path: Path) -> Watchlist:
    return Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer(DIMENSION))


def _found(watchlist: Watchlist, number: int) -> list[str]:
    result = watchlist.identify(synthetic_picture([number]), purpose="site-access")
    return [candidate.subject_id for candidate in result.candidates]


def test_a_writer_that_is_killed_leaves_a_gallery_that_is_right(path: Path) -> None:
    rng = random.Random(5)
    killed = 0
    for _ in range(8):
        writer, connection = warm.start(write, path, True)
        with connection:
            assert connection.recv() == "ready"
            time.sleep(rng.uniform(0.0, 0.2))
            writer.kill()
            writer.join(timeout=60)
            killed += writer.exitcode == -signal.SIGKILL
        number = rng.randrange(PEOPLE)
        with _opened(path) as watchlist:
            assert _found(watchlist, number) == [f"s{number}"]
            assert watchlist.audit.verify().findings == ()
    assert killed == 8
    with _opened(path) as watchlist:
        watchlist.erase("s3", reason="asked")  # what the killed writers left goes too
        assert list(path.parent.glob(".*.part")) == []
        assert _found(watchlist, 3) == []


@pytest.mark.parametrize("part", ["vectors", "codes"])
def test_a_process_that_is_killed_while_it_compacts_leaves_a_gallery_that_is_right(path: Path, part: str) -> None:
    process, connection = warm.start(compact, path, part)
    with connection:
        assert connection.recv() == "ready"
        with pytest.raises(EOFError):  # an erasure compacts before it returns
            connection.recv()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL
    with _opened(path) as watchlist:
        assert watchlist.audit.verify().findings == ()
        left = {subject.subject_id for subject in watchlist.subjects.list()}
        assert {f"s{number}" for number in range(PEOPLE)} - left <= {"s5"}
        for number in range(PEOPLE):
            assert _found(watchlist, number) == ([f"s{number}"] if f"s{number}" in left else [])
        if "s5" in left:  # killed before it was decided: nothing has happened
            watchlist.erase("s5", reason="asked")
        assert _found(watchlist, 5) == []


def _saved_under_a_limit(path: Path, limit: int) -> int:
    """The exit status of a child that saves while no file may grow past ``limit`` bytes."""
    child = os.fork()
    if child == 0:
        code = 9
        try:
            with _opened(path) as watchlist:
                core = watchlist._session.resources
                snapshot = core.snapshot()
                core.gallery._saved = None
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
                core.gallery.save_if_due()
                unsaved = vars(core.gallery)["_saved"] is None
                code = 0 if unsaved and snapshot is core.snapshot() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("limit", [0, 100, 40_000])
def test_a_disk_that_fills_while_the_file_is_written_leaves_the_old_one(path: Path, limit: int) -> None:
    before = gallery_path(path).read_bytes()
    assert _saved_under_a_limit(path, limit) == 0
    assert gallery_path(path).read_bytes() == before
    assert list(path.parent.glob(".*.part")) == []
    with _opened(path) as watchlist:
        assert _found(watchlist, 7) == ["s7"]


def test_two_processes_save_and_erase_at_once_and_no_file_holds_the_erased(path: Path) -> None:
    writer, connection = warm.start(write, path, False)
    with connection:
        assert connection.recv() == "ready"
        with _opened(path) as watchlist:
            for number in range(6):
                erased = watchlist.erase(f"s{number}", reason="asked")
                assert erased.certificate is not None
                assert watchlist.verify_erasure(erased.certificate).ok
        writer.kill()
        writer.join(timeout=60)
    with _opened(path) as watchlist:
        saved = watchlist._session.resources.gallery._file
        assert saved is not None
        loaded = saved.load(watchlist._session.resources.gallery.new_index(DIMENSION))
        names = set() if loaded is None else set(loaded.columns.subject_ids)
        assert names.isdisjoint({f"s{number}" for number in range(6)})
        assert _found(watchlist, 2) == []
        assert _found(watchlist, 20) == ["s20"]
