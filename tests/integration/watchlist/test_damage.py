"""Damaged, missing and foreign files: a typed error or a right answer, nothing served, and nothing made anew."""

from __future__ import annotations

import base64
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.errors import (
    DatabaseCorrupt,
    FacematchError,
    InvalidArgument,
    KeyUnavailable,
    VaultCorrupt,
)
from facematch.governance.keys import StaticKeys, new_key
from facematch.testing import FakeAnalyzer, SyntheticFace, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist
from tests.examples import scaled

STRANGER = synthetic_picture([15])
FILES = ("a.db", "a.db.vault", "a.db.key")


def _open(path: Path) -> Watchlist:
    return Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer())


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole watchlist in it."""
    folder = tmp_path_factory.mktemp("sound")
    with _open(folder / "a.db") as watchlist:
        for number in range(6):
            name = f"s{number}"
            pictures = [synthetic_picture([SyntheticFace(number, variant)]) for variant in range(3)]
            watchlist.enroll(name, pictures, consent=synthetic_consent(name, sites=["store-12"] * (number % 2)))
        watchlist.withdraw("s5", reason="left")
        watchlist.erase("s4", reason="asked")
    for file in folder.glob(".*.lock"):
        file.unlink()
    assert sorted(file.name for file in folder.iterdir()) == sorted(FILES)
    return folder


def _copy(sound: Path, folder: Path) -> Path:
    shutil.copytree(sound, folder, dirs_exist_ok=True)
    return folder / "a.db"


def _use(path: Path) -> str:
    """Use everything; a code when it was refused. Anything but our errors fails the test."""
    try:
        with _open(path) as watchlist:
            result = watchlist.identify(STRANGER, purpose="site-access", site="store-12")
            assert result.candidates == ()
            found = watchlist.identify(synthetic_picture([5]), purpose="site-access", site="store-12")
            assert found.candidates == ()  # withdrawn
            found = watchlist.identify(synthetic_picture([4]), purpose="site-access", site="store-12")
            assert found.candidates == ()  # erased
            watchlist.identify(synthetic_picture([0]), purpose="site-access")
            for record in watchlist.subjects.list():
                watchlist.consents.list(record.subject_id)
            watchlist.audit.verify().require()
            watchlist.withdraw("s1", reason="left")
            watchlist.erase("s2", reason="asked")
            watchlist.enroll("s9", synthetic_picture([9]), consent=synthetic_consent("s9"))
            watchlist.keys.rotate()
    except FacematchError as error:
        return error.code
    return "used"


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 4, 40])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(16, len(data)) :]


def _blank(data: bytearray, rng: random.Random) -> None:
    page = rng.randrange(len(data) // 4096)
    data[page * 4096 : (page + 1) * 4096] = bytes([rng.choice([0, 255])]) * 4096


TYPED = {"used", "database_corrupt", "database_unavailable", "vault_corrupt", "key_unavailable", "audit_tampered"}


@pytest.mark.parametrize(
    ("name", "damage", "seeds"),
    [
        ("a.db", _flip, range(30)),
        ("a.db", _flip, range(30, 60)),
        ("a.db", _cut, range(15)),
        ("a.db", _blank, range(30)),
        ("a.db.vault", _flip, range(20)),
        ("a.db.vault", _flip, range(20, 40)),
        ("a.db.vault", _cut, range(15)),
        ("a.db.vault", _blank, range(10)),
        ("a.db.key", _flip, range(20)),
        ("a.db.key", _cut, range(10)),
    ],
)
def test_damage_is_reported_as_damage_or_does_no_harm(
    tmp_path: Path, sound: Path, name: str, damage: Callable[[bytearray, random.Random], None], seeds: range
) -> None:
    outcomes: Counter[str] = Counter()
    for seed in seeds:
        path = _copy(sound, tmp_path / str(seed))
        file = path.with_name(name)
        rng, data = random.Random(seed), bytearray(file.read_bytes())
        damage(data, rng)
        file.write_bytes(data)
        outcomes[_use(path)] += 1
    assert set(outcomes) <= TYPED | ({"database_too_new", "watchlist_error"} if name == "a.db" else set()), outcomes
    assert outcomes.total() - outcomes["used"] > len(seeds) // 10
    assert outcomes.total() == len(seeds)


@pytest.mark.parametrize(
    ("name", "error"), [("a.db", VaultCorrupt), ("a.db.vault", VaultCorrupt), ("a.db.key", KeyUnavailable)]
)
def test_an_empty_file_is_no_new_beginning(tmp_path: Path, sound: Path, name: str, error: type[FacematchError]) -> None:
    path = _copy(sound, tmp_path)
    path.with_name(name).write_bytes(b"")
    others = {other: path.with_name(other).read_bytes() for other in FILES if other != name}
    for _ in range(2):
        with pytest.raises(error):
            _open(path)
    assert {other: path.with_name(other).read_bytes() for other in others} == others
    shutil.copyfile(sound / name, path.with_name(name))
    assert _use(path) == "used"


@pytest.mark.parametrize(
    ("name", "error"), [("a.db", VaultCorrupt), ("a.db.vault", KeyUnavailable), ("a.db.key", KeyUnavailable)]
)
def test_a_missing_file_is_not_made_anew(tmp_path: Path, sound: Path, name: str, error: type[FacematchError]) -> None:
    path = _copy(sound, tmp_path)
    path.with_name(name).unlink()
    others = {other: path.with_name(other).read_bytes() for other in FILES if other != name}
    for _ in range(2):
        with pytest.raises(error):
            _open(path)
    assert {other: path.with_name(other).read_bytes() for other in others} == others
    if name != "a.db":  # an empty database beside its vault serves nothing and may stay
        assert not path.with_name(name).exists()
    shutil.copyfile(sound / name, path.with_name(name))
    path.with_name(name).chmod(0o600)
    assert _use(path) == "used"


def test_no_new_key_is_made_for_a_vault_that_was_locked_under_another(tmp_path: Path, sound: Path) -> None:
    path = _copy(sound, tmp_path)
    path.unlink()
    path.with_name("a.db.key").unlink()
    with pytest.raises(VaultCorrupt):
        _open(path)
    assert not path.with_name("a.db.key").exists()


def test_a_file_cut_to_half_is_found_when_it_is_opened(tmp_path: Path, sound: Path) -> None:
    path = _copy(sound, tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DatabaseCorrupt):
        _open(path)


def test_a_vault_of_another_watchlist_opens_nothing(tmp_path: Path, sound: Path) -> None:
    path = _copy(sound, tmp_path / "one")
    other = tmp_path / "other" / "a.db"
    other.parent.mkdir()
    with _open(other) as watchlist:
        watchlist.enroll("s", synthetic_picture([1]), consent=synthetic_consent("s"))
    shutil.copyfile(other.with_name("a.db.vault"), path.with_name("a.db.vault"))
    with pytest.raises(KeyUnavailable, match="locked under the key"):
        _open(path)
    shutil.copyfile(other.with_name("a.db.key"), path.with_name("a.db.key"))
    with pytest.raises(VaultCorrupt, match="belongs to another watchlist"):
        _open(path)


def test_a_database_that_stands_in_for_the_vault_is_refused(tmp_path: Path, sound: Path) -> None:
    path = _copy(sound, tmp_path)
    shutil.copyfile(path, path.with_name("a.db.vault"))
    with pytest.raises(VaultCorrupt):
        _open(path)
    shutil.copyfile(sound / "a.db.vault", path)
    shutil.copyfile(sound / "a.db.vault", path.with_name("a.db.vault"))
    with pytest.raises(DatabaseCorrupt):
        _open(path)


def test_an_older_copy_of_the_vault_serves_nobody_whose_key_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with _open(path) as watchlist:
        watchlist.enroll("first", synthetic_picture([1]), consent=synthetic_consent("first"))
    shutil.copyfile(path.with_name("a.db.vault"), tmp_path / "old")
    with _open(path) as watchlist:
        watchlist.enroll("second", synthetic_picture([2]), consent=synthetic_consent("second"))
    shutil.copyfile(tmp_path / "old", path.with_name("a.db.vault"))
    with _open(path) as watchlist:
        for person in (1, 2):
            with pytest.raises(KeyUnavailable, match="older copy"):
                watchlist.identify(synthetic_picture([person]), purpose="site-access")
        with pytest.raises(KeyUnavailable):
            watchlist.subjects.list()


def test_an_older_copy_of_the_vault_brings_back_no_erased_subject(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with _open(path) as watchlist:
        watchlist.enroll("gone", synthetic_picture([1]), consent=synthetic_consent("gone"))
        watchlist.enroll("stays", synthetic_picture([2]), consent=synthetic_consent("stays"))
        watchlist.enroll("left", synthetic_picture([3]), consent=synthetic_consent("left"))
    shutil.copyfile(path.with_name("a.db.vault"), tmp_path / "old")
    with _open(path) as watchlist:
        watchlist.erase("gone", reason="asked")
        watchlist.withdraw("left", reason="left")
    shutil.copyfile(tmp_path / "old", path.with_name("a.db.vault"))
    with _open(path) as watchlist:
        found = [watchlist.identify(synthetic_picture([n]), purpose="site-access").candidates for n in (1, 2, 3)]
        assert [[c.subject_id for c in row] for row in found] == [[], ["stays"], []]
        assert "WITHDRAWN" in {kind for kind, _ in watchlist._session.resources.vault.tombstones().values()}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, sound: Path, mode: int) -> None:
    path = _copy(sound, tmp_path)
    path.with_name("a.db.key").chmod(mode)
    with pytest.raises(KeyUnavailable, match="can be read by others"):
        _open(path)


def test_a_wrong_key_from_the_environment_opens_nothing(
    tmp_path: Path, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _copy(sound, tmp_path)
    before = {name: path.with_name(name).read_bytes() for name in FILES}
    monkeypatch.setenv("FACEMATCH_KEY", base64.b64encode(new_key()).decode())
    with pytest.raises(KeyUnavailable, match="locked under the key"):
        _open(path)
    with pytest.raises(KeyUnavailable):
        Watchlist.open(f"sqlite:///{path}", actor="ana", keys=StaticKeys(new_key()))
    assert {name: path.with_name(name).read_bytes() for name in FILES} == before
    monkeypatch.delenv("FACEMATCH_KEY")
    assert _use(path) == "used"


@pytest.mark.parametrize("text", ["x", "A" * 43, "not base64 at all !!", base64.b64encode(bytes(16)).decode()])
def test_a_malformed_key_in_the_environment_is_refused_and_not_repeated(
    tmp_path: Path, sound: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("FACEMATCH_KEY", text)
    for path in (_copy(sound, tmp_path / "old"), tmp_path / "new.db"):
        with pytest.raises((InvalidArgument, KeyUnavailable)) as caught:
            _open(path)
        assert text not in str(caught.value) or len(text) < 2
    assert not (tmp_path / "new.db.vault").exists()


# --- what is sealed cannot be moved

SWAPS = {
    "vectors of two templates of one subject": ("templates", "vector", "template_id IN (1, 2)"),
    "vectors of two subjects": ("templates", "vector", "template_id IN (1, 4)"),
    "samples of two templates": ("templates", "sample_mark", "template_id IN (1, 4)"),
    "subjects of two templates": ("templates", "subject", "template_id IN (1, 4)"),
    "consents of two templates": ("templates", "consent", "template_id IN (1, 4)"),
    "records of two consents": ("consents", "record", "id IN (1, 2)"),
    "subjects of two consents": ("consents", "subject", "id IN (1, 2)"),
    "ids of two records": ("consents", "record_id", "id IN (1, 2)"),
    "sealed names": ("subjects", "sealed_id", "id IN (1, 2)"),
    "references of two subjects": ("subjects", "subject_ref", "id IN (1, 2)"),
    "events of two consents": ("consent_events", "event", "consent IN (1, 2) AND position = 0"),
    "events of one consent": ("consent_events", "event", "consent = 6"),
    "sealed parts of two log entries": ("audit", "sealed", "sealed IS NOT NULL"),
}


@pytest.mark.parametrize("what", SWAPS)
def test_two_values_that_changed_places_are_found(tmp_path: Path, sound: Path, what: str) -> None:
    table, column, where = SWAPS[what]
    path = _copy(sound, tmp_path)
    if table == "audit":
        with _open(path) as watchlist:  # a second entry with something sealed in it
            watchlist.withdraw("s0", reason="left")
    connection = sqlite3.connect(path)
    triggers = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for (name,) in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    rows = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {where} ORDER BY rowid LIMIT 2").fetchall()
    assert len(rows) == 2
    assert rows[0][1] != rows[1][1]
    for rowid, value in ((rows[0][0], None), (rows[1][0], rows[0][1]), (rows[0][0], rows[1][1])):
        parked = f"parked-{rowid}" if isinstance(rows[0][1], str) else -1 if isinstance(rows[0][1], int) else b"parked"
        sql = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
        connection.execute(sql, (parked if value is None else value, rowid))
    connection.commit()
    connection.close()
    assert _looked_at(path) in {"database_corrupt", "audit_tampered", "key_unavailable"}


def _looked_at(path: Path) -> str:
    """Look at everything without changing anything; the first refusal's code."""
    try:
        with _open(path) as watchlist:
            watchlist.identify(STRANGER, purpose="site-access")
            for record in watchlist.subjects.list():
                watchlist.consents.list(record.subject_id)
            watchlist.audit.verify().require()
    except FacematchError as error:
        return error.code
    return "used"


def test_the_look_at_a_sound_watchlist_finds_nothing(tmp_path: Path, sound: Path) -> None:
    assert _looked_at(_copy(sound, tmp_path)) == "used"


@settings(max_examples=scaled(40), deadline=None)
@given(data=st.data())
def test_no_changed_byte_of_a_sealed_value_passes(
    tmp_path_factory: pytest.TempPathFactory, sound: Path, data: st.DataObject
) -> None:
    path = _copy(sound, tmp_path_factory.mktemp("sealed"))
    table, column = data.draw(
        st.sampled_from(
            [("templates", "vector"), ("consents", "record"), ("subjects", "sealed_id"), ("consent_events", "event")]
        )
    )
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    rows = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
    rowid, value = data.draw(st.sampled_from(rows))
    changed = bytearray(value)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (bytes(changed), rowid))
    connection.commit()
    connection.close()
    assert _looked_at(path) == "database_corrupt"
    shutil.rmtree(path.parent)


CLEAR = {
    "a withdrawn consent that is open again": "UPDATE consents SET state = 'GIVEN' WHERE state = 'WITHDRAWN'",
    "a consent that ends later": "UPDATE consents SET valid_until = valid_until + 1000000 WHERE id = 1",
    "a consent that begins earlier": "UPDATE consents SET valid_from = 0 WHERE id = 1",
    "a further purpose": "INSERT INTO consent_purposes VALUES (1, 'marketing')",
    "another site": "UPDATE consent_sites SET site = 'store-13'",
    "a consent for every site": "DELETE FROM consent_sites",
    "a further zone": "INSERT INTO consent_zones VALUES (1, 'door')",
    "an event less": "DELETE FROM consent_events WHERE consent = 6 AND position = 1",
}


@pytest.mark.parametrize("what", CLEAR)
def test_what_is_kept_in_the_clear_must_agree_with_the_sealed_record(tmp_path: Path, sound: Path, what: str) -> None:
    path = _copy(sound, tmp_path)
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    assert connection.execute(CLEAR[what]).rowcount >= 1
    connection.commit()
    connection.close()
    assert _looked_at(path) == "database_corrupt"
