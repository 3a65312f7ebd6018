"""What people read where no program asks for JSON, and the files that commands write."""

from __future__ import annotations

import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from facematch.cli.files import private_folder, read_bytes, rescued, reserved, write_private
from facematch.cli.output import ExitCode, exit_code
from facematch.errors import (
    AuditTampered,
    BackupInvalid,
    ErasureUnproven,
    FacematchError,
    InvalidArgument,
    KeyUnavailable,
    PolicyInvalid,
    ReceiptInvalid,
    SeparationOfDuties,
    Suspended,
    VaultCorrupt,
    ZoneClosed,
)
from tests.e2e.desk import Desk

RETAIL = {
    "purpose": "loss-prevention",
    "site": "store-12",
    "category": "barred-after-theft",
    "incident": "i-7",
    "source": "incident-footage",
}


def words(desk: Desk, *arguments: object) -> str:
    status, out, err = desk.run("boss", *arguments)
    assert (status, err) == (ExitCode.OK, "")
    return out


def test_people_read_what_governs(desk: Desk) -> None:
    assert words(desk, "actors", "grant", "[b]ana[/b]", "operator", "reviewer") == "[b]ana[/b] has operator, reviewer\n"
    assert "[b]ana[/b]" in words(desk, "actors", "list")
    assert words(desk, "actors", "revoke", "[b]ana[/b]") == "[b]ana[/b] has no role\n"
    grounds = ("--basis", "consent", "--notice", "sign-3", "--assessment", "dpia-7")
    assert words(desk, "zones", "open", "store-12", "door", *grounds) == "zone door of site store-12 is open\n"
    assert "sign-3" in words(desk, "zones", "list")
    assert words(desk, "zones", "close", "store-12", "door") == "zone door of site store-12 is closed\n"
    assert "suspension 1" in words(desk, "suspend", "--reason", "why not", "--site", "store-12", "--zone", "door")
    assert "why not" in words(desk, "suspensions")
    assert "until another person agrees" in words(desk, "resume", "1")
    desk.ask("boss", "actors", "grant", "po", "privacy-officer")
    assert desk.run("po", "resume", "1")[1] == "suspension 1 is lifted\n"
    assert "Every search must name a zone" in words(desk, "policy", "check", "retail-watchlist")
    assert "retail-watchlist" in words(desk, "policy", "profiles")
    differs = words(desk, "policy", "check", "retail-watchlist", "--against", "access-control")
    assert "dual_control" in differs
    assert "no rule differs" in words(desk, "policy", "check", "retail-watchlist", "--against", "retail-watchlist")
    assert words(desk, "policy", "set", "retail-watchlist").startswith("version 2, retail-watchlist, rules from ")
    shown = words(desk, "policy", "show")
    assert "set by boss" in shown
    assert shown.count("not enforced by this version: ") == 3
    assert "access-control" in words(desk, "policy", "history")


def test_people_read_what_becomes_of_a_subject(desk: Desk) -> None:
    filed = words(desk, "consent", "record", "s-1", *desk.consent(recipient="Example Auditors"))
    assert filed.startswith("filed consent record ")
    again = desk.file("again.pdf", "signed again")
    assert words(desk, "consent", "renew", "s-1", "--evidence", again).startswith("renewed until ")
    receipt, page = desk.folder / "receipt.json", desk.folder / "page.json"
    assert words(desk, "consent", "receipt", "s-1", "--out", receipt) == f"the receipt is in {receipt}\n"
    assert "is genuine; compared: signature\n" in words(desk, "consent", "verify", receipt)
    handed = ("--recipient", "Example Auditors", "--reason", "audit", "--out", page)
    assert words(desk, "rights", "disclose", "s-1", *handed) == f"what Example Auditors may have is in {page}\n"
    archive = desk.folder / "s-1.zip"
    assert str(archive) in words(desk, "rights", "export", "s-1", archive)
    assert words(desk, "rights", "complain", "s-1", "--ground", "g").startswith("complaint 1: ")
    assert words(desk, "rights", "decide", "1", "--dismissed").startswith("complaint 1 is dismissed")
    assert words(desk, "rights", "complain", "s-1", "--ground", "g").startswith("complaint 2: ")
    assert words(desk, "rights", "decide", "2", "--upheld").startswith("complaint 2 is upheld")
    assert words(desk, "consent", "revoke", "s-1", "--reason", "r").startswith("revoked at ")
    erased = words(desk, "erase", "s-1", "--reason", "r", "--certificate", desk.folder / "c.json")
    assert erased.endswith(f"the certificate is in {desk.folder / 'c.json'}; no other copy is kept\n")
    assert words(desk, "erase", "--verify", desk.folder / "c.json").startswith("the erasure is proved; ")
    assert "subjects would be erased" in words(desk, "retention", "run", "--dry-run")
    assert "subjects erased" in words(desk, "retention", "run")


def test_people_read_of_an_enrollment_that_waits(desk: Desk, astronaut_path: Path) -> None:
    consent = desk.consent(**RETAIL)
    out = words(desk, "enroll", "s-1", astronaut_path, *consent, "--policy", "retail-watchlist")
    assert "enrollment 1 waits for another actor" in out
    assert "s-1" in words(desk, "approvals", "list")
    desk.ask("boss", "actors", "grant", "bo", "approver")
    assert desk.run("bo", "approvals", "approve", "1")[1].startswith("approved enrollment 1, generation ")
    out = words(desk, "enroll", "s-2", astronaut_path, *consent)
    assert "Look-alikes" in out
    assert words(desk, "approvals", "reject", "2", "--reason", "r") == "rejected enrollment 2; 1 templates deleted\n"


def test_people_read_of_the_log_the_keys_and_the_backups(desk: Desk) -> None:
    desk.record("boss", "s-1")
    assert "record_consent, done" in words(desk, "audit", "show", "--limit", "1")
    assert words(desk, "audit", "verify").startswith("the log verifies: 2 entries, root ")
    kept, folder, proof = desk.folder / "kept.txt", desk.folder / "export", desk.folder / "proof.json"
    assert words(desk, "audit", "checkpoint", "--out", kept) == f"checkpoint 1 of 3 entries is in {kept}\n"
    assert "without --checkpoint" not in words(desk, "audit", "verify", "--checkpoint", kept)
    assert words(desk, "audit", "export", folder).startswith(f"the log is in {folder}; ")
    assert words(desk, "audit", "prove", "1", "--out", proof).startswith("the proof of entry 1 in a log of ")
    assert len(words(desk, "audit", "public-key")) == 65
    assert "public key" in words(desk, "keys", "show")
    backup, vault = desk.folder / "b.db", desk.folder / "b.vault"
    assert str(vault) in words(desk, "backup", backup, "--vault-copy", vault)
    assert "two people" in words(desk, "restore", backup, "--yes")
    binary = desk.folder / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert desk.refused("boss", "audit", "verify", "--checkpoint", binary) == (ExitCode.INPUT, "invalid_argument")


@pytest.mark.parametrize("error", [SeparationOfDuties, Suspended, ZoneClosed, PolicyInvalid, ReceiptInvalid])
def test_what_governance_refuses_exits_with_4(error: type[FacematchError]) -> None:
    assert exit_code(error("why")) == 4


@pytest.mark.parametrize("error", [KeyUnavailable, VaultCorrupt, AuditTampered, ErasureUnproven, BackupInvalid])
def test_what_is_wrong_with_the_watchlist_exits_with_6(error: type[FacematchError]) -> None:
    assert exit_code(error("why")) == 6


@contextmanager
def no_room(size: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_exists_nowhere_else_is_not_lost_when_the_disk_is_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "certificate\n" * 10
    path = tmp_path / "c.json"
    with pytest.raises(InvalidArgument, match="cannot be written"), reserved(path) as write, no_room(50):
        rescued(write, text)
    assert (path.exists(), capsys.readouterr().err) == (False, text)
    with reserved(path) as write:
        rescued(write, text)
    assert (path.read_text("utf-8"), capsys.readouterr().err) == (text, "")


def test_files_are_new_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new.json"
    write_private(path, "Zoë")
    assert (read_bytes(path), stat.S_IMODE(path.stat().st_mode)) == ("Zoë".encode(), 0o600)
    with pytest.raises(InvalidArgument, match="is there already"):
        write_private(path, "other")
    with reserved(tmp_path / "never.json"):
        assert (tmp_path / "never.json").exists()
    assert not (tmp_path / "never.json").exists()
    assert stat.S_IMODE(private_folder(tmp_path / "a" / "b").stat().st_mode) == 0o700
    for broken in (path, path / "below"):
        with pytest.raises(InvalidArgument):
            private_folder(broken)
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_bytes(tmp_path)
