"""Where keys come from: files, values, key services, and what each refuses."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facematch.errors import InvalidArgument, KeyUnavailable
from facematch.governance.keys import CallableKeys, FileKeys, StaticKeys, new_key, seal, unseal
from facematch.governance.keys.providers import id_of
from facematch.protocols import KeyProvider

CONTEXT = b"a watchlist"


def _file(folder: Path) -> FileKeys:
    return FileKeys.create(folder / "a.key")


def _static(folder: Path) -> StaticKeys:
    return StaticKeys(new_key())


def _service(folder: Path) -> CallableKeys:
    key = new_key()
    return CallableKeys(
        "kms/7",
        lambda plain, context: seal(key, plain, context),
        lambda key_id, wrapped, context: unseal(key, wrapped, context + b"" * len(key_id), what="it"),
    )


@pytest.mark.parametrize("made", [_file, _static, _service])
def test_what_a_provider_wraps_it_unwraps(tmp_path: Path, made: Callable[[Path], KeyProvider]) -> None:
    provider, key = made(tmp_path), new_key()
    assert isinstance(provider, KeyProvider)
    wrapped = provider.wrap(key, CONTEXT)
    assert key not in wrapped
    assert provider.unwrap(provider.key_id, wrapped, CONTEXT) == key
    with pytest.raises(KeyUnavailable):
        provider.unwrap(provider.key_id, wrapped, b"another watchlist")
    with pytest.raises(KeyUnavailable):
        provider.unwrap(provider.key_id, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), CONTEXT)


# --- values


def test_earlier_keys_unwrap_and_the_current_one_wraps() -> None:
    old, new, key = new_key(), new_key(), new_key()
    wrapped = StaticKeys(old).wrap(key, CONTEXT)
    both = StaticKeys(new, [old])
    assert both.key_id == id_of(new)
    assert both.unwrap(id_of(old), wrapped, CONTEXT) == key
    assert StaticKeys(new).unwrap(id_of(new), both.wrap(key, CONTEXT), CONTEXT) == key
    with pytest.raises(KeyUnavailable, match="FACEMATCH_PREVIOUS_KEYS"):
        StaticKeys(new).unwrap(id_of(old), wrapped, CONTEXT)


def test_the_current_key_stays_current_when_it_is_listed_as_an_earlier_one_too() -> None:
    key = new_key()
    assert StaticKeys(key, [key]).key_id == id_of(key)


def test_keys_come_from_base64_text() -> None:
    old, new = new_key(), new_key()
    texts = [base64.b64encode(key).decode() for key in (new, old)]
    provider = StaticKeys.from_text(texts[0], [texts[1]])
    assert provider.key_id == id_of(new)
    assert provider.unwrap(id_of(old), StaticKeys(old).wrap(new, CONTEXT), CONTEXT) == new


@pytest.mark.parametrize("text", ["", "x", "é" * 44, "A" * 43, base64.b64encode(bytes(31)).decode(), "A" * 44 + "\n"])
def test_text_that_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        StaticKeys.from_text(text)
    assert caught.value.hint is not None
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("key", [b"", bytes(16), bytes(33), "A" * 32, None])
def test_bytes_that_are_no_key_are_refused(key: object) -> None:
    with pytest.raises(InvalidArgument, match="32 bytes"):
        StaticKeys(key)  # type: ignore[arg-type]


@pytest.mark.parametrize("made", [_file, _static])
def test_no_text_about_a_provider_holds_its_key(tmp_path: Path, made: Callable[[Path], StaticKeys | FileKeys]) -> None:
    provider = made(tmp_path)
    keys = provider._keys if isinstance(provider, StaticKeys) else provider._read()[1]
    with pytest.raises(KeyUnavailable) as caught:
        provider.unwrap("0" * 16, b"", CONTEXT)
    said = repr(provider) + str(caught.value) + str(caught.value.hint) + provider.key_id
    assert len(keys) == 1
    for key in keys.values():
        assert not any(form in said for form in (key.hex(), base64.b64encode(key).decode(), repr(key)))


def test_the_name_of_a_key_does_not_give_it_away() -> None:
    key = new_key()
    assert id_of(key) != id_of(new_key())
    assert len(id_of(key)) == 16
    assert id_of(key) not in key.hex()


# --- files


def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = FileKeys.create(tmp_path / "a.key")
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert FileKeys.create(first.path).key_id == first.key_id
    assert {stat.S_IMODE(file.stat().st_mode) & 0o077 for file in tmp_path.iterdir()} == {0}


def test_many_threads_that_make_one_file_get_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: FileKeys.create(tmp_path / "a.key").key_id, range(16)))
    assert len(set(made)) == 1


def test_a_key_is_added_used_and_the_earlier_ones_retired(tmp_path: Path) -> None:
    keys, plain = FileKeys.create(tmp_path / "a.key"), new_key()
    old, wrapped = keys.key_id, keys.wrap(plain, CONTEXT)
    new = keys.add_key()
    assert keys.key_id == new != old
    assert keys.unwrap(old, wrapped, CONTEXT) == plain
    rewrapped = keys.wrap(plain, CONTEXT)
    assert keys.retire() == (old,)
    assert keys.retire() == ()
    assert FileKeys(keys.path).unwrap(new, rewrapped, CONTEXT) == plain
    with pytest.raises(KeyUnavailable, match="right key file"):
        keys.unwrap(old, wrapped, CONTEXT)
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622, 0o777, 0o610])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    keys = FileKeys.create(tmp_path / "a.key")
    keys.path.chmod(mode)
    with pytest.raises(KeyUnavailable, match="read by others") as caught:
        _ = keys.key_id
    assert caught.value.hint == f"chmod 600 {keys.path}"
    keys.path.chmod(0o600)
    assert len(keys.key_id) == 16


def test_a_file_that_is_missing_is_not_made_by_reading(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path / "a.key")
    for use in (lambda: keys.key_id, lambda: keys.wrap(new_key(), CONTEXT), keys.add_key, keys.retire):
        with pytest.raises(KeyUnavailable, match="there is no key file"):
            use()
    assert not keys.path.exists()


def _content(**changes: object) -> bytes:
    key = new_key()
    document = {
        "format": "facematch-key-file-1",
        "current": id_of(key),
        "keys": {id_of(key): base64.b64encode(key).decode()},
    }
    return json.dumps({**document, **changes}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        _content(format="facematch-key-file-2"),
        _content(current="0" * 16),
        _content(current=None),
        _content(keys=[]),
        _content(keys={}),
        _content(keys={"0" * 16: base64.b64encode(bytes(32)).decode()}, current="0" * 16),
        _content(keys={id_of(bytes(32)): "short"}, current=id_of(bytes(32))),
        _content(keys={id_of(bytes(32)): 5}, current=id_of(bytes(32))),
    ],
    ids=range(14),
)
def test_a_file_that_is_no_key_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(content)
    path.chmod(0o600)
    keys = FileKeys(path)
    for use in (lambda: keys.key_id, keys.add_key, keys.retire):
        with pytest.raises(KeyUnavailable, match="empty, damaged or no key file"):
            use()
    assert FileKeys.create(path).path.read_bytes() == content


def test_every_flipped_bit_of_a_key_file_is_found_or_does_no_harm(tmp_path: Path) -> None:
    keys = FileKeys.create(tmp_path / "a.key")
    sound, expected = keys.path.read_bytes(), keys._read()
    refused = 0
    for position in range(len(sound)):
        damaged = bytearray(sound)
        damaged[position] ^= 1
        keys.path.write_bytes(damaged)
        try:
            assert keys._read() == expected, position
        except KeyUnavailable:
            refused += 1
    assert refused > len(sound) // 2


def test_a_folder_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(KeyUnavailable, match="does not exist"):
        FileKeys.create(tmp_path / "a file" / "a.key")
    with pytest.raises(KeyUnavailable, match="mkdir"):
        FileKeys.create(tmp_path / "none" / "a.key")
    assert not (tmp_path / "none").exists()
    (tmp_path / "a.key").mkdir(mode=0o700)
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        _ = FileKeys(tmp_path / "a.key").key_id


# --- services


class ServiceDown(RuntimeError):
    pass


def test_whatever_a_service_raises_is_a_missing_key() -> None:
    def down(*_: object) -> bytes:
        raise ServiceDown("503")

    keys = CallableKeys("kms/7", down, down)
    assert keys.key_id == "kms/7"
    with pytest.raises(KeyUnavailable, match="the key service failed: ServiceDown: 503") as caught:
        keys.wrap(new_key(), CONTEXT)
    assert isinstance(caught.value.__cause__, ServiceDown)
    with pytest.raises(KeyUnavailable, match="503"):
        keys.unwrap("kms/7", b"", CONTEXT)


@pytest.mark.parametrize("answer", [b"", bytes(31), "A" * 32, None, bytearray(32)])
def test_an_answer_that_is_no_key_is_refused(answer: object) -> None:
    keys = CallableKeys("kms/7", lambda *_: b"", lambda *_: answer)  # type: ignore[arg-type]
    with pytest.raises(KeyUnavailable, match="no key"):
        keys.unwrap("kms/7", b"", CONTEXT)
