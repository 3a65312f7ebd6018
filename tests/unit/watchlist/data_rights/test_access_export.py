from __future__ import annotations

import base64
import json
import re
import sqlite3
import stat
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facematch.errors import (
    AccessDenied,
    AuditError,
    DatabaseCorrupt,
    DatabaseUnavailable,
    InvalidArgument,
    KeyUnavailable,
    SubjectNotFound,
)
from facematch.governance import AuditAction, Consent
from facematch.governance.consent.receipts import verify_receipt
from facematch.governance.policy import Policy
from facematch.storage.database import Authorization
from facematch.testing import SyntheticFace, synthetic_picture
from facematch.watchlist import Watchlist
from facematch.watchlist.data_rights import access_export as access
from facematch.watchlist.session import Operation
from tests.unit.storage.test_calibrations import calibration
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, open_bench, picture

ERIKA = "erika-mustermann"
OTHER = "max-otherwise"
FILES = [
    "README.txt",
    "index.html",
    "subject.json",
    "consents.json",
    "templates.json",
    "log.json",
    "complaints.json",
    "logic.txt",
    "logic.json",
]


def exported(bench: Bench, subject_id: str = ERIKA, name: str = "export.zip") -> dict[str, bytes]:
    """The members of a new export."""
    with zipfile.ZipFile(bench.watchlist.rights.export(subject_id, bench.path.with_name(name))) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


def loaded(members: dict[str, bytes], name: str) -> Any:
    return json.loads(members[name])


def opened_by(bench: Bench, actor: str) -> Watchlist:
    """The same watchlist, used by somebody else."""
    return Watchlist.open(f"sqlite:///{bench.path}", actor=actor, analyzer=bench.analyzer, clock=bench.clock)


def ref_of(bench: Bench, person: int) -> str:
    """The reference of the subject that a search for a person returns."""
    bench.found(person)
    (ref,) = bench.last().details["candidates"]
    return str(ref)


@pytest.fixture
def two(bench: Bench) -> Bench:
    """Two subjects, and searches that returned both."""
    bench.enroll(ERIKA, 1)
    bench.enroll(OTHER, 2)
    both = synthetic_picture([SyntheticFace(1, 2), SyntheticFace(2, 2)])
    bench.watchlist.identify(both, purpose=PURPOSE, site=SITE)
    return bench


def test_an_export_holds_everything_about_the_subject(two: Bench) -> None:
    consent = two.watchlist.consents.list(ERIKA)[0]
    ref = ref_of(two, 1)
    members = exported(two)
    receipts = [f"receipts/{consent.record_id}.json", f"receipts/{consent.record_id}.txt"]
    assert list(members) == FILES + receipts
    assert loaded(members, "subject.json") == {
        "subject_id": ERIKA,
        "subject_ref": ref,
        "state": "active",
        "created_at": two.clock.now.isoformat(),
        "exported_at": two.clock.now.isoformat(),
        "exported_by": "ana",
        "watchlist_id": two.watchlist.audit.origin.removeprefix("facematch.watchlist/"),
    }
    assert loaded(members, "consents.json") == [consent.to_dict()]
    assert loaded(members, "templates.json") == [
        {
            "template_id": 1,
            "enrolled_at": two.clock.now.isoformat(),
            "enrolled_by": "ana",
            "state": "active",
            "approved_by": None,
            "approved_at": None,
            "quality_override": None,
            "consent_record_id": consent.record_id,
            "detection_score": pytest.approx(0.99, abs=1e-4),
            "face_height_px": 80.0,
            "contract": two.analyzer.contract.digest,
            "model": "fake",
            "numbers": 16,
            "picture": "not kept; only a keyed mark of the file, which says nothing without the subject's key",
        }
    ]
    assert loaded(members, "complaints.json") == []
    assert [(line["action"], line["about_you"]) for line in loaded(members, "log.json")["entries"]] == [
        ("enroll", True),
        ("identify", False),
        ("read_consents", True),
        ("identify", False),
        ("export_subject", True),
    ]


def test_nothing_of_anybody_else_is_in_an_export(two: Bench) -> None:
    w = two.watchlist
    other_record = w.consents.list(OTHER)[0].record_id
    other_ref = ref_of(two, 2)
    close = synthetic_picture([SyntheticFace(1, 3), SyntheticFace(2, 3)])
    scores = [c.score for c in w.identify(close, purpose=PURPOSE, site=SITE).candidates]
    w.preview_enrollment([picture(1, 4), picture(2, 4)], purpose=PURPOSE, site=SITE)
    w.enroll("third-person", picture(1, 5), consent=two.consent("third-person"))
    number = w.rights.open_complaint(OTHER, ground="an unmistakable ground").complaint_id
    w.rights.decide_complaint(number, upheld=False)
    third_ref = two.watchlist.audit.entries(limit=3)[0].subject_ref
    members = exported(two)
    lines = loaded(members, "log.json")["entries"]
    assert [(line["action"], line["details"]) for line in lines if not line["about_you"]][-3:] == [
        ("identify", _search(2, {"you": True, "others": 1}, 2, 2)),
        ("preview", {"generation": 2, "look_alikes": {"you": True, "others": 1}, "purpose": PURPOSE, "site": SITE}),
        ("enroll", {"generation": 3, "look_alikes": {"you": True, "others": 0}, "policy_version": 1}),
    ]
    assert third_ref is not None
    secrets = [OTHER, other_ref, other_record, "third-person", third_ref, "unmistakable ground"]
    secrets += [format(score, form) for score in scores for form in ("", ".4g", ".4f", ".3f")]
    everything = b"\n".join([*members.values(), *(name.encode() for name in members)])
    assert len(scores) == 2
    assert [value for value in secrets if value.lower().encode() in everything.lower()] == []
    uuids = set(re.findall(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", everything))
    own = loaded(members, "subject.json")
    records = [record["record_id"] for record in loaded(members, "consents.json")]
    assert uuids == {value.encode() for value in (own["subject_ref"], own["watchlist_id"], *records)}
    raw = two.path.with_name("export.zip").read_bytes()
    assert [value for value in secrets if value.encode() in raw] == []


def _search(generation: int, candidates: dict[str, Any], size: int, probes: int) -> dict[str, Any]:
    return {
        "candidates": candidates,
        "gallery_size": size,
        "generation": generation,
        "policy_version": 1,
        "probes": probes,
        "purpose": PURPOSE,
        "site": SITE,
        "threshold": 0.6,
    }


def test_no_template_is_in_an_export(two: Bench) -> None:
    members = exported(two)
    everything = b"\n".join(members.values()) + two.path.with_name("export.zip").read_bytes()
    plain = two.analyzer.embedding(1)
    core = two.watchlist._session.resources
    rotated = core.cipher.rotated(plain[None, :], 1)[0]
    with core.database.read() as connection:
        stored = connection.exec_driver_sql("SELECT vector, sample_mark FROM templates").all()
    assert len(stored) == 2
    forms: list[bytes] = []
    for vector in (plain, rotated):
        for kind in ("<f4", "<f8", "<f2"):
            data = np.ascontiguousarray(vector, dtype=kind).tobytes()
            forms += [data, data.hex().encode(), base64.b64encode(data)]
        forms += [f"{value:.5f}".encode() for value in vector if 0 < abs(value) < 1]
    for blob, mark in stored:
        forms += [blob, blob.hex().encode(), base64.b64encode(blob), mark.encode()]
    assert len(forms) > 40
    assert [form for form in forms if form in everything] == []


def test_what_was_sealed_is_open_for_the_subject(two: Bench) -> None:
    w = two.watchlist
    number = w.rights.open_complaint(ERIKA, ground="I was not there").complaint_id
    members = exported(two)
    expected = {
        "complaint": number,
        "ground": "I was not there",
        "opened_at": two.clock.now.isoformat(),
        "opened_by": "ana",
        "decided_at": None,
        "decided_by": None,
        "upheld": None,
    }
    assert loaded(members, "complaints.json") == [expected]
    assert loaded(members, "subject.json")["state"] == "restricted"
    (line,) = [line for line in loaded(members, "log.json")["entries"] if line["action"] == "complaint"]
    assert line["private"] == {"ground": "I was not there"}
    w.rights.decide_complaint(number, upheld=False)
    w.withdraw(ERIKA, reason="moved away")
    later = exported(two, name="later.zip")
    decided = {"decided_at": two.clock.now.isoformat(), "decided_by": "ana", "upheld": False}
    assert loaded(later, "complaints.json") == [{**expected, **decided}]
    (record,) = loaded(later, "consents.json")
    assert [(event["state"], event["reason"]) for event in record["events"]] == [
        ("GIVEN", None),
        ("WITHDRAWN", "moved away"),
    ]
    assert "moved away" in later["index.html"].decode()


def test_receipts_in_an_export_verify(two: Bench) -> None:
    members = exported(two)
    key = two.watchlist._session.resources.signer.public_key
    (name,) = [name for name in members if name.startswith("receipts/") and name.endswith(".json")]
    receipt = verify_receipt(members[name], public_key=key)
    assert receipt.to_dict()["record"]["subject_id"] == ERIKA
    assert ERIKA in members[name.replace(".json", ".txt")].decode()


def test_the_logic_names_threshold_policy_and_review(two: Bench) -> None:
    members = exported(two)
    logic = loaded(members, "logic.json")
    policy = Policy.profile("access-control")
    assert logic["policy"]["digest"] == policy.digest
    assert [rule["sentence"] for rule in logic["policy"]["rules"]] == [rule.sentence for rule in policy.describe()]
    idle = {rule["rule"] for rule in logic["policy"]["rules"] if not rule["enforced"]}
    assert idle == {"reviewers", "precision", "unconfirmed_media"}
    assert logic["human_review"].endswith("not enforced by this version.")
    assert policy.reviewers.sentence() not in members["logic.txt"].decode().replace("\n   ", " ")
    assert (logic["threshold"], logic["calibration"]) == (None, None)
    text = " ".join(members["logic.txt"].decode().split())
    assert "list of 16 numbers by the model fake" in text
    assert "Searches that concern you used: 0.6." in text
    assert max(len(line) for line in members["logic.txt"].decode().splitlines()) <= 100


def test_the_logic_gives_the_figures_of_the_calibration_in_force(two: Bench) -> None:
    found = two.watchlist.set_calibration(calibration(two.analyzer))
    members = exported(two)
    logic = loaded(members, "logic.json")
    assert (logic["threshold"], logic["rule"]) == (found.threshold, found.rule)
    assert logic["calibration"] == {
        "digest": found.digest,
        "target_fpir": found.target_fpir,
        "people": found.people,
        "errors": found.errors,
        "fpir_upper": found.fpir_upper,
        "confidence": found.confidence,
        "gallery_size": found.gallery_size,
        "templates": found.templates,
        "data": found.data,
        "measured_at": found.measured_at,
    }
    last = logic["steps"][-1]
    assert f"at most {100 * found.fpir_upper:.3g} %" in last
    assert f"It holds for lists of up to {found.gallery_size:,} people. It was tested on: {found.data}." in last
    assert f"at least {found.threshold:.4g} (the threshold)" in logic["steps"][3]


def test_an_export_says_how_much_of_the_log_was_pruned(bench: Bench) -> None:
    bench.enroll(OTHER, 2)
    bench.clock.now += timedelta(days=400)
    bench.enroll(ERIKA, 1)
    assert bench.watchlist.apply_retention().pruned == 2
    members = exported(bench)
    assert loaded(members, "log.json")["entries_without_content"] == 2
    assert "The content of 2 entries at the beginning of the whole log was deleted" in members["index.html"].decode()
    assert "after the time that the rules set; 2 of the whole log by now" in members["README.txt"].decode()


def test_a_damaged_entry_gives_no_half_export(two: Bench) -> None:
    ref = ref_of(two, 1)
    connection = sqlite3.connect(two.path, isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("UPDATE audit SET details = '{' WHERE subject_ref = ?", (ref,))
    connection.close()
    with pytest.raises(DatabaseCorrupt, match="an audit entry in the database is damaged"):
        two.watchlist.rights.export(ERIKA, two.path.with_name("export.zip"))
    assert not two.path.with_name("export.zip").exists()


def test_the_page_is_whole_escaped_and_needs_nothing_else(two: Bench) -> None:
    hostile = "<script>alert(1)</script>"
    two.watchlist.rights.open_complaint(ERIKA, ground=hostile)
    page = exported(two)["index.html"].decode()
    assert hostile not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert re.findall(r"(?i)<script|\ssrc=|url\(|https?:|@import", page) == []
    assert "A search returned you as a candidate" in page
    assert "you and 1 other person" in page


def test_a_name_may_be_anything_printable(bench: Bench) -> None:
    name = 'a/b\\..<i>"&\u00fc\u6f22'
    bench.enroll(name, 1)
    members = exported(bench, name)
    assert loaded(members, "subject.json")["subject_id"] == name
    assert f"Copy of the data about {name}\n" in members["README.txt"].decode()
    assert [member for member in members if ".." in member or member.startswith("/")] == []


def test_the_file_is_for_its_owner_only_and_nothing_else_is_left(two: Bench) -> None:
    path = two.watchlist.rights.export(ERIKA, two.path.with_name("export.zip"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as archive:
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o600}
        assert {info.date_time for info in archive.infolist()} == {two.clock.now.timetuple()[:6]}
    assert [item.name for item in path.parent.iterdir() if item.name.startswith(".facematch")] == []


def test_an_export_is_in_the_log_as_the_last_thing_it_lists(two: Bench) -> None:
    ref = ref_of(two, 1)
    lines = loaded(exported(two), "log.json")["entries"]
    entry = two.last()
    assert (entry.action, entry.outcome, entry.subject_ref, entry.details) == ("export_subject", "done", ref, {})
    assert lines[-1]["seq"] == entry.seq
    assert two.watchlist.audit.verify().ok


@pytest.fixture
def unwritable_log(two: Bench) -> Bench:
    connection = sqlite3.connect(two.path, isolation_level=None)
    connection.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no more'); END")
    connection.close()
    return two


def test_without_its_audit_entry_there_is_no_file(unwritable_log: Bench) -> None:
    before = sorted(item.name for item in unwritable_log.path.parent.iterdir())
    with pytest.raises(AuditError):
        unwritable_log.watchlist.rights.export(ERIKA, unwritable_log.path.with_name("export.zip"))
    assert sorted(item.name for item in unwritable_log.path.parent.iterdir()) == before


def test_without_its_commit_there_is_no_file(two: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    database = two.watchlist._session.resources.database
    whole = type(database).write

    class _Broken:
        def __init__(self, authorization: Authorization) -> None:
            self.inner = whole(database, authorization)

        def __enter__(self) -> Any:
            return self.inner.__enter__()

        def __exit__(self, *problem: object) -> None:
            cut_off = DatabaseUnavailable("the disk is full", hint="free some space")
            self.inner.__exit__(DatabaseUnavailable, cut_off, None)
            raise cut_off

    size = len(two.watchlist.audit)
    before = sorted(item.name for item in two.path.parent.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(database, "write", _Broken)
        with pytest.raises(DatabaseUnavailable, match="the disk is full"):
            two.watchlist.rights.export(ERIKA, two.path.with_name("export.zip"))
    assert sorted(item.name for item in two.path.parent.iterdir()) == before
    assert len(two.watchlist.audit) == size


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_nothing_is_overwritten(two: Bench, kind: str) -> None:
    path = two.path.with_name("taken.zip")
    if kind == "file":
        path.write_text("mine", "utf-8")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.with_name("nowhere"))
    with pytest.raises(InvalidArgument, match="is there already"):
        two.watchlist.rights.export(ERIKA, path)
    assert (two.last().action, two.last().outcome) == ("export_subject", "refused")
    assert path.read_text("utf-8") == "mine" if kind == "file" else not path.is_file()
    assert not path.with_name("nowhere").exists()


def test_a_missing_folder_is_refused_and_logged(two: Bench) -> None:
    with pytest.raises(InvalidArgument, match=r"the folder of 'x\.zip' does not exist"):
        two.watchlist.rights.export(ERIKA, two.path.with_name("nowhere") / "x.zip")
    assert (two.last().action, two.last().outcome) == ("export_subject", "refused")


def _exported_to(two: Bench, path: Path) -> None:
    operation = Operation(two.watchlist._session, AuditAction.EXPORT_SUBJECT)
    access.write_access_export(operation, ERIKA, path)


def test_a_name_that_no_file_can_have_leaves_nothing(two: Bench) -> None:
    size, before = len(two.watchlist.audit), sorted(two.path.parent.iterdir())
    with pytest.raises(DatabaseUnavailable, match="cannot be written: File name too long"):
        _exported_to(two, two.path.with_name("x" * 300))
    with pytest.raises(InvalidArgument, match="null byte"):
        _exported_to(two, two.path.with_name("x\0y"))
    assert len(two.watchlist.audit) == size
    assert sorted(two.path.parent.iterdir()) == before


def test_who_may_not_export_gets_nothing(two: Bench) -> None:
    two.watchlist.actors.grant("bo", "operator", "auditor", "admin", "enroller")
    path = two.path.with_name("export.zip")
    with opened_by(two, "bo") as theirs, pytest.raises(AccessDenied):
        theirs.rights.export(ERIKA, path)
    assert not path.exists()


def test_an_unknown_subject_is_not_found(two: Bench) -> None:
    path = two.path.with_name("export.zip")
    with pytest.raises(SubjectNotFound):
        two.watchlist.rights.export("nobody", path)
    assert not path.exists()


def test_without_the_subjects_key_there_is_no_file(two: Bench) -> None:
    ref = ref_of(two, 1)
    two.watchlist._session.resources.cipher.destroy_subject(ref)
    path = two.path.with_name("export.zip")
    with pytest.raises(KeyUnavailable):
        two.watchlist.rights.export(ERIKA, path)
    assert not path.exists()
    assert (two.last().action, two.last().outcome) == ("export_subject", "failed")


def states(bench: Bench, number: int) -> tuple[str, str]:
    """The state of the first subject as the export and as the list of subjects say it."""
    said = loaded(exported(bench, name=f"{number}.zip"), "subject.json")["state"]
    (record,) = [item for item in bench.watchlist.subjects.list() if item.subject_id == ERIKA]
    return said, record.state


def test_the_state_is_the_one_that_the_list_of_subjects_says(bench: Bench) -> None:
    w = bench.watchlist
    consent = bench.consent(ERIKA, valid_for=timedelta(days=10))
    w.enroll(ERIKA, picture(1), consent=consent)
    found = [states(bench, 0)]
    number = w.rights.open_complaint(ERIKA, ground="g").complaint_id
    found.append(states(bench, 1))
    w.rights.decide_complaint(number, upheld=False)
    bench.clock.now += timedelta(days=11)
    found.append(states(bench, 2))
    w.withdraw(ERIKA, reason="r")
    found.append(states(bench, 3))
    assert found == [(state, state) for state in ("active", "restricted", "expired", "withdrawn")]


def test_a_consent_that_has_not_begun_is_pending(bench: Bench) -> None:
    consent = bench.consent(ERIKA)
    bench.watchlist.enroll(ERIKA, picture(1), consent=consent)
    bench.clock.now -= timedelta(days=1)
    assert states(bench, 0) == ("pending", "pending")


def test_a_consent_that_was_only_asked_for_is_requested(bench: Bench, tmp_path: Path) -> None:
    notice = tmp_path / "notice.txt"
    notice.write_text("what we do", "utf-8")
    asked = Consent.requested(
        subject_id=ERIKA,
        purposes=[PURPOSE],
        notice=notice,
        language="en",
        adult_attested=True,
        now=bench.clock.now,
    )
    bench.watchlist.consents.record(asked)
    assert states(bench, 0) == ("requested", "requested")
    bench.watchlist.consents.refuse(ERIKA)
    assert states(bench, 1) == ("requested", "requested")
    bench.watchlist.consents.record(bench.consent(ERIKA))
    assert states(bench, 2) == ("pending", "pending")


def test_what_the_consent_says_is_on_the_page(bench: Bench) -> None:
    data = {
        **bench.consent(ERIKA).to_dict(),
        "schema_version": 2,
        "controller": {"name": "Corner Shop Ltd", "contact": "privacy@shop.example"},
        "category": "staff",
        "incident_id": "case-7",
        "source": "live-capture",
        "recipients": ["Police of Cork"],
        "storage_locations": ["Dublin"],
        "retention": "one year",
        "jurisdiction": "IE",
        "impact_assessment": "DPIA-7",
    }
    bench.watchlist.enroll(ERIKA, picture(1), consent=Consent.from_dict(data))
    page = exported(bench)["index.html"].decode()
    said = ["Corner Shop Ltd", "privacy@shop.example", "staff", "case-7", "live-capture", "Police of Cork", "Dublin"]
    said += ["one year", "IE", "DPIA-7", "urn:facematch:test (language en)"]
    assert [text for text in said if f">{text}<" not in page] == []
    assert "not recorded" not in page


def test_an_enrollment_that_waits_is_exported_as_pending(tmp_path: Path) -> None:
    strict = Policy.from_dict({**Policy.profile("access-control").to_dict(), "dual_control": {"required": True}})
    with open_bench(tmp_path / "strict.db", policy=strict) as bench:
        bench.enroll(ERIKA, 1)
        assert states(bench, 0) == ("pending", "pending")
        bench.watchlist.actors.grant("bo", "approver")
        number = bench.watchlist.approvals.list()[0].enrollment_id
        with opened_by(bench, "bo") as theirs:
            theirs.approvals.approve(number)
        assert states(bench, 1) == ("active", "active")
        (template,) = loaded(exported(bench), "templates.json")
        assert (template["state"], template["enrolled_by"], template["approved_by"]) == ("active", "ana", "bo")
        assert template["approved_at"] == bench.clock.now.isoformat()
