from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from facematch.errors import (
    AuditError,
    ContractMismatch,
    DatabaseCorrupt,
    DatabaseTooNew,
    DatabaseUnavailable,
    DatabaseUnsupported,
    FacematchError,
    InvalidArgument,
    WatchlistClosed,
)
from facematch.settings import Settings
from facematch.storage import migrations
from facematch.storage.database import Database
from facematch.storage.schema import APPLICATION_ID, HEAD, REVISIONS, metadata
from facematch.testing import FakeAnalyzer
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import AUTHORIZATION, PURPOSE, Bench, open_bench, picture


def test_created_database_and_metadata_agree(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Database(f"sqlite:///{path}").close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert differences == []


def test_the_list_of_revisions_is_that_of_the_scripts() -> None:
    scripts = ScriptDirectory.from_config(migrations.config())
    found = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS
    assert scripts.get_current_head() == HEAD


def test_a_new_file_is_private_and_marked_as_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Database(f"sqlite:///{path}").close()
    assert path.stat().st_mode & 0o777 == 0o600
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_every_connection_is_set_up(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}", busy_timeout_s=2)
    wanted = {"foreign_keys": 1, "recursive_triggers": 1, "secure_delete": 1, "synchronous": 2, "busy_timeout": 2000}
    with database.read() as first, database.read() as second:
        for connection in (first, second):
            assert {p: connection.exec_driver_sql(f"PRAGMA {p}").scalar() for p in wanted} == wanted
    database.close()


def test_a_file_that_is_up_to_date_opens_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    Database(url).close()
    code = (
        "import sys; from facematch.storage.database import Database; "
        f"Database({url!r}).close(); sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_empty_file_becomes_a_new_database(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    with open_bench(tmp_path / "a.db", copied=False) as bench:
        bench.enroll("s", 1)
        assert bench.found(1) == ["s"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ana:secret@host/db",
        "mysql://host/db",
        "sqlite+aiosqlite:///a.db",
        "sqlite:///a.db?mode=ro",
        "sqlite:///file:a.db",
        "sqlite://host/a.db",
        "a.db",
        "",
        None,
        7,
    ],
)
def test_other_kinds_of_url_are_refused(url: Any) -> None:
    with pytest.raises(DatabaseUnsupported) as caught:
        Watchlist.open(url)
    assert "secret" not in str(caught.value)
    assert "sqlite:///" in (caught.value.hint or "")


def test_a_missing_folder_a_folder_and_a_pipe_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing/a.db", "", "pipe"):
        with pytest.raises(DatabaseUnavailable) as caught:
            Watchlist.open(f"sqlite:///{tmp_path}/{name}")
        assert caught.value.hint
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("name", ["a\0b.db", "x" * 300])
def test_impossible_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        Watchlist.open(f"sqlite:///{tmp_path}/{name}")


def test_names_with_spaces_and_other_letters_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "Empfang größer 顔 100%.db"
    with open_bench(path, copied=False) as bench:
        bench.enroll("s", 1)
    with open_bench(path) as bench:
        assert bench.found(1) == ["s"]


def test_a_later_change_of_folder_does_not_move_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Watchlist.open("sqlite:///a.db", analyzer=FakeAnalyzer()) as watchlist:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert watchlist.subjects.list() == ()
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("content", [b"hello", b"SQLite format 2\0" + b"x" * 100, os.urandom(5000), b"\0"])
def test_a_file_that_is_no_sqlite_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseCorrupt):
        Watchlist.open(f"sqlite:///{path}")
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("application", [0, 77])
def test_the_database_of_another_application_is_left_alone(tmp_path: Path, application: int) -> None:
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id = {application}")
    connection.execute("CREATE TABLE notes (text)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseCorrupt, match="not a facematch database"):
        Watchlist.open(f"sqlite:///{path}")
    assert path.read_bytes() == before


def _change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_later_schema_is_refused(bench: Bench) -> None:
    bench.watchlist.close()
    _change(bench.path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseTooNew, match="9999"):
        Watchlist.open(f"sqlite:///{bench.path}")


@pytest.mark.parametrize(
    "statement", ["DROP TABLE alembic_version", "DELETE FROM alembic_version", "DROP TABLE meta", "DELETE FROM meta"]
)
def test_a_database_that_lost_its_head_is_damaged(bench: Bench, statement: str) -> None:
    bench.watchlist.close()
    _change(bench.path, statement)
    with pytest.raises(DatabaseCorrupt), Watchlist.open(f"sqlite:///{bench.path}") as watchlist:
        watchlist.subjects.list()


def _flipped(vector: bytes) -> str:
    changed = bytearray(vector)
    changed[5] ^= 1
    return f"UPDATE templates SET vector = x'{changed.hex()}'"


@pytest.mark.parametrize(
    "damage",
    [
        _flipped,
        lambda _: "UPDATE templates SET vector = x''",
        lambda _: "UPDATE templates SET vector = 'text'",
        lambda _: "UPDATE templates SET sample_mark = 'other'",
        lambda _: "UPDATE templates SET template_id = 77",
        lambda _: "UPDATE templates SET consent = 999",
        lambda _: "UPDATE meta SET contract_digest = 'x'",
        lambda _: "UPDATE meta SET dimension = 3",
        lambda _: "UPDATE meta SET rotation = 0",
        lambda _: "UPDATE subjects SET subject_ref = 'other'",
        lambda _: "UPDATE consents SET valid_until = valid_until + 1",
        lambda _: "UPDATE consents SET valid_from = 0",
        lambda _: "UPDATE consents SET clear_mark = ''",
        lambda _: "UPDATE consent_purposes SET purpose = 'marketing'",
        lambda _: "INSERT INTO consent_purposes VALUES (1, 'marketing')",
        lambda _: "DELETE FROM consent_sites",
        lambda _: "INSERT INTO consent_zones VALUES (1, 'till')",
        lambda _: "UPDATE consents SET valid_until = 'never'",
    ],
)
def test_damaged_rows_are_found_when_they_are_read(bench: Bench, damage: Callable[[bytes], str]) -> None:
    bench.enroll("s", 1)
    bench.watchlist.close()
    vector = bench.analyzer.embedding(1).astype("<f4").tobytes()
    _change(bench.path, damage(vector))
    with pytest.raises(DatabaseCorrupt) as caught, open_bench(bench.path, clock=bench.clock) as again:
        again.found(1)
    assert caught.value.hint


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE consents SET record = '{'",
        "UPDATE consents SET record = '[]'",
        "UPDATE consents SET record = 'null'",
        "UPDATE consents SET state = 'RENEWED'",
        "DELETE FROM consent_events",
    ],
)
def test_damaged_consent_records_are_found_when_they_are_read(bench: Bench, damage: str) -> None:
    bench.enroll("s", 1)
    _change(bench.path, damage)
    with pytest.raises(DatabaseCorrupt):
        bench.watchlist.consents.list("s")


def test_a_lock_that_stays_too_long(bench: Bench) -> None:
    database = Database(f"sqlite:///{bench.path}", busy_timeout_s=0.2)
    holder = sqlite3.connect(bench.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="locked"), database.write(AUTHORIZATION):
        pass
    holder.execute("ROLLBACK")
    with database.write(AUTHORIZATION) as connection:
        assert connection.exec_driver_sql("SELECT generation FROM meta").scalar() == 0
    holder.close()
    database.close()


def test_an_erasure_that_a_reader_holds_up_says_so_and_is_finished_later(tmp_path: Path) -> None:
    with open_bench(tmp_path / "a.db", copied=False) as bench:
        bench.enroll("s-unmistakable", 1)
        bench.watchlist._session.resources.database._busy_timeout_s = 0.2
        reader = sqlite3.connect(bench.path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM subjects").fetchone()
        with pytest.raises(DatabaseUnavailable, match="rows are erased"):
            bench.watchlist.erase("s-unmistakable", reason="asked")
        assert bench.watchlist.subjects.list() == ()
        reader.close()
    with open_bench(tmp_path / "a.db", copied=False):
        files = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"s-unmistakable" not in files


def test_a_full_disk_undoes_the_enrollment(tmp_path: Path) -> None:
    with open_bench(tmp_path / "a.db", copied=False) as bench:
        bench.enroll("s", 1)
        database = bench.watchlist._session.resources.database
        with database.read() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        many = [picture(2, n) for n in range(100)]
        with pytest.raises((DatabaseUnavailable, AuditError)) as caught:
            bench.watchlist.enroll("t", many, consent=bench.consent("t"))
        assert "full" in str(caught.value)
        with database.read() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        assert [s.subject_id for s in bench.watchlist.subjects.list()] == ["s"]
        assert bench.found(1) == ["s"]
        bench.enroll("t", 2)
        assert bench.found(2) == ["t"]


def test_errors_of_the_database_hold_no_parameters(tmp_path: Path) -> None:
    with open_bench(tmp_path / "a.db", copied=False) as bench:
        _change(bench.path, "DROP TABLE templates")
        with pytest.raises(FacematchError) as caught:
            bench.enroll("s-unmistakable", 1)
        chain = [caught.value, caught.value.__cause__, caught.value.__context__]
        assert "s-unmistakable" not in "".join(str(link) for link in chain)


def test_closing_twice_is_fine_and_using_afterwards_is_not(bench: Bench) -> None:
    bench.watchlist.close()
    bench.watchlist.close()
    calls: list[Callable[[], Any]] = [
        lambda: bench.enroll("s", 1),
        lambda: bench.found(1),
        lambda: bench.watchlist.identify_faces([], purpose=PURPOSE),
        lambda: bench.watchlist.verify("s", picture(1), purpose=PURPOSE),
        lambda: bench.watchlist.withdraw("s", reason="r"),
        lambda: bench.watchlist.erase("s", reason="r"),
        bench.watchlist.subjects.list,
        bench.watchlist.subjects.count_templates,
        lambda: bench.watchlist.consents.list("s"),
        bench.watchlist.audit.entries,
        bench.watchlist.audit.verify,
        bench.watchlist.policies.current,
        bench.watchlist.actors.list,
        bench.watchlist.keys.status,
        bench.watchlist.approvals.list,
        bench.watchlist.apply_retention,
        lambda: bench.watchlist.analyzer,
        bench.watchlist.__enter__,
    ]
    codes = []
    for call in calls:
        with pytest.raises(WatchlistClosed) as caught:
            call()
        codes.append(caught.value.code)
    assert codes == ["watchlist_closed"] * len(calls)


def test_records_can_be_kept_without_a_model(bench: Bench) -> None:
    bench.enroll("s", 1)
    with Watchlist.open(f"sqlite:///{bench.path}", actor="ana", pack="there-is-no-such-pack") as watchlist:
        assert [s.subject_id for s in watchlist.subjects.list()] == ["s"]
        assert watchlist.subjects.count_templates().templates == 1
        watchlist.withdraw("s", reason="left")
        watchlist.erase("s", reason="asked")
        assert watchlist.subjects.list() == ()


def test_the_model_is_loaded_once_and_checked_against_the_enrolled_contract(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    import facematch.faces

    loaded: list[str] = []

    class Pack:
        @staticmethod
        def from_pack(pack: str, **_: Any) -> FakeAnalyzer:
            loaded.append(pack)
            return FakeAnalyzer(name=pack)

    monkeypatch.setattr(facematch.faces, "FaceAnalyzer", Pack)
    bench.enroll("s", 1)
    with Watchlist.open(f"sqlite:///{bench.path}", actor="ana", pack="fake", clock=bench.clock) as watchlist:
        assert loaded == []
        watchlist.identify(picture(1), purpose=PURPOSE)
        watchlist.identify(picture(1), purpose=PURPOSE)
        assert watchlist.analyzer is watchlist.analyzer
        assert loaded == ["fake"]
    other = Watchlist.open(f"sqlite:///{bench.path}", actor="ana", pack="other", clock=bench.clock)
    with other, pytest.raises(ContractMismatch, match="enrolled with fake"):
        other.identify(picture(1), purpose=PURPOSE)


def test_the_actor_comes_from_the_argument_the_settings_or_the_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "from-login")
    actors = []
    for options in ({"actor": "ana", "settings": Settings(actor="ben")}, {"settings": Settings(actor="ben")}, {}):
        chosen: dict[str, Any] = dict(options)
        with Watchlist.open("sqlite://", **chosen) as watchlist:
            actors.append(watchlist.actor)
    assert actors == ["ana", "ben", "from-login"]


@pytest.mark.parametrize(
    "options",
    [{"actor": ""}, {"actor": "a\n"}, {"threshold": 2}, {"threshold": "x"}, {"index": "no-such-index"}],
)
def test_bad_arguments_of_open_create_no_file(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        Watchlist.open(f"sqlite:///{tmp_path / 'a.db'}", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("index", ["auto", "exact"])
def test_registered_indexes_can_be_chosen(tmp_path: Path, index: str) -> None:
    with open_bench(tmp_path / "a.db", index=index) as bench:
        bench.enroll("s", 1)
        assert bench.found(1) == ["s"]


def test_a_url_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(DatabaseUnsupported):
        Watchlist.open("sqlite:////tmp/\udcff.db")
