"""Keys from the command line: from the environment, from a file, wrong ones, and their rotation."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from facematch.cli.output import ExitCode
from facematch.governance.keys import FileKeys
from facematch.governance.keys.providers import id_of
from tests.e2e.desk import Desk

LOCKED = (ExitCode.WATCHLIST, "key_unavailable")


def key(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


def name(byte: int) -> str:
    return id_of(bytes([byte]) * 32)


def test_a_key_in_the_environment_is_rotated_with_the_earlier_one_beside_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEMATCH_KEY", key(1))
    desk.record("boss", "s-1")
    assert desk.ask("boss", "keys", "show")["provider_key"] == name(1)
    assert not desk.database.with_name("w.db.key").exists()
    monkeypatch.setenv("FACEMATCH_KEY", key(2))
    assert desk.refused("boss", "subjects") == LOCKED
    monkeypatch.setenv("FACEMATCH_PREVIOUS_KEYS", key(1))
    assert desk.ask("boss", "keys", "show")["provider_key"] == name(1)
    assert desk.ask("boss", "keys", "rotate")["provider_key"] == name(2)
    monkeypatch.delenv("FACEMATCH_PREVIOUS_KEYS")
    assert list(desk.states("boss")) == ["s-1"]
    monkeypatch.setenv("FACEMATCH_KEY", key(1))
    assert desk.refused("boss", "subjects") == LOCKED
    monkeypatch.setenv("FACEMATCH_KEY", "no key")
    assert desk.refused("boss", "subjects") == (ExitCode.INPUT, "invalid_argument")


def test_a_key_file_may_lie_elsewhere_and_is_never_made_for_a_watchlist_that_is_there(desk: Desk) -> None:
    safe = desk.folder / "safe"
    safe.mkdir()
    file = safe / "store.key"
    desk.ask("boss", "consent", "record", "s-1", *desk.consent(), "--key-file", file)
    assert not desk.database.with_name("w.db.key").exists()
    first = desk.ask("boss", "keys", "show", "--key-file", file)["provider_key"]
    assert first == FileKeys(file).key_id
    rotated = desk.ask("boss", "keys", "rotate", "--key-file", file)["provider_key"]
    assert (rotated, rotated == first) == (FileKeys(file).key_id, False)
    assert desk.refused("boss", "subjects") == LOCKED
    other = safe / "other.key"
    assert desk.refused("boss", "subjects", "--key-file", other) == LOCKED
    assert not other.exists()
    FileKeys.create(other)
    assert desk.refused("boss", "subjects", "--key-file", other) == LOCKED
    file.chmod(0o644)
    assert desk.refused("boss", "subjects", "--key-file", file) == LOCKED
    file.chmod(0o600)
    assert len(desk.ask("boss", "subjects", "--key-file", file)["subjects"]) == 1


def test_renewed_templates_give_the_same_candidates(desk: Desk, astronaut_path: Path) -> None:
    desk.ask("boss", "enroll", "s-1", astronaut_path, *desk.consent())
    search = ("identify", astronaut_path, "--purpose", "site-access")
    before = desk.ask("boss", *search)["probes"]
    assert desk.ask("boss", "keys", "renew-templates")["rotation"] == 2
    after = desk.ask("boss", *search)["probes"]
    (old,), (new,) = before[0]["candidates"], after[0]["candidates"]
    assert (new["subject_id"], new["score"]) == ("s-1", pytest.approx(old["score"], abs=1e-5))


def test_doctor_says_where_the_key_comes_from_and_never_the_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = desk.database.with_name("w.db.key")
    fresh = desk.ask("boss", "doctor")
    assert (fresh["key"]["file"], fresh["key"]["state"]) == (str(beside), "not created yet")
    assert not beside.exists()
    desk.record("boss", "s-1")
    found = desk.ask("boss", "doctor")
    assert (found["key"]["key_id"], found["database"]["subjects"]) == (FileKeys(beside).key_id, 1)
    assert found["key"]["warning"].startswith("the key file lies beside the database")
    secret = json.loads(beside.read_text("utf-8"))["keys"][FileKeys(beside).key_id]
    status, table, err = desk.run("boss", "doctor")
    assert (status, secret in table.replace("\n", "") + err, secret in str(found)) == (ExitCode.OK, False, False)

    monkeypatch.setenv("FACEMATCH_KEY", key(7))
    status, out, _ = desk.run("boss", "doctor", "--json")
    report = json.loads(out)
    assert (status, report["database"]["error"]["code"]) == (ExitCode.WATCHLIST, "key_unavailable")
    assert report["key"] == {"source": "FACEMATCH_KEY", "key_id": name(7)}
    assert key(7) not in out


def test_doctor_tells_an_actor_who_may_not_count_that_the_database_opens(desk: Desk) -> None:
    desk.record("boss", "s-1")
    desk.ask("boss", "actors", "grant", "cy", "operator")
    report = desk.ask("cy", "doctor")
    assert (report["sound"], report["database"]["policy"]) == (True, "access-control")
    assert "none permits 'list_subjects'" in report["database"]["counts"]
    assert "'stranger' has no role" in desk.ask("stranger", "doctor")["database"]["counts"]
