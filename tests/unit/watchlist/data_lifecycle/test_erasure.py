"""Erasure: what goes, the certificate that says so, and the proof that nothing is left."""

from __future__ import annotations

import json
import sqlite3
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import (
    ConsentRequired,
    DatabaseUnavailable,
    ErasureUnproven,
    KeyUnavailable,
    ReceiptInvalid,
    SubjectNotFound,
)
from facematch.governance.audit import InclusionProof
from facematch.governance.certificates import verify_certificate
from facematch.governance.keys import SigningKey
from facematch.types import Erasure
from tests.unit.watchlist.support import Bench, open_bench, picture

NAME = "subject-unmistakable"


@pytest.fixture
def erased(bench: Bench) -> Erasure:
    bench.enroll("stays", 2)
    consent = bench.consent(NAME)
    bench.watchlist.enroll(NAME, [picture(1), picture(1, 1)], consent=consent)
    bench.enroll(NAME, 1, purposes=["events"])
    return bench.watchlist.erase(NAME, reason="asked at the desk")


def _certificate(erasure: Erasure) -> dict[str, Any]:
    assert erasure.certificate is not None
    return deepcopy(dict(erasure.certificate))


def test_an_erased_subject_is_gone_from_every_call(bench: Bench, erased: Erasure) -> None:
    assert (erased.templates_erased, erased.consent_records_erased) == (3, 2)
    assert bench.found(1) == []
    assert bench.found(1, purpose="events") == []
    assert bench.found(2) == ["stays"]
    assert [record.subject_id for record in bench.watchlist.subjects.list()] == ["stays"]
    assert bench.watchlist.keys.status().subjects == 1
    for call in (bench.watchlist.consents.list, bench.watchlist.subjects.count_templates):
        with pytest.raises(SubjectNotFound):
            call(NAME)
    with pytest.raises(SubjectNotFound):
        bench.watchlist.erase(NAME, reason="again")


def test_no_row_of_any_table_is_left_but_the_log(bench: Bench, erased: Erasure) -> None:
    connection = sqlite3.connect(bench.path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    ref = _certificate(erased)["subject_ref"]
    holding = [
        name
        for name in names
        if any(ref in map(str, row) for row in connection.execute(f"SELECT * FROM {name}").fetchall())
    ]
    counts = {
        name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        for name in ("subjects", "consents", "consent_events", "consent_purposes", "enrollments", "templates")
    }
    connection.close()
    assert holding == ["audit"]
    assert set(counts.values()) == {1}


def test_the_certificate_says_what_went_and_is_signed(bench: Bench, erased: Erasure) -> None:
    certificate = _certificate(erased)
    data = verify_certificate(json.dumps(certificate), public_key=bench.watchlist.audit.public_key)
    assert data["subject_id"] == NAME
    assert (data["actor"], data["reason"], data["templates"]) == ("ana", "asked at the desk", 3)
    assert len(data["consent_records"]) == 2
    assert data["data_key"] == {"name": data["subject_ref"], "destroyed": True}
    assert data["generation"] == {"before": erased.generation - 1, "after": erased.generation}
    assert data["self_search"] == {"probes": 3, "templates_found": 0}
    proof = InclusionProof.from_dict(data["audit"]["proof"])
    assert proof.verify(bytes.fromhex(data["audit"]["root"]))
    entry = json.loads(proof.entry)
    assert (entry["action"], entry["subject_ref"]) == ("erase", data["subject_ref"])
    assert NAME not in str(entry)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject_id", "somebody-else"),
        ("subject_ref", "another"),
        ("erased_at", "2020-01-01T00:00:00+00:00"),
        ("templates", 0),
        ("reason", "another"),
        ("fingerprints", []),
        ("type", "facematch-erasure-certificate-2"),
        ("signature", "AAAA"),
        ("signature", None),
        ("key", {}),
        ("audit", {}),
    ],
)
def test_a_changed_certificate_is_refused(bench: Bench, erased: Erasure, name: str, value: object) -> None:
    certificate = {**_certificate(erased), name: value}
    with pytest.raises(ReceiptInvalid):
        verify_certificate(certificate)
    with pytest.raises(ReceiptInvalid):
        bench.watchlist.verify_erasure(certificate)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "5", b"\xff"])
def test_what_is_no_certificate_is_refused(bench: Bench, text: str | bytes) -> None:
    with pytest.raises(ReceiptInvalid):
        bench.watchlist.verify_erasure(text)


def test_a_certificate_of_another_watchlist_is_refused(bench: Bench, erased: Erasure, tmp_path: Path) -> None:
    with open_bench(tmp_path / "other.db", copied=False) as other:
        other.enroll("t", 1)
        foreign = other.watchlist.erase("t", reason="asked").certificate
    assert foreign is not None
    verify_certificate(foreign)  # genuine by itself
    with pytest.raises(ReceiptInvalid, match="another key"):
        bench.watchlist.verify_erasure(foreign)
    with pytest.raises(ReceiptInvalid):
        verify_certificate(_certificate(erased), public_key=SigningKey(bytes(32)).public_key)


def test_the_check_proves_the_erasure_from_every_side(bench: Bench, erased: Erasure) -> None:
    result = bench.watchlist.verify_erasure(_certificate(erased))
    assert (result.findings, result.ok) == ((), True)
    assert result.require() is result
    assert {Path(file).name for file in result.files} >= {"watchlist.db", "watchlist.db.vault"}
    entry = bench.last()
    assert (entry.action, dict(entry.details)) == (
        "check_erasure",
        {"erased_ref": result.subject_ref, "findings": 0},
    )


def test_the_check_finds_bytes_in_files_that_should_hold_none(bench: Bench, tmp_path: Path) -> None:
    bench.enroll(NAME, 1)
    bench.watchlist.backup(tmp_path / "snapshot")
    named = tmp_path / "list.txt"
    named.write_text(f"1 {NAME} 2")
    empty = tmp_path / "empty"
    empty.touch()
    certificate = _certificate(bench.watchlist.erase(NAME, reason="asked"))
    result = bench.watchlist.verify_erasure(certificate, extra_files=[tmp_path / "snapshot", named, empty])
    assert result.findings == (
        "bytes of the subject are in 'snapshot'",
        "bytes of the subject are in 'list.txt'",
    )
    with pytest.raises(ErasureUnproven, match="snapshot"):
        result.require()
    with pytest.raises(DatabaseUnavailable, match="cannot be scanned"):
        bench.watchlist.verify_erasure(certificate, extra_files=[tmp_path / "nowhere"])


def test_the_check_finds_a_row_a_key_and_a_search_that_came_back(bench: Bench, erased: Erasure) -> None:
    certificate = _certificate(erased)
    core = bench.watchlist._session.resources
    core.cipher.new_subject(certificate["subject_ref"], 0)
    assert bench.watchlist.verify_erasure(certificate).findings == ("the subject's data key is in the vault",)
    connection = sqlite3.connect(bench.path)
    connection.execute("UPDATE subjects SET subject_ref = ?", (certificate["subject_ref"],))
    connection.commit()
    connection.close()
    findings = bench.watchlist.verify_erasure(certificate).findings
    assert findings[0] == "the subject is in the database"


def test_the_check_finds_a_vault_that_forgot(bench: Bench, erased: Erasure) -> None:
    vault = sqlite3.connect(f"{bench.path}.vault")
    vault.execute("DELETE FROM tombstones")
    vault.commit()
    vault.close()
    findings = bench.watchlist.verify_erasure(_certificate(erased)).findings
    assert findings == ("the vault does not know of the erasure",)


def test_the_check_finds_a_log_that_was_put_back(bench: Bench) -> None:
    bench.enroll("stays", 2)
    bench.enroll(NAME, 1)
    old = bench.watchlist.backup(bench.path.with_name("old"))
    certificate = _certificate(bench.watchlist.erase(NAME, reason="asked"))
    bench.watchlist.close()
    old.replace(bench.path)
    with open_bench(bench.path, clock=bench.clock) as again:
        findings = again.watchlist.verify_erasure(certificate).findings
        assert [finding[:16] for finding in findings] == ["the audit log is"]
        assert [record.subject_id for record in again.watchlist.subjects.list()] == ["stays"]


def test_the_same_id_may_be_enrolled_again_as_somebody_new(bench: Bench, erased: Erasure) -> None:
    bench.enroll(NAME, 5)
    assert (bench.found(5), bench.found(1)) == ([NAME], [])
    assert bench.watchlist.verify_erasure(_certificate(erased)).findings == ()
    refs = bench.watchlist._session.resources.cipher.subject_refs()
    assert _certificate(erased)["subject_ref"] not in refs


def test_a_consent_record_that_was_erased_is_not_taken_again(bench: Bench) -> None:
    consent = bench.enroll(NAME, 1)
    bench.watchlist.erase(NAME, reason="asked")
    with pytest.raises(ConsentRequired):
        bench.watchlist.enroll(NAME, picture(1), consent=consent)
    with pytest.raises(ConsentRequired):
        bench.watchlist.consents.record(consent)
    assert bench.watchlist.keys.status().subjects == 0


def test_a_subject_whose_template_is_damaged_can_be_erased_all_the_same(bench: Bench) -> None:
    bench.enroll(NAME, 1)
    connection = sqlite3.connect(bench.path)
    connection.execute("UPDATE templates SET vector = ?", (b"damaged" * 20,))
    connection.commit()
    connection.close()
    bench.watchlist._session.resources.forget()
    erasure = bench.watchlist.erase(NAME, reason="asked")
    assert erasure.templates_erased == 1
    assert _certificate(erasure)["self_search"]["templates_found"] == 0
    assert bench.watchlist.subjects.list() == ()


def test_a_subject_whose_key_is_gone_can_be_erased_all_the_same(bench: Bench) -> None:
    bench.enroll(NAME, 1)
    core = bench.watchlist._session.resources
    core.cipher.destroy_subject(next(iter(core.cipher.subject_refs())))
    core.forget()
    with pytest.raises(KeyUnavailable):
        bench.found(1)
    certificate = _certificate(bench.watchlist.erase(NAME, reason="asked"))
    assert certificate["data_key"]["destroyed"] is False
    assert bench.found(1) == []
