"""Governance from the command line: whole stories, with the people who take part in them."""

from __future__ import annotations

import io
import json
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import cv2
import pytest

from facematch.cli.output import ExitCode
from facematch.faces import FaceAnalyzer
from facematch.governance.audit import InclusionProof
from facematch.governance.certificates import verify_certificate
from facematch.matching import Calibration
from facematch.types import Image
from tests.e2e.desk import Desk

BARRED = {
    "purpose": "loss-prevention",
    "site": "store-12",
    "category": "barred-after-theft",
    "incident": "i-7",
    "source": "incident-footage",
}
ENTRANCE = ("--purpose", "loss-prevention", "--site", "store-12", "--zone", "entrance")


def artifact(analyzer: FaceAnalyzer, path: Path) -> Path:
    """A calibration that was measured today, as far as the policy can see."""
    made = Calibration(
        contract=analyzer.contract.digest,
        models="opencv",
        rule="max",
        gallery_size=10,
        templates=2,
        people=400,
        target_fpir=0.01,
        threshold=0.5,
        errors=0,
        fpir_upper=0.0075,
        confidence=0.95,
        data="made up",
        seed=0,
        data_digest="cd" * 32,
        measured_at=f"{datetime.now(UTC):%Y-%m-%d}",
        tool_version="0",
    )
    path.write_text(made.to_json(), "utf-8")
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_under_the_retail_profile_nobody_is_found_before_a_second_person_approved(
    desk: Desk, analyzer: FaceAnalyzer, astronaut_path: Path
) -> None:
    held = desk.ask("boss", "actors", "grant", "ana", "enroller", "--policy", "retail-watchlist")
    assert held == {"actor": "ana", "roles": ["enroller"]}
    desk.ask("boss", "actors", "grant", "bo", "approver")
    desk.ask("boss", "actors", "grant", "cy", "operator")
    assert desk.refused("boss", "actors", "grant", "ana", "approver") == (ExitCode.REFUSED, "separation_of_duties")
    assert desk.refused("ana", "actors", "grant", "ana", "owner") == (ExitCode.REFUSED, "access_denied")
    listed = {item["actor"]: item["roles"] for item in desk.ask("ana", "actors", "list")["actors"]}
    assert listed == {"ana": ["enroller"], "bo": ["approver"], "boss": ["owner"], "cy": ["operator"]}
    desk.ask("boss", "calibration", "set", artifact(analyzer, desk.folder / "site.json"))
    grounds = ("--basis", "legitimate-interest", "--notice", "sign-3", "--assessment", "dpia-7")
    opened = desk.ask("boss", "zones", "open", "store-12", "entrance", *grounds)
    assert (opened["zone"], opened["opened_by"]) == ("entrance", "boss")

    vague = desk.consent(**(BARRED | {"incident": None}))
    assert desk.refused("ana", "enroll", "s-1", astronaut_path, *vague) == (ExitCode.REFUSED, "policy_refused")
    enrollment = desk.ask("ana", "enroll", "s-1", astronaut_path, *desk.consent(**BARRED))
    assert enrollment["state"] == "pending"
    number = enrollment["enrollment_id"]
    assert [probe["candidates"] for probe in desk.ask("cy", "identify", astronaut_path, *ENTRANCE)["probes"]] == [[]]
    waiting = desk.ask("bo", "approvals", "list")["pending"]
    assert [(item["enrollment_id"], item["subject_id"], item["actor"]) for item in waiting] == [(number, "s-1", "ana")]
    assert desk.refused("ana", "approvals", "approve", number) == (ExitCode.REFUSED, "access_denied")
    assert desk.ask("bo", "approvals", "approve", number)["decision"] == "approved"
    assert desk.refused("bo", "approvals", "approve", number) == (ExitCode.REFUSED, "approval_not_found")

    found = desk.ask("cy", "identify", astronaut_path, *ENTRANCE)
    assert [[c["subject_id"] for c in probe["candidates"]] for probe in found["probes"]] == [["s-1"]]
    elsewhere = (*ENTRANCE[:-1], "stockroom")
    assert desk.refused("cy", "identify", astronaut_path, *elsewhere) == (ExitCode.REFUSED, "zone_closed")
    assert desk.refused("cy", "identify", astronaut_path, *ENTRANCE[:-2]) == (ExitCode.REFUSED, "policy_refused")
    assert desk.refused("ana", "identify", astronaut_path, *ENTRANCE) == (ExitCode.REFUSED, "access_denied")
    desk.ask("boss", "zones", "close", "store-12", "entrance")
    assert desk.ask("boss", "zones", "list") == {"zones": []}
    assert desk.refused("cy", "identify", astronaut_path, *ENTRANCE) == (ExitCode.REFUSED, "zone_closed")


def test_whoever_prepared_an_enrollment_cannot_approve_it_with_any_role(desk: Desk, astronaut_path: Path) -> None:
    consent = desk.consent(**BARRED)
    enrollment = desk.ask("boss", "enroll", "s-1", astronaut_path, *consent, "--policy", "retail-watchlist")
    number = enrollment["enrollment_id"]
    assert desk.refused("boss", "approvals", "approve", number) == (ExitCode.REFUSED, "separation_of_duties")
    taken_back = desk.ask("boss", "approvals", "reject", number, "--reason", "wrong person")
    assert (taken_back["enrollment_id"], taken_back["decision"], taken_back["templates"]) == (number, "rejected", 1)
    assert desk.ask("boss", "approvals", "list") == {"pending": []}


def test_pictures_below_the_quality_gate_need_a_reason_and_a_second_person(desk: Desk, astronaut: Image) -> None:
    blurred = desk.folder / "blurred.png"
    cv2.imwrite(str(blurred), cv2.GaussianBlur(astronaut, (0, 0), 6))
    consent = desk.consent()
    assert desk.refused("boss", "enroll", "s-1", blurred, *consent) == (ExitCode.REFUSED, "quality_too_low")
    why = ("--quality-override", "no better picture exists")
    enrollment = desk.ask("boss", "enroll", "s-1", blurred, *consent, *why)
    assert (enrollment["state"], len(enrollment["template_ids"])) == ("pending", 1)
    number = enrollment["enrollment_id"]
    assert desk.refused("boss", "approvals", "approve", number) == (ExitCode.REFUSED, "separation_of_duties")
    desk.ask("boss", "actors", "grant", "bo", "approver")
    assert desk.ask("bo", "approvals", "approve", number)["decision"] == "approved"
    assert desk.states("boss") == {"s-1": "active"}


def test_a_recording_is_searched_only_in_an_open_zone(desk: Desk, astronaut: Image) -> None:
    recording = desk.folder / "door.mp4"
    writer = cv2.VideoWriter(str(recording), cv2.VideoWriter.fourcc(*"mp4v"), 10, astronaut.shape[1::-1])
    for _ in range(6):
        writer.write(astronaut)
    writer.release()
    search = ("video", recording, "--purpose", "site-access", "--site", "store-12", "--zone", "door")
    assert desk.refused("boss", *search) == (ExitCode.REFUSED, "zone_closed")
    grounds = ("--basis", "consent", "--notice", "sign-3", "--assessment", "dpia-7")
    desk.ask("boss", "zones", "open", "store-12", "door", *grounds)
    result = desk.ask("boss", *search)
    assert (result["frames"], result["passages"], result["alerts"]) == (6, 1, [])
    for more in (("--min-frames", 7), ("--min-seconds", 0.6)):
        assert desk.ask("boss", *search, *more)["passages"] == 0
    for enough in (("--min-frames", 6), ("--min-seconds", 0.5)):
        assert desk.ask("boss", *search, *enough)["passages"] == 1


def test_a_url_that_no_source_reads_is_refused_and_its_password_is_not_printed(desk: Desk) -> None:
    search = ("video", "rtsp://ana:s3cret@10.0.0.7/door", "--purpose", "site-access", "--site", "store-12")
    assert desk.refused("boss", *search) == (ExitCode.INPUT, "source_unknown")
    status, out, err = desk.run("boss", *search)
    assert status == ExitCode.INPUT
    assert "rtsp://" in out + err
    assert "s3cret" not in out + err


def test_an_erasure_is_certified_and_the_certificate_proves_it(desk: Desk) -> None:
    desk.record("boss", "subject-unmistakable")
    assert desk.refused("boss", "erase", "nobody", "--reason", "r") == (ExitCode.WATCHLIST, "subject_not_found")
    ended = desk.ask("boss", "withdraw", "subject-unmistakable", "--reason", "left")
    assert ended["state"] == "WITHDRAWN"
    before = desk.folder / "before.db"
    desk.ask("boss", "backup", before)
    certificate = desk.folder / "certificate.json"
    erased = desk.ask("boss", "erase", "subject-unmistakable", "--reason", "asked", "--certificate", certificate)
    assert (erased["consent_records_erased"], erased["certificate_file"]) == (1, str(certificate))
    assert mode(certificate) == 0o600
    key = bytes.fromhex(desk.ask("boss", "audit", "public-key")["public_key"])
    assert verify_certificate(certificate.read_text("utf-8"), public_key=key) == erased["certificate"]

    after = desk.folder / "after.db"
    desk.ask("boss", "backup", after)
    proved = desk.ask("boss", "erase", "--verify", certificate, "--also", after)
    assert (proved["ok"], proved["findings"]) == (True, [])
    assert str(after) in proved["files"]
    left = desk.file("list.csv", "subject-unmistakable;")
    also = ("--also", left, "--also", before)
    status, out, _ = desk.run("boss", "erase", "--verify", certificate, *also, "--json")
    assert (status, json.loads(out)["ok"]) == (ExitCode.WATCHLIST, False)
    assert json.loads(out)["findings"] == [
        f"bytes of the subject are in {name!r}" for name in ("list.csv", "before.db")
    ]
    status, table, _ = desk.run("boss", "erase", "--verify", certificate, *also)
    assert (status, "list.csv" in table) == (ExitCode.WATCHLIST, True)
    edited = desk.file("edited.json", certificate.read_text("utf-8").replace('"asked"', '"other"'))
    assert desk.refused("boss", "erase", "--verify", edited) == (ExitCode.REFUSED, "receipt_invalid")


def test_a_certificate_that_cannot_be_written_stops_the_erasure(desk: Desk) -> None:
    desk.record("boss", "s-1")
    there = desk.file("there.json", "kept")
    for place in (there, desk.folder / "no" / "such.json"):
        assert desk.refused("boss", "erase", "s-1", "--reason", "r", "--certificate", place)[0] == ExitCode.INPUT
    assert (there.read_text("utf-8"), list(desk.states("boss"))) == ("kept", ["s-1"])
    assert desk.refused("boss", "erase", "s-2", "--reason", "r")[0] == ExitCode.WATCHLIST
    assert list(desk.folder.glob("erasure-*")) == []
    erased = desk.ask("boss", "erase", "s-1", "--reason", "r")
    assert [str(path) for path in desk.folder.glob("erasure-*.json")] == [erased["certificate_file"]]


@pytest.mark.parametrize(
    "arguments",
    [["erase", "s-1"], ["erase"], ["erase", "s-1", "--reason", "r", "--also", "x"], ["erase", "s-1", "--verify", "x"]],
)
def test_erasing_and_proving_are_not_mixed(desk: Desk, arguments: list[str]) -> None:
    assert desk.refused("boss", *arguments) == (ExitCode.USAGE, "usage")


def test_retention_erases_what_the_policy_keeps_no_longer(desk: Desk) -> None:
    for subject in ("s-1", "s-2"):
        desk.record("boss", subject)
    desk.ask("boss", "withdraw", "s-1", "--reason", "left")
    assert desk.ask("boss", "retention", "run")["erased"] == []  # the default keeps an ended reference for 30 days
    document = desk.run("boss", "policy", "show", "--toml")[1]
    short = desk.file("short.toml", document.replace("erase_after_end_days = 30", "erase_after_end_days = 0"))
    desk.ask("boss", "policy", "set", short)
    planned = desk.ask("boss", "retention", "run", "--dry-run")
    assert (planned["dry_run"], planned["erased"]) == (True, ["s-1"])
    assert sorted(desk.states("boss")) == ["s-1", "s-2"]
    folder = desk.folder / "certificates"
    done = desk.ask("boss", "retention", "run", "--certificates", folder)
    assert (done["erased"], [str(path) for path in folder.iterdir()]) == (["s-1"], done["certificate_files"])
    assert list(desk.states("boss")) == ["s-2"]
    (file,) = folder.iterdir()
    assert (mode(folder), mode(file)) == (0o700, 0o600)
    assert desk.ask("boss", "erase", "--verify", file)["ok"] is True
    desk.ask("boss", "actors", "grant", "cy", "operator")
    assert desk.refused("cy", "retention", "run") == (ExitCode.REFUSED, "access_denied")


def test_a_suspension_is_lifted_by_two_people(desk: Desk, astronaut_path: Path) -> None:
    desk.ask("boss", "actors", "grant", "cy", "operator")
    desk.ask("boss", "actors", "grant", "po", "privacy-officer")
    search = ("identify", astronaut_path, "--purpose", "site-access", "--site", "store-12")
    assert len(desk.ask("cy", *search)["probes"]) == 1
    made = desk.ask("cy", "suspend", "--reason", "false alerts", "--site", "store-12")
    number = made["suspension_id"]
    assert (made["site"], made["zone"], made["actor"]) == ("store-12", None, "cy")
    assert desk.refused("cy", *search) == (ExitCode.REFUSED, "suspended")
    assert desk.refused("cy", "resume", number) == (ExitCode.REFUSED, "access_denied")
    assert desk.ask("po", "resume", number) == {"suspension_id": number, "lifted": False, "people": ["po"]}
    assert desk.refused("po", "resume", number) == (ExitCode.REFUSED, "separation_of_duties")
    (waiting,) = desk.ask("cy", "suspensions")["suspensions"]
    assert waiting["resume_asked_by"] == ["po"]
    assert desk.refused("cy", *search) == (ExitCode.REFUSED, "suspended")
    assert desk.ask("boss", "resume", number) == {
        "suspension_id": number,
        "lifted": True,
        "people": ["po", "boss"],
    }
    assert desk.ask("boss", "suspensions") == {"suspensions": []}
    assert len(desk.ask("cy", *search)["probes"]) == 1


def test_an_export_is_verified_without_facematch_and_names_what_was_edited(desk: Desk) -> None:
    desk.record("boss", "s-1")
    desk.ask("boss", "withdraw", "s-1", "--reason", "left")
    kept, folder = desk.folder / "kept.txt", desk.folder / "export"
    assert desk.ask("boss", "audit", "checkpoint", "--out", kept)["number"] == 1
    assert desk.ask("boss", "audit", "export", folder) == {"folder": str(folder)}
    key = desk.ask("boss", "audit", "public-key")["public_key"]
    verifier = [sys.executable, "-I", folder / "verify.py", folder, "--checkpoint", kept, "--public-key", key]
    genuine = subprocess.run(verifier, capture_output=True, text=True, check=False)
    assert (genuine.returncode, genuine.stdout) == (0, "the log verifies\n")
    entries = folder / "entries.jsonl"
    entries.write_text(entries.read_text("utf-8").replace('"action":"withdraw"', '"action":"identify"'), "utf-8")
    edited = subprocess.run(verifier, capture_output=True, text=True, check=False)
    assert edited.returncode == 1
    assert "entry 3: " in edited.stdout


def test_an_entry_that_was_edited_in_the_database_is_named(desk: Desk) -> None:
    desk.record("boss", "s-1")
    desk.ask("boss", "withdraw", "s-1", "--reason", "left")
    kept = desk.folder / "kept.txt"
    status, note, _ = desk.run("boss", "audit", "checkpoint")
    kept.write_text(note, "utf-8")
    sound = desk.ask("boss", "audit", "verify", "--checkpoint", kept)
    assert (status, sound["ok"], sound["size"], sound["with_outside_checkpoint"]) == (0, True, 4, True)
    shown = desk.ask("boss", "audit", "show", "--since", "2", "--limit", "2")["entries"]
    assert [(entry["seq"], entry["action"]) for entry in shown] == [(3, "withdraw"), (4, "checkpoint")]
    of_subject = desk.ask("boss", "audit", "show", "--subject-ref", shown[0]["subject_ref"])["entries"]
    assert [entry["seq"] for entry in of_subject] == [2, 3]
    proof = desk.ask("boss", "audit", "prove", "3", "--out", desk.folder / "proof.json")
    assert json.loads((desk.folder / "proof.json").read_text("utf-8")) == proof
    assert InclusionProof.from_dict(proof).verify(bytes.fromhex(sound["root"]))

    with sqlite3.connect(desk.database) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute("UPDATE audit SET actor = 'somebody' WHERE seq = 3")
    connection.close()
    status, out, _ = desk.run("boss", "audit", "verify", "--json")
    assert status == ExitCode.WATCHLIST
    assert [finding["place"] for finding in json.loads(out)["findings"]] == ["entry 3"]
    status, table, _ = desk.run("boss", "audit", "verify")
    assert (status, "entry 3" in table) == (ExitCode.WATCHLIST, True)
    assert desk.refused("boss", "audit", "prove", "3") == (ExitCode.WATCHLIST, "audit_tampered")


def test_a_restored_backup_undoes_no_ending_and_waits_for_two_people(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ask("boss", "actors", "grant", "po", "privacy-officer")
    desk.record("boss", "s-1")
    backup = desk.folder / "monday.db"
    written = desk.ask("boss", "backup", backup, "--vault-copy", desk.folder / "vault.copy")
    assert written == {"backup": str(backup), "vault_copy": str(desk.folder / "vault.copy")}
    assert desk.refused("boss", "backup", backup) == (ExitCode.INPUT, "invalid_argument")
    desk.ask("boss", "withdraw", "s-1", "--reason", "left")
    desk.record("boss", "s-2")
    for answer in ("n\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        assert desk.refused("boss", "restore", backup) == (ExitCode.INTERRUPTED, "interrupted")
    assert sorted(desk.states("boss")) == ["s-1", "s-2"]
    assert desk.ask("boss", "suspensions") == {"suspensions": []}

    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    (number,) = desk.ask("boss", "restore", backup)["suspensions"]
    assert list(desk.states("boss")) == ["s-1"]
    (record,) = desk.ask("boss", "consent", "show", "s-1")["consents"]
    assert record["events"][-1]["state"] == "WITHDRAWN"
    assert desk.ask("po", "resume", number)["lifted"] is False
    assert desk.ask("boss", "resume", number)["lifted"] is True
    assert desk.ask("boss", "audit", "verify")["ok"] is True
    foreign = desk.file("foreign.db", "no database" * 1000)
    assert desk.refused("boss", "restore", foreign, "--yes") == (ExitCode.WATCHLIST, "backup_invalid")
