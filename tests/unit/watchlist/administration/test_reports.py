from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from facematch.errors import AccessDenied, AuditError, InvalidArgument, PackNotFound
from facematch.governance import Consent, Policy, Zone
from facematch.governance.reports import Statements
from facematch.matching import Calibration
from facematch.protocols import Analyzer
from facematch.reporting import NOT_STATED
from facematch.watchlist import Watchlist
from tests.unit.storage.test_calibrations import calibration
from tests.unit.watchlist.support import SITE, Bench, picture

REPORTS = ("processing_record", "impact_input", "transparency_notice")
ENTRANCE = Zone(
    site=SITE, zone="entrance", capture_basis="legitimate-interest", notice_id="sign-3", assessment_ref="DPIA-7"
)


def made(bench: Bench, name: str, **options: Any) -> str:
    return cast("str", getattr(bench.watchlist.reports, name)(**options))


def cell(text: str, name: str) -> str:
    """The value beside a name in a report's tables."""
    found = re.findall(rf"^\| {re.escape(name)} \| (.*) \|$", text, re.MULTILINE)
    assert len(found) == 1, name
    return cast("str", found[0])


def detailed(bench: Bench, subject_id: str, **fields: Any) -> Consent:
    """A consent record that says more."""
    data = {**bench.consent(subject_id).to_dict(), "schema_version": 2, **fields}
    return Consent.from_dict(data)


def opened_by(bench: Bench, actor: str) -> Watchlist:
    """The same watchlist, used by somebody else."""
    return Watchlist.open(f"sqlite:///{bench.path}", actor=actor, analyzer=bench.analyzer, clock=bench.clock)


@pytest.fixture
def shop(bench: Bench) -> Bench:
    """Four subjects: two searchable, one contested, one withdrawn; a zone, a suspension, people with roles."""
    w = bench.watchlist
    controller = {"name": "Corner Shop Ltd", "contact": "privacy@shop.example"}
    first = detailed(bench, "erika-mustermann", controller=controller, category="staff", recipients=["Police"])
    w.enroll("erika-mustermann", [picture(1), picture(1, 2)], consent=first)
    bench.enroll("max-otherwise", 2)
    bench.enroll("contested-one", 3)
    bench.enroll("withdrawn-one", 4)
    w.rights.open_complaint("contested-one", ground="an unmistakable ground")
    w.withdraw("withdrawn-one", reason="an unmistakable reason")
    w.zones.open(ENTRANCE)
    w.suspensions.add(reason="cameras moved", site="store-13")
    w.actors.grant("bo", "operator")
    w.actors.grant("dora", "privacy-officer", "auditor")
    return bench


def test_the_processing_record_is_what_is_configured_and_stored_now(shop: Bench) -> None:
    text = made(shop, "processing_record")
    policy = Policy.profile("access-control")
    assert cell(text, "Name") == "Corner Shop Ltd"
    assert cell(text, "Contact") == "privacy@shop.example"
    assert cell(text, "Consent records that name no controller") == "2"
    assert cell(text, "Purposes that consents name") == "site-access (3 records)"
    assert cell(text, "Subjects by state") == (
        "searchable (2 subjects); consent ended (1 subject); restricted by a complaint (1 subject)"
    )
    assert cell(text, "Templates by state") == "approved (5 templates)"
    assert cell(text, "Consent records by state") == "GIVEN (3 records); WITHDRAWN (1 record)"
    assert cell(text, "Enrollment categories") == "staff (1 record); not stated (2 records)"
    assert cell(text, "Sources of the pictures") == f"**{NOT_STATED}**"
    assert cell(text, "Recipients that consents name") == "Police (1 record)"
    assert f"| {SITE}; entrance | legitimate interest | sign-3 | DPIA-7 | 2026-01-01; by ana |" in text
    assert "Identification is suspended at site 'store-13' since 2026-01-01 12:00 UTC by ana: cameras moved" in text
    assert cell(text, "Digest (SHA-256)") == policy.digest
    assert "| owner | ana | 1 |" in text
    assert "| operator | bo | 1 |" in text
    assert "| auditor | dora | 1 |" in text
    state = shop.watchlist.keys.status()
    assert cell(text, "Signing key") == f"{state.signing_key} (Ed25519 public key {state.signing_public_key})".replace(
        "_", "\\_"
    )
    assert cell(text, "Encryption at rest").startswith("AES-256-GCM, one data key a subject (4 keys)")


def test_the_record_names_size_and_root_of_the_log_before_it(shop: Bench) -> None:
    log = shop.watchlist.audit
    verified = log.verify()
    text = made(shop, "processing_record")
    assert f"{verified.size} entries in a signed Merkle tree, root {verified.root.hex()}" in text
    assert len(log) == verified.size + 1


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_report_names_no_subject(shop: Bench, name: str, form: str) -> None:
    text = made(shop, name, format=form)
    refs = {entry.subject_ref for entry in shop.watchlist.audit.entries()} - {None}
    records = [shop.watchlist.consents.list(item.subject_id)[0].record_id for item in shop.watchlist.subjects.list()]
    names = ["erika", "otherwise", "contested-one", "withdrawn-one", "unmistakable", *records, *map(str, refs)]
    assert len(names) == 13
    assert [item for item in names if item in text] == []


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_in_the_log_with_its_digest(shop: Bench, name: str) -> None:
    text = made(shop, name, format="html")
    entry = shop.last()
    assert (entry.action, entry.outcome, entry.subject_ref) == ("report", "done", None)
    assert entry.details == {
        "report": name,
        "format": "html",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "generation": 10,
    }


@pytest.mark.parametrize("name", REPORTS)
def test_without_its_audit_entry_there_is_no_report(shop: Bench, name: str) -> None:
    connection = sqlite3.connect(shop.path, isolation_level=None)
    connection.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no more'); END")
    connection.close()
    with pytest.raises(AuditError):
        made(shop, name)


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_needs_a_role(shop: Bench, name: str) -> None:
    with opened_by(shop, "bo") as theirs, pytest.raises(AccessDenied):
        getattr(theirs.reports, name)()
    assert (shop.last().action, shop.last().outcome, shop.last().actor) == ("report", "refused", "bo")
    with opened_by(shop, "dora") as theirs:
        assert "dora" in theirs.reports.processing_record()


def test_an_unknown_format_is_refused_and_logged(shop: Bench) -> None:
    with pytest.raises(InvalidArgument, match="'pdf'"):
        made(shop, "impact_input", format="pdf")
    assert shop.last().details == {"report": "impact_input", "format": "pdf", "code": "invalid_argument"}


def test_statements_are_shown_and_kept_nowhere(shop: Bench) -> None:
    said = Statements(necessity="doors without keys", supervisory_authority="DPC Dublin")
    assert (
        cell(made(shop, "impact_input", statements=said), "Why face recognition is necessary") == "doors without keys"
    )
    assert "DPC Dublin" in made(shop, "transparency_notice", statements=said)
    assert "doors without keys" not in made(shop, "impact_input")
    assert [entry for entry in shop.watchlist.audit.entries() if "doors" in str(entry.details)] == []


def test_the_notice_of_a_site_shows_its_zones_only(shop: Bench) -> None:
    row = f"| {SITE} | entrance | legitimate interest | sign-3 |"
    assert row in made(shop, "transparency_notice")
    assert row in made(shop, "transparency_notice", site=SITE)
    assert "No camera zone is open at store-13." in made(shop, "transparency_notice", site="store-13")
    with pytest.raises(InvalidArgument):
        made(shop, "transparency_notice", site=" ")


def test_a_closed_zone_and_a_lifted_suspension_are_gone(shop: Bench) -> None:
    w = shop.watchlist
    w.zones.close(SITE, "entrance")
    w.suspensions.lift(1)
    w.actors.grant("eve", "admin")
    with opened_by(shop, "eve") as theirs:
        assert theirs.suspensions.lift(1).lifted is True
    text = made(shop, "processing_record")
    assert "No camera zone is open." in text
    assert "suspended" not in text


def test_a_calibration_is_reported_with_its_interval(shop: Bench) -> None:
    found: Calibration = calibration(shop.analyzer)
    shop.watchlist.set_calibration(found)
    text = made(shop, "processing_record")
    assert cell(text, "Threshold (raw cosine)") == f"{found.threshold:.4g}"
    assert cell(text, "Set for (FPIR)") == f"{100 * found.target_fpir:.3g} %"
    assert cell(text, "Bound of their rate") == (
        f"at most {100 * found.fpir_upper:.3g} % with {100 * found.confidence:.3g} % confidence (one-sided)"
    )
    assert cell(text, "Calibration artifact") == found.sealed().digest
    assert cell(text, "Misses of people on the list (FNIR)") == f"**{NOT_STATED}**"


def test_without_a_calibration_the_pack_speaks_where_it_is_given(shop: Bench) -> None:
    text = shop.watchlist.reports.processing_record()
    assert cell(text, "Threshold (raw cosine)") == "0.6"
    assert cell(text, "Set for (FMR)") == "0.1 %"
    assert cell(text, "Embedder") == "fake"
    assert cell(text, "Calibration artifact") == "none; the model pack's threshold"


def test_models_that_cannot_be_loaded_stop_no_report_and_are_said(shop: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> Analyzer:
        raise PackNotFound("there is no pack 'nowhere'", hint="check the name")

    monkeypatch.setattr(shop.watchlist._session.resources._analyzer, "get", missing)
    text = shop.watchlist.reports.impact_input()
    assert "could not be loaded where this was made: there is no pack 'nowhere'" in text
    assert cell(text, "Model pack") == "could not be loaded here: there is no pack 'nowhere'"
    assert cell(text, "Model and contract") == f"fake, contract {shop.analyzer.contract.digest}"


def test_records_past_their_time_are_counted_apart(shop: Bench) -> None:
    shop.clock.now += timedelta(days=400)
    text = made(shop, "impact_input")
    assert "3 consent records past their time wait for a sweep." in text
    assert cell(text, "Scope: subjects by state") == (
        "consent expired (2 subjects); consent ended (1 subject); restricted by a complaint (1 subject)"
    )
    assert cell(text, "Purposes") == f"**{NOT_STATED}**"
    assert "1 complaint not decided yet." in text


def test_decided_complaints_are_counted_by_how(shop: Bench) -> None:
    w = shop.watchlist
    w.rights.decide_complaint(1, upheld=False)
    w.rights.decide_complaint(w.rights.open_complaint("contested-one", ground="again").complaint_id, upheld=True)
    w.rights.open_complaint("max-otherwise", ground="new")
    assert cell(made(shop, "impact_input"), "Complaints") == "1 open, 1 upheld, 1 not upheld"


def test_a_new_watchlist_has_reports_too(bench: Bench) -> None:
    texts = [made(bench, name, format=form) for name in REPORTS for form in ("markdown", "html")]
    assert [NOT_STATED in text for text in texts] == [True] * 6


def test_a_report_changes_nothing(shop: Bench) -> None:
    def generation() -> int:
        connection = sqlite3.connect(shop.path)
        found = connection.execute("SELECT generation FROM meta").fetchone()[0]
        connection.close()
        return cast("int", found)

    before = generation()
    calls: Sequence[Callable[[], str]] = [lambda name=name: made(shop, name) for name in REPORTS]  # type: ignore[misc]
    assert [len(call()) > 1000 for call in calls] == [True] * 3
    assert generation() == before
