"""Consents, policies, the rights of subjects and reports from the command line."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from facematch.cli.consent_options import Terms
from facematch.cli.options import parse_moment
from facematch.cli.output import ExitCode
from facematch.errors import ConsentRequired, InvalidArgument
from facematch.governance import Consent, ConsentState
from facematch.governance.policy import Policy
from tests.e2e.desk import Desk


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_consent_says_what_the_options_say(desk: Desk) -> None:
    filed = desk.record(
        "ana",
        "s-1",
        site="store-12",
        zone="entrance",
        category="staff",
        incident="i-7",
        source="live-capture",
        assessment="dpia-7",
        recipient="Example Auditors",
        controller="Example Ltd",
        contact="privacy@example.org",
        jurisdiction="US-IL",
        valid_for="30d",
    )
    (record,) = desk.ask("ana", "consent", "show", "s-1")["consents"]
    assert Consent.from_dict(record).digest == filed["digest"]
    said = ("sites", "zones", "category", "incident_id", "source", "impact_assessment", "recipients", "jurisdiction")
    assert [record[name] for name in said] == [
        ["store-12"],
        ["entrance"],
        "staff",
        "i-7",
        "live-capture",
        "dpia-7",
        ["Example Auditors"],
        "US-IL",
    ]
    assert record["controller"] == {"name": "Example Ltd", "contact": "privacy@example.org"}
    assert [(event["state"], event["actor"]) for event in record["events"]] == [("GIVEN", "ana")]
    status, table, _ = desk.run("ana", "consent", "show", "s-1")
    assert (status, "Example Auditors" in table, "GIVEN by ana" in table) == (ExitCode.OK, True, True)


def test_another_lawful_basis_needs_an_assessment_and_a_policy_that_lists_it(desk: Desk) -> None:
    interest = {
        "purpose": "loss-prevention",
        "site": "store-12",
        "category": "barred-after-theft",
        "incident": "i-7",
        "source": "incident-footage",
        "lawful_basis": "legitimate-interest",
    }
    retail = ("--policy", "retail-watchlist")
    bare = desk.refused("ana", "consent", "record", "s-1", *desk.consent(**interest), *retail)
    assert bare == (ExitCode.REFUSED, "consent_invalid")
    assessed = desk.consent(**interest, assessment="dpia-7")
    desk.ask("ana", "consent", "record", "s-1", *assessed, *retail)
    (record,) = desk.ask("ana", "consent", "show", "s-1")["consents"]
    assert record["lawful_basis"] == "legitimate-interest"
    other = ("--db", f"sqlite:///{desk.folder / 'door.db'}")
    assert desk.refused("ana", "consent", "record", "s-1", *assessed, *other) == (ExitCode.REFUSED, "policy_refused")


def test_a_record_from_a_file_is_filed_once_and_as_it_stands(desk: Desk) -> None:
    desk.record("ana", "s-1")
    (record,) = desk.ask("ana", "consent", "show", "s-1")["consents"]
    file = desk.file("record.json", json.dumps(record))
    status, code = desk.refused("ana", "consent", "record", "--from", file)
    assert (status, code) == (ExitCode.REFUSED, "consent_invalid")
    other = {**record, "subject_id": "s-2", "record_id": "6f1c1cde-0c0f-4d0a-8a3e-2f2b3b1c9a77"}
    second = desk.file("second.json", json.dumps(other))
    assert desk.refused("ana", "consent", "record", "s-3", "--from", second) == (ExitCode.INPUT, "invalid_argument")
    assert desk.ask("ana", "consent", "record", "s-2", "--from", second)["consent_record_id"] == other["record_id"]
    assert sorted(desk.states("ana")) == ["s-1", "s-2"]
    broken = desk.file("broken.json", "{")
    assert desk.refused("ana", "consent", "record", "--from", broken) == (ExitCode.REFUSED, "consent_invalid")
    missing = desk.folder / "missing.json"
    assert desk.refused("ana", "consent", "record", "--from", missing) == (ExitCode.INPUT, "invalid_argument")


def test_options_that_contradict_each_other_are_a_usage_error_and_make_no_database(desk: Desk) -> None:
    file = desk.file("record.json", "{}")
    for arguments in (["--from", file, "--purpose", "p"], ["--from", file, "--requested"], []):
        assert desk.refused("ana", "consent", "record", *arguments) == (ExitCode.USAGE, "usage")
    incomplete = desk.consent(evidence=None)
    assert desk.refused("ana", "consent", "record", "s-1", *incomplete) == (ExitCode.REFUSED, "consent_required")
    child = desk.consent()[:-1]
    assert desk.refused("ana", "consent", "record", "s-1", *child) == (ExitCode.REFUSED, "consent_invalid")
    assert not desk.database.exists()


def test_a_request_for_consent_needs_no_evidence_and_is_not_in_force(desk: Desk) -> None:
    terms = Terms(purpose=["site-access"], notice=desk.notice, language="en", adult=True)
    assert terms.requested("s-1", actor="ana").state is ConsentState.REQUESTED
    with pytest.raises(ConsentRequired, match="--language"):
        Terms(purpose=["site-access"], notice=desk.notice, adult=True).requested("s-1", actor="ana")


def test_a_renewal_needs_evidence_of_its_own(desk: Desk) -> None:
    first = desk.record("ana", "s-1", valid_for="30d")
    same = desk.folder / "form.pdf"
    assert desk.refused("ana", "consent", "renew", "s-1", "--evidence", same) == (ExitCode.REFUSED, "consent_invalid")
    again = desk.file("again.pdf", "signed again")
    renewed = desk.ask("ana", "consent", "renew", "s-1", "--evidence", again, "--valid-for", "60d")
    assert renewed["consent_record_id"] == first["consent_record_id"]
    assert renewed["valid_until"] > first["valid_until"]
    desk.ask("ana", "consent", "withdraw", "s-1", "--reason", "left")
    third = desk.file("third.pdf", "signed a third time")
    refused = desk.refused("ana", "consent", "renew", "s-1", "--evidence", third)
    assert refused == (ExitCode.REFUSED, "consent_transition")


@pytest.mark.parametrize(
    ("command", "state"), [("withdraw", "WITHDRAWN"), ("revoke", "REVOKED"), ("invalidate", "INVALIDATED")]
)
def test_a_consent_ends_in_three_ways_and_once(desk: Desk, command: str, state: str) -> None:
    desk.record("ana", "s-1")
    ended = desk.ask("ana", "consent", command, "s-1", "--reason", "because")
    assert ended["state"] == state
    (record,) = desk.ask("ana", "consent", "show", "s-1")["consents"]
    assert (record["events"][-1]["state"], record["events"][-1]["reason"]) == (state, "because")
    again = desk.refused("ana", "consent", command, "s-1", "--reason", "because")
    assert again == (ExitCode.REFUSED, "consent_transition")


def test_a_receipt_is_verified_without_a_database(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.record("ana", "s-1")
    receipt = desk.folder / "receipt.json"
    desk.run("ana", "consent", "receipt", "s-1", "--out", receipt)
    assert mode(receipt) == 0o600
    linked = json.loads(desk.run("ana", "consent", "receipt", "s-1", "--format", "jsonld")[1])
    assert linked["@type"] == "dpv:ConsentReceipt"
    assert desk.run("ana", "consent", "receipt", "s-1", "--format", "text")[1].startswith("CONSENT RECEIPT\n")
    assert desk.ask("ana", "consent", "verify", receipt)["compared"] == ["signature"]

    key = desk.ask("ana", "audit", "public-key")["public_key"]
    nowhere = desk.folder / "nowhere.db"
    monkeypatch.setenv("FACEMATCH_DATABASE", f"sqlite:///{nowhere}")
    files = ("--notice", desk.notice, "--evidence", desk.folder / "form.pdf")
    assert desk.ask("x", "consent", "verify", receipt, *files, "--public-key", key)["in_force_when_issued"] is True
    refused = (ExitCode.REFUSED, "receipt_invalid")
    assert desk.refused("x", "consent", "verify", receipt, "--public-key", "ab" * 32) == refused
    assert desk.refused("x", "consent", "verify", receipt, "--public-key", key, "--notice", receipt) == refused
    edited = desk.file("edited.json", receipt.read_text("utf-8").replace("site-access", "marketing"))
    assert desk.refused("x", "consent", "verify", edited, "--public-key", key) == refused
    assert desk.refused("x", "consent", "verify", receipt, "--public-key", "no key")[0] == ExitCode.INPUT
    assert not nowhere.exists()


def test_policies_are_checked_set_and_answered_for_any_moment(desk: Desk) -> None:
    names = [profile["name"] for profile in desk.ask("x", "policy", "profiles")["profiles"]]
    assert names == ["access-control", "retail-watchlist"]
    assert desk.ask("x", "policy", "check", "retail-watchlist")["digest"] == Policy.profile("retail-watchlist").digest
    assert not desk.database.exists()
    status, document, _ = desk.run("boss", "policy", "show", "--toml")
    assert (status, Policy.from_text(document, "toml")) == (ExitCode.OK, Policy.profile("access-control"))

    narrow = desk.file(
        "narrow.toml", document.replace('[purposes]\nallowed = ["*"]', '[purposes]\nallowed = ["entry"]')
    )
    differs = desk.ask("x", "policy", "check", narrow, "--against", "access-control")["differs"]
    assert [item["rule"] for item in differs] == ["purposes"]
    made = desk.ask("boss", "policy", "set", narrow, "--from", "2999-01-01T00:00:00+02:00")
    assert (made["version"], made["effective_from"]) == (2, "2998-12-31T22:00:00+00:00")
    shown = desk.ask("boss", "policy", "show")
    assert shown["version"] == 1
    idle = {rule["rule"] for rule in shown["rules"] if not rule["enforced"]}
    assert idle == {"reviewers", "precision", "unconfirmed_media"}
    assert desk.ask("boss", "policy", "show", "--at", "2999-01-01T00:00:00Z")["digest"] == made["digest"]
    assert [version["version"] for version in desk.ask("boss", "policy", "history")["policies"]] == [1, 2]
    desk.ask("boss", "policy", "set", "retail-watchlist")
    assert desk.refused("boss", "consent", "record", "s-1", *desk.consent()) == (ExitCode.REFUSED, "policy_refused")
    for moment in ("2020-01-01T00:00:00Z", "2027-01-01", "yesterday"):
        assert desk.refused("boss", "policy", "show", "--at", moment) == (ExitCode.INPUT, "invalid_argument")
    past = desk.refused("boss", "policy", "set", narrow, "--from", "2020-01-01T00:00:00Z")
    assert past == (ExitCode.INPUT, "invalid_argument")
    wrong = desk.file("wrong.toml", "[purposes]\nallow = []\n")
    assert desk.refused("x", "policy", "check", wrong) == (ExitCode.REFUSED, "policy_invalid")
    taken = desk.refused("boss", "consent", "record", "s-1", *desk.consent(), "--policy", "access-control")
    assert taken == (ExitCode.REFUSED, "policy_invalid")


def test_the_rule_that_refuses_is_in_the_answer(desk: Desk) -> None:
    status, out, _ = desk.run(
        "boss", "consent", "record", "s-1", *desk.consent(), "--policy", "retail-watchlist", "--json"
    )
    assert (status, json.loads(out)["error"]["rule"]) == (ExitCode.REFUSED, "purposes")


def test_a_moment_without_a_timezone_is_not_guessed() -> None:
    assert parse_moment(" 2027-01-01T02:00:00+02:00 ") == parse_moment("2027-01-01T00:00:00Z")
    with pytest.raises(InvalidArgument, match="no timezone"):
        parse_moment("2027-01-01T00:00:00")


def test_a_contested_subject_stays_restricted_until_the_complaint_is_decided(desk: Desk) -> None:
    desk.record("ana", "s-1")
    before = desk.states("ana")["s-1"]
    number = desk.ask("ana", "rights", "complain", "s-1", "--ground", "it was not me")["complaint_id"]
    assert desk.states("ana") == {"s-1": "restricted"}
    assert desk.refused("ana", "rights", "decide", number) == (ExitCode.USAGE, "usage")
    assert desk.ask("ana", "rights", "decide", number, "--dismissed")["state"] == "not upheld"
    assert desk.states("ana") == {"s-1": before}
    again = desk.refused("ana", "rights", "decide", number, "--upheld")
    assert again == (ExitCode.REFUSED, "approval_not_found")
    second = desk.ask("ana", "rights", "complain", "s-1", "--ground", "still not me")["complaint_id"]
    assert desk.ask("ana", "rights", "decide", second, "--upheld")["state"] == "upheld"
    assert desk.states("ana") == {"s-1": "restricted"}


def test_data_goes_to_the_subject_and_to_named_recipients_only(desk: Desk) -> None:
    desk.record("ana", "s-1", recipient="Example Auditors")
    archive, page = desk.folder / "s-1.zip", desk.folder / "auditors.json"
    desk.ask("ana", "rights", "export", "s-1", archive)
    with zipfile.ZipFile(archive) as opened:
        assert {"README.txt", "consents.json", "index.html"} <= set(opened.namelist())
    assert desk.refused("ana", "rights", "export", "s-1", archive) == (ExitCode.INPUT, "invalid_argument")
    why = ("--reason", "yearly audit", "--out", page)
    stranger = desk.refused("ana", "rights", "disclose", "s-1", "--recipient", "Somebody", *why)
    assert stranger == (ExitCode.REFUSED, "recipient_refused")
    assert not page.exists()
    told = desk.ask("ana", "rights", "disclose", "s-1", "--recipient", "Example Auditors", *why)
    assert (told["file"], told["recipient"], len(told["consents"])) == (str(page), "Example Auditors", 1)
    written = json.loads(page.read_text("utf-8"))
    assert (written["subject_id"], mode(page)) == ("s-1", 0o600)


@pytest.mark.parametrize("kind", ["processing-record", "impact-input", "transparency-notice"])
def test_reports_say_what_the_controller_stated_and_mark_the_rest(desk: Desk, kind: str) -> None:
    desk.record("ana", "s-unmistakable")
    stated = desk.file("stated.toml", 'controller = "Example Ltd"\ncontact = "privacy@example.org"\n')
    page = desk.folder / "page.html"
    assert desk.run("ana", "report", kind, "--format", "html", "--statements", stated, "--out", page)[0] == ExitCode.OK
    html = page.read_text("utf-8")
    assert html.lstrip().lower().startswith("<!doctype html>")
    assert ("Example Ltd" in html, "s-unmistakable" in html, mode(page)) == (True, False, 0o600)
    status, markdown, _ = desk.run("ana", "report", kind)
    assert (status, "not stated" in markdown, markdown[-1]) == (ExitCode.OK, True, "\n")
    broken = desk.file("broken.toml", "controller = ")
    assert desk.run("ana", "report", kind, "--statements", broken)[0] == ExitCode.INPUT
    assert desk.run("ana", "report", kind, "--out", page)[0] == ExitCode.INPUT
