"""The vault: keys in and out, rotation with every provider, endings, and what others may not do with it."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.errors import DatabaseCorrupt, KeyUnavailable, VaultCorrupt
from facematch.governance.keys import CallableKeys, FileKeys, StaticKeys, new_key, seal, unseal
from facematch.storage.encryption import SubjectCipher, TemplateIds
from facematch.storage.key_vault import KeyVault, require_unused, vault_path
from facematch.testing import FakeAnalyzer
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import PURPOSE, Bench, open_bench, picture

ID = "0b0e7a3c-5a52-4a52-9f0e-6c7f1c1f8d11"


@pytest.fixture
def keys() -> StaticKeys:
    return StaticKeys(new_key())


@pytest.fixture
def vault(tmp_path: Path, keys: StaticKeys) -> Iterator[KeyVault]:
    made = KeyVault.create(tmp_path / "a.vault", keys, ID)
    yield made
    made.close()


def test_a_vault_lies_beside_its_database_for_its_owner_only(tmp_path: Path, vault: KeyVault) -> None:
    assert vault_path(tmp_path / "a.db") == tmp_path / "a.db.vault"
    assert vault_path(None) is None
    assert stat.S_IMODE((tmp_path / "a.vault").stat().st_mode) == 0o600


def test_keys_are_made_once_read_listed_and_destroyed(vault: KeyVault) -> None:
    first, second = vault.make_key("subject:a", generation=3), vault.make_key("subject:b", generation=4)
    vault.make_key("signing")
    assert len(first) == 32
    assert first != second
    assert vault.key("subject:a") == first
    assert vault.keys("subject:") == {"a": first, "b": second}
    assert vault.names("subject:") == {"subject:a": 3, "subject:b": 4}
    assert set(vault.names()) == {"subject:a", "subject:b", "signing"}
    with pytest.raises(VaultCorrupt):
        vault.make_key("subject:a")
    assert vault.key("subject:a") == first
    assert vault.destroy("subject:a") is True
    assert vault.destroy("subject:a") is False
    with pytest.raises(KeyUnavailable, match="it was destroyed, or the vault is an older copy"):
        vault.key("subject:a")


def open_files(path: Path) -> list[str]:
    """The descriptors of this process on a file."""
    return [fd.name for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink() and str(fd.readlink()) == str(path)]


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough for a header " * 40, b"SQLite format 3\0" * 90]
)
def test_a_damaged_vault_stays_open_nowhere(tmp_path: Path, keys: StaticKeys, content: bytes) -> None:
    path = tmp_path / "damaged.vault"
    path.write_bytes(content)
    with path.open("rb"):
        assert len(open_files(path)) == 1
    with pytest.raises(VaultCorrupt) as caught:
        KeyVault.open(path, keys, ID)
    assert caught.value.__traceback__ is not None  # the frames are kept alive: only closing closes
    assert open_files(path) == []


def test_a_set_up_that_fails_at_its_keys_leaves_no_vault_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise KeyUnavailable("the disk is full")

    monkeypatch.setattr(KeyVault, "make_key", fail)
    path = tmp_path / "w.db"
    with pytest.raises(KeyUnavailable) as caught:
        Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer())
    assert caught.value.__traceback__ is not None
    assert (tmp_path / "w.db.vault").exists()
    assert open_files(tmp_path / "w.db.vault") == []


def test_a_prefix_is_no_pattern(vault: KeyVault) -> None:
    vault.make_key("subject:a")
    assert [vault.names("%"), vault.names("subject_"), vault.names("SUBJECT:")] == [{}, {}, {}]
    assert vault.keys("subject_") == {}


def test_no_key_lies_in_the_file_and_a_destroyed_one_is_overwritten(tmp_path: Path, vault: KeyVault) -> None:
    key = vault.make_key("subject:a")
    path = tmp_path / "a.vault"
    connection = sqlite3.connect(path)
    wrapped = connection.execute("SELECT wrapped FROM keys").fetchone()[0]
    connection.close()
    assert key not in path.read_bytes()
    assert wrapped in path.read_bytes()
    vault.destroy("subject:a")
    assert wrapped[:12] not in path.read_bytes()
    assert b"subject:a" not in path.read_bytes()


def test_keys_that_changed_places_or_were_renamed_open_nothing(tmp_path: Path, vault: KeyVault) -> None:
    vault.make_key("subject:a")
    vault.make_key("subject:b")
    connection = sqlite3.connect(tmp_path / "a.vault")
    connection.execute("UPDATE keys SET wrapped = (SELECT k.wrapped FROM keys k WHERE k.name != keys.name)")
    connection.commit()
    with pytest.raises(KeyUnavailable):
        vault.key("subject:a")
    with pytest.raises(KeyUnavailable):
        vault.keys("subject:")
    connection.execute("UPDATE keys SET name = 'subject:c' WHERE name = 'subject:a'")
    connection.commit()
    connection.close()
    with pytest.raises(KeyUnavailable):
        vault.key("subject:c")


def test_a_key_of_another_vault_under_the_same_provider_opens_nothing(tmp_path: Path, keys: StaticKeys) -> None:
    first = KeyVault.create(tmp_path / "a.vault", keys, ID)
    second = KeyVault.create(tmp_path / "b.vault", keys, "another")
    first.make_key("subject:a")
    second.make_key("subject:a")
    source, target = sqlite3.connect(tmp_path / "b.vault"), sqlite3.connect(tmp_path / "a.vault")
    row = source.execute("SELECT wrapped FROM keys").fetchone()
    target.execute("UPDATE keys SET wrapped = ?", row)
    target.commit()
    with pytest.raises(KeyUnavailable):
        first.key("subject:a")
    target.execute("UPDATE vault SET wrapped = ?", source.execute("SELECT wrapped FROM vault").fetchone())
    target.commit()
    with pytest.raises(KeyUnavailable):
        first.key("subject:a")
    for opened in (source, target, first, second):
        opened.close()


def test_opening_needs_the_very_key_and_the_very_watchlist(tmp_path: Path, vault: KeyVault, keys: StaticKeys) -> None:
    path = tmp_path / "a.vault"
    key = vault.make_key("subject:a")
    again = KeyVault.open(path, keys, ID)
    assert again.key("subject:a") == key
    again.close()
    with pytest.raises(KeyUnavailable):
        KeyVault.open(path, StaticKeys(new_key()), ID)
    with pytest.raises(VaultCorrupt, match="another watchlist"):
        KeyVault.open(path, keys, "another")
    with pytest.raises(KeyUnavailable, match="is missing"):
        KeyVault.open(tmp_path / "b.vault", keys, ID)
    assert not (tmp_path / "b.vault").exists()


def test_a_vault_in_use_is_not_replaced(tmp_path: Path, vault: KeyVault, keys: StaticKeys) -> None:
    path = tmp_path / "a.vault"
    KeyVault.create(path, keys, ID).close()  # it holds nobody's key yet
    again = KeyVault.open(path, keys, ID)
    require_unused(path)
    again.make_key("subject:a")
    for _ in range(2):
        with pytest.raises(VaultCorrupt, match="holds keys, but the database beside it is new"):
            KeyVault.create(path, keys, ID)
        again.destroy("subject:a")
        again.record_tombstones([("ERASED", "a", 5)])  # nor one that remembers an erasure
    again.close()


def test_rotation_locks_everything_anew_and_other_handles_follow(
    tmp_path: Path, vault: KeyVault, keys: StaticKeys
) -> None:
    other = KeyVault.open(tmp_path / "a.vault", keys, ID)
    key = vault.make_key("subject:a")
    assert other.key("subject:a") == key
    connection = sqlite3.connect(tmp_path / "a.vault")
    before = connection.execute("SELECT wrapped FROM keys UNION ALL SELECT wrapped FROM vault").fetchall()
    assert vault.rotate() == (keys.key_id, keys.key_id)
    after = connection.execute("SELECT wrapped FROM keys UNION ALL SELECT wrapped FROM vault").fetchall()
    connection.close()
    assert not set(before) & set(after)
    data = (tmp_path / "a.vault").read_bytes()
    assert [row for row in before if row[0][:12] in data] == []
    assert other.key("subject:a") == vault.key("subject:a") == key
    other.make_key("subject:b")
    assert vault.key("subject:b") == other.key("subject:b")
    other.close()


def test_endings_are_remembered_for_good_and_taken_back_only_as_noted(vault: KeyVault) -> None:
    vault.record_tombstones([("WITHDRAWN", "r1", 5), ("ERASED", "s1", 6)])
    vault.record_tombstones([("WITHDRAWN", "r1", 9)])
    assert vault.tombstones() == {"r1": ("WITHDRAWN", 5), "s1": ("ERASED", 6)}
    vault.remove_tombstones([("WITHDRAWN", "r1", 9), ("ERASED", "s1", 7)])
    assert vault.tombstones() == {"r1": ("WITHDRAWN", 5), "s1": ("ERASED", 6)}
    vault.remove_tombstones([("ERASED", "s1", 6)])
    assert vault.tombstones() == {"r1": ("WITHDRAWN", 5)}
    vault.note_generation(7)
    vault.note_generation(3)
    assert vault.high_water == 7


def test_a_copy_is_whole_private_and_replaces_the_one_before(tmp_path: Path, vault: KeyVault, keys: StaticKeys) -> None:
    key, target = vault.make_key("subject:a"), tmp_path / "copy"
    target.write_bytes(b"old")
    vault.copy_to(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    copy = KeyVault.open(target, keys, ID)
    assert copy.key("subject:a") == key
    copy.close()
    vault.destroy("subject:a")
    vault.copy_to(target)
    assert b"subject:a" not in target.read_bytes()
    with pytest.raises(KeyUnavailable, match="cannot be written"):
        vault.copy_to(tmp_path / "nowhere" / "copy")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.vault", "copy"]


def test_threads_may_use_one_vault(vault: KeyVault) -> None:
    def use(number: int) -> bool:
        key = vault.make_key(f"subject:{number}", generation=number)
        same = vault.key(f"subject:{number}") == key
        if number % 7 == 0:
            vault.rotate()
        return same and vault.key(f"subject:{number}") == key and vault.destroy(f"subject:{number}")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(60))) == [True] * 60
    assert vault.names() == {}


# --- the codec


@pytest.fixture
def codec(vault: KeyVault) -> SubjectCipher:
    vault.make_key("lookup")
    vault.make_key("rotation:1")
    vault.make_key("rotation:2")
    made = SubjectCipher(vault)
    made.new_subject("a", 0)
    made.new_subject("b", 0)
    return made


IDS = TemplateIds(7, "a", "record", "mark", "contract", 1, 3)


def test_a_template_opens_as_its_rotation_and_keeps_its_inner_products(codec: SubjectCipher) -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 128))
    plain = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    stored = np.stack([codec.decode(codec.encode(v, IDS), IDS, 128, key=codec.subject_key("a")) for v in plain])
    assert float(np.abs(stored - plain).max()) > 0.1
    assert np.array_equal(stored, codec.rotated(plain, 1))
    difference = stored.astype(np.float64) @ stored.astype(np.float64).T - plain.astype(np.float64) @ plain.T
    assert float(np.abs(difference).max()) < 1e-6


@pytest.mark.parametrize(
    "other",
    [
        replace(IDS, template_id=8),
        replace(IDS, consent_record_id="other"),
        replace(IDS, sample_mark="other"),
        replace(IDS, contract="other"),
        replace(IDS, rotation=2),
        replace(IDS, subject_ref="b"),
    ],
)
def test_a_template_opens_under_its_own_ids_only(codec: SubjectCipher, other: TemplateIds) -> None:
    sealed, key = codec.encode(np.eye(1, 16, dtype=np.float32)[0], IDS), codec.subject_key("a")
    with pytest.raises(DatabaseCorrupt, match="damaged or was moved"):
        codec.decode(sealed, other, 16, key=key)
    with pytest.raises(DatabaseCorrupt):
        codec.decode(sealed, IDS, 16, key=codec.subject_key("b"))
    with pytest.raises(DatabaseCorrupt, match="another length"):
        codec.decode(sealed, IDS, 17, key=key)
    with pytest.raises(DatabaseCorrupt, match="is damaged"):
        codec.decode("text", IDS, 16, key=key)  # type: ignore[arg-type]


def test_a_vector_without_unit_length_is_refused_when_it_is_read(codec: SubjectCipher) -> None:
    key = codec.subject_key("a")
    for vector in (np.full(16, 2.0, np.float32), np.zeros(16, np.float32), np.full(16, np.nan, np.float32)):
        with pytest.raises(DatabaseCorrupt, match="no unit length"):
            codec.decode(codec.encode(vector, IDS), IDS, 16, key=key)


@given(subject=st.text(max_size=30), text=st.text(max_size=30), what=st.text(max_size=10))
def test_sealed_text_opens_for_its_subject_and_its_place(
    tmp_path_factory: pytest.TempPathFactory, subject: str, text: str, what: str
) -> None:
    vault = KeyVault.create(None, StaticKeys(new_key()), ID)
    vault.make_key("lookup")
    codec = SubjectCipher(vault)
    reference = subject.encode("utf-8", "ignore").hex()
    codec.new_subject(reference, 0)
    codec.new_subject(reference + "x", 0)
    place, plain = what.encode("utf-8", "ignore").hex(), text.encode("utf-8", "ignore").decode()
    sealed = codec.seal_text(reference, plain, place)
    assert codec.unseal_text(reference, sealed, place) == plain
    with pytest.raises(DatabaseCorrupt):
        codec.unseal_text(reference, sealed, place + "0")
    with pytest.raises(DatabaseCorrupt):
        codec.unseal_text(reference + "x", sealed, place)
    vault.close()


def test_marks_are_equal_for_equal_values_of_one_kind_under_one_key(codec: SubjectCipher) -> None:
    assert codec.mark("subject", "x") == codec.lookup("x") != codec.mark("consent", "x")
    assert codec.sample_mark("a", "digest") == codec.sample_mark("a", "digest") != codec.sample_mark("b", "digest")
    other = KeyVault.create(None, StaticKeys(new_key()), ID)
    other.make_key("lookup")
    assert SubjectCipher(other).lookup("x") != codec.lookup("x")
    codec.destroy_subject("a")
    with pytest.raises(KeyUnavailable):
        codec.sample_mark("a", "digest")
    other.close()


# --- providers under a whole watchlist


def _open(path: Path, provider: StaticKeys | CallableKeys | FileKeys | None) -> Watchlist:
    return Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer(), keys=provider)


def test_a_watchlist_moves_from_one_static_key_to_the_next(tmp_path: Path) -> None:
    path, old, new = tmp_path / "a.db", new_key(), new_key()
    with open_bench(path, keys=StaticKeys(old)) as bench:
        bench.enroll("s", 1)
        before = bench.watchlist.keys.status()
    with pytest.raises(KeyUnavailable, match="FACEMATCH_PREVIOUS_KEYS") as caught:
        _open(path, StaticKeys(new))
    assert caught.value.hint is not None
    with open_bench(path, keys=StaticKeys(new, [old])) as bench:
        assert bench.found(1) == ["s"]
        after = bench.watchlist.keys.rotate()
        assert after == replace(before, provider_key=StaticKeys(new).key_id)
        entry = bench.last()
        assert (entry.action, dict(entry.details)) == (
            "rotate_key",
            {"from": before.provider_key, "to": after.provider_key},
        )
    with open_bench(path, keys=StaticKeys(new)) as bench:
        assert bench.found(1) == ["s"]
    with pytest.raises(KeyUnavailable):
        _open(path, StaticKeys(old))
    assert not path.with_name("a.db.key").exists()


class Service:
    """A key service that can lose its connection."""

    def __init__(self) -> None:
        self.held = {"k1": new_key()}
        self.up = True
        self.calls = 0

    def provider(self, key_id: str) -> CallableKeys:
        return CallableKeys(key_id, lambda key, context: seal(self._key(key_id), key, context), self._unwrap)

    def _unwrap(self, key_id: str, wrapped: bytes, context: bytes) -> bytes:
        return unseal(self._key(key_id), wrapped, context, what="it")

    def _key(self, key_id: str) -> bytes:
        self.calls += 1
        if not self.up:
            raise ConnectionError("the service is down")
        return self.held[key_id]


def test_a_watchlist_under_a_key_service_asks_it_once_and_fails_closed(tmp_path: Path) -> None:
    path, service = tmp_path / "a.db", Service()
    with open_bench(path, keys=service.provider("k1")) as bench:
        bench.enroll("s", 1)
    service.calls = 0
    with open_bench(path, keys=service.provider("k1")) as bench:
        for _ in range(5):
            assert bench.found(1) == ["s"]
        assert service.calls == 1
        service.up = False
        with pytest.raises(KeyUnavailable, match="ConnectionError"):
            bench.watchlist.keys.rotate()
        assert bench.last().outcome == "failed"
        assert bench.found(1) == ["s"]  # what is unlocked stays unlocked
    with pytest.raises(KeyUnavailable, match="the service is down"):
        _open(path, service.provider("k1"))
    service.up = True
    service.held["k2"] = new_key()
    with open_bench(path, keys=service.provider("k2")) as bench:
        assert bench.watchlist.keys.rotate().provider_key == "k2"
    del service.held["k1"]
    with open_bench(path, keys=service.provider("k2")) as bench:
        assert bench.found(1) == ["s"]


def test_a_service_that_is_down_leaves_no_half_made_watchlist(tmp_path: Path) -> None:
    path, service = tmp_path / "a.db", Service()
    service.up = False
    with pytest.raises(KeyUnavailable):
        _open(path, service.provider("k1"))
    service.up = True
    with open_bench(path, keys=service.provider("k1")) as bench:
        bench.enroll("s", 1)
        assert bench.found(1) == ["s"]


def test_a_key_file_turns_over_with_each_rotation(bench: Bench) -> None:
    file = FileKeys(bench.path.with_name(f"{bench.path.name}.key"))
    bench.enroll("s", 1)
    names = {file.key_id}
    for _ in range(4):
        state = bench.watchlist.keys.rotate()
        assert state.provider_key == file.key_id
        assert len(file._read()[1]) == 1
        names.add(file.key_id)
        assert bench.found(1) == ["s"]
    assert len(names) == 5


def test_two_handles_that_rotate_at_once_lock_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_bench(path) as first, open_bench(path) as second, open_bench(path) as third:
        first.enroll("s", 1)

        def rotate(bench: Bench) -> int:
            for _ in range(6):
                bench.watchlist.keys.rotate()
            return len(bench.found(1))

        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(rotate, (first, second, third))) == [1, 1, 1]
        assert len(FileKeys(path.with_name("a.db.key"))._read()[1]) == 1
    with open_bench(path) as bench:
        assert bench.found(1) == ["s"]


def test_a_rotation_under_way_elsewhere_keeps_its_key(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_bench(path) as bench:
        bench.enroll("s", 1)
        file = FileKeys(path.with_name("a.db.key"))
        real = bench.watchlist._session.resources.vault.rotate

        def rotate() -> tuple[str, str]:
            done = real()
            file.add_key()  # another process has begun the next rotation, and then dies
            return done

        bench.watchlist._session.resources.vault.rotate = rotate  # type: ignore[method-assign]
        bench.watchlist.keys.rotate()
        assert bench.watchlist.keys.status().provider_key in file._read()[1]
    with open_bench(path) as bench:
        assert bench.found(1) == ["s"]
        bench.watchlist.keys.rotate()
        assert len(file._read()[1]) == 1


def test_templates_are_renewed_under_a_new_rotation_and_found_as_before(bench: Bench) -> None:
    for number in range(4):
        bench.enroll(f"s{number}", number)
    before = bench.watchlist._session.resources.snapshot().vectors().copy()
    scores = [bench.watchlist.identify(picture(n, 1), purpose=PURPOSE, site="store-12").candidates[0] for n in range(4)]
    state = bench.watchlist.keys.renew_templates()
    after = bench.watchlist._session.resources.snapshot().vectors()
    assert state.rotation == 2
    again = [bench.watchlist.identify(picture(n, 1), purpose=PURPOSE, site="store-12").candidates[0] for n in range(4)]
    assert [c.subject_id for c in again] == [f"s{n}" for n in range(4)]
    assert [c.score for c in again] == pytest.approx([c.score for c in scores], abs=1e-6)
    assert float(np.abs(before - after).max()) > 0.1
    assert float(np.abs(np.sum(before * after, axis=1)).mean()) < 0.6
    assert bench.watchlist.keys.renew_templates().rotation == 3


def test_the_state_of_the_keys_shows_no_key(bench: Bench) -> None:
    bench.enroll("s", 1)
    state = bench.watchlist.keys.status()
    assert (state.subjects, state.rotation) == (1, 1)
    assert bytes.fromhex(state.signing_public_key) == bench.watchlist.audit.public_key
    secrets = [
        *bench.watchlist._session.resources.vault.keys("").values(),
        bench.watchlist._session.resources.vault._vault_key(),
    ]
    assert len(secrets) == 6
    assert [key for key in secrets if key.hex() in repr(state)] == []
