"""One test for each row of the governance table in docs/explanation/governance.md, named by the row.

Each shows the behavior through the public interface; the unit, property and integration tests go deeper.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import facematch
from facematch.errors import (
    AccessDenied,
    AuditError,
    ConsentInvalid,
    ConsentRequired,
    ConsentTransitionError,
    KeyUnavailable,
    LicenseError,
    PolicyRefused,
    PurposeRequired,
    QualityTooLow,
    RecipientRefused,
    SeparationOfDuties,
    Suspended,
    ThresholdTooLow,
    ZoneClosed,
)
from facematch.evaluation.grouping import GroupCounts
from facematch.evaluation.ratios import judge, rates_and_ratios
from facematch.governance import Consent, ConsentState
from facematch.governance.certificates import verify_certificate
from facematch.governance.policy import Policy
from facematch.governance.zones import Zone
from facematch.matching import Calibration
from facematch.models import open_pack
from facematch.settings import Settings
from facematch.testing import FakeAnalyzer, SyntheticFace, synthetic_consent, synthetic_picture
from facematch.types import Face, FaceQuality, Frame, Identification, Image
from facematch.video import VideoPipeline
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, open_bench, picture

DAY = timedelta(days=1)
DOCS = Path(__file__).parents[2] / "docs" / "explanation" / "governance.md"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path / "w.db") as made:
        yield made


def retail(tmp_path: Path, **changes: dict[str, Any]) -> Policy:
    """The retail profile without what needs a calibration on real faces."""
    document = Policy.profile("retail-watchlist").to_dict()
    relaxed: dict[str, dict[str, Any]] = {
        "target_fpir": {"maximum": 0.5, "required": False},
        "report_age": {"required": False},
        "quality": {"gate": "where-measured", "overrides": True},
    }
    for rule, values in {**relaxed, **changes}.items():
        document[rule] = values
    return Policy.from_dict(document)


def barred(subject_id: str, bench: Bench, **more: Any) -> Consent:
    """A record that the retail profile accepts."""
    plain = synthetic_consent(subject_id, purposes=["loss-prevention"], now=bench.clock.now, valid_for=100 * DAY)
    says = {"category": "barred-after-theft", "incident_id": "i-7", "source": "incident-footage", "schema_version": 2}
    return Consent.from_dict({**plain.to_dict(), **says, **more})


def as_actor(bench: Bench, actor: str) -> Watchlist:
    """The same watchlist in another actor's hands."""
    url = f"sqlite:///{bench.path}"
    return Watchlist.open(url, actor=actor, analyzer=bench.analyzer, clock=bench.clock)


def everything_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def test_r01_enrollment_needs_a_consent_in_force(bench: Bench) -> None:
    ended = bench.consent("s").withdraw(actor="ana", now=bench.clock.now)
    for consent in (None, ended):
        with pytest.raises(ConsentRequired):
            bench.watchlist.enroll("s", picture(1), consent=consent)
    assert bench.watchlist.subjects.list() == ()
    assert bench.watchlist.subjects.count_templates().templates == 0


def test_r02_a_record_needs_a_notice_a_language_and_evidence(tmp_path: Path) -> None:
    (tmp_path / "form.pdf").write_bytes(b"signed")
    good: dict[str, Any] = {
        "subject_id": "s",
        "purposes": [PURPOSE],
        "notice": b"we compare faces",
        "language": "en",
        "evidence": tmp_path / "form.pdf",
        "adult_attested": True,
        "valid_for": 30 * DAY,
    }
    record = Consent.given(**good)
    assert re.fullmatch("[0-9a-f]{64}", record.privacy_notice.sha256)
    assert record.evidence_digests
    refused = []
    changes: list[dict[str, Any]] = [
        {"notice": b""},
        {"language": ""},
        {"evidence": tmp_path / "none"},
        {"purposes": []},
    ]
    for change in changes:
        with pytest.raises(ConsentInvalid):
            Consent.given(**{**good, **change})
        refused.append(change)
    assert len(refused) == 4


def test_r03_another_lawful_basis_needs_the_policy_and_an_assessment(bench: Bench) -> None:
    plain = bench.consent("s").to_dict()
    with pytest.raises(ConsentInvalid, match="assessment"):
        Consent.from_dict({**plain, "lawful_basis": "legitimate-interest"})
    assessed = Consent.from_dict(
        {**plain, "lawful_basis": "legitimate-interest", "impact_assessment": "dpia-3", "schema_version": 2}
    )
    with pytest.raises(PolicyRefused) as caught:
        bench.watchlist.enroll("s", picture(1), consent=assessed)
    assert caught.value.rule == "lawful_bases"


def test_r04_a_zone_opens_only_with_basis_notice_and_assessment(bench: Bench) -> None:
    bench.enroll("s", 1)
    with pytest.raises(ZoneClosed):
        Zone.from_dict({"site": SITE, "zone": "door", "capture_basis": "legitimate-interest", "notice_id": "n-1"})
    with pytest.raises(ZoneClosed):
        bench.watchlist.identify(picture(1), purpose=PURPOSE, site=SITE, zone="door")
    zone = {"site": SITE, "zone": "door", "capture_basis": "consent", "notice_id": "n-1", "assessment_ref": "dpia-1"}
    bench.watchlist.zones.open(Zone.from_dict(zone))
    found = bench.watchlist.identify(picture(1, 1), purpose=PURPOSE, site=SITE, zone="door")
    assert [c.subject_id for c in found.candidates] == ["s"]
    bench.watchlist.zones.close(SITE, "door")
    with pytest.raises(ZoneClosed):
        bench.watchlist.identify(picture(1, 2), purpose=PURPOSE, site=SITE, zone="door")


def test_r05_a_search_needs_a_purpose_and_reaches_only_who_consented_to_it(bench: Bench) -> None:
    bench.enroll("s", 1, purposes=["events"])
    with pytest.raises(PurposeRequired):
        bench.watchlist.identify(picture(1), purpose="")
    assert bench.found(1, purpose="site-access") == []
    assert bench.found(1, purpose="events") == ["s"]


def test_r06_a_reference_out_of_scope_is_not_scored_even_at_one(bench: Bench) -> None:
    open_zone = {"site": SITE, "capture_basis": "consent", "notice_id": "n", "assessment_ref": "a"}
    for name in ("door", "till"):
        bench.watchlist.zones.open(Zone.from_dict({**open_zone, "zone": name}))
    consent = Consent.from_dict({**bench.consent("s").to_dict(), "zones": ["door"], "schema_version": 2})
    bench.watchlist.enroll("s", picture(1), consent=consent)
    same = picture(1)  # the very picture that was enrolled: score 1.0
    search = bench.watchlist.identify
    assert search(same, purpose=PURPOSE, site=SITE, zone="door").candidates[0].score == pytest.approx(1.0, abs=1e-6)
    places: list[dict[str, Any]] = [{"site": SITE, "zone": "till"}, {"site": SITE}, {"site": "elsewhere"}, {}]
    for place in places:
        answer = search(same, purpose=PURPOSE, **place)
        assert (answer.candidates, answer.gallery_size) == ((), 0)


def test_r07_nobody_receives_data_whom_the_consent_does_not_name(bench: Bench) -> None:
    named = Consent.from_dict({**bench.consent("s").to_dict(), "recipients": ["police-12"]})
    bench.watchlist.enroll("s", picture(1), consent=named)
    with pytest.raises(RecipientRefused):
        bench.watchlist.rights.disclose("s", recipient="another-shop", reason="asked")
    handed = bench.watchlist.rights.disclose("s", recipient="police-12", reason="warrant 7")
    assert handed.consents == (named.to_dict(),)
    assert bench.last().details["recipient"] == "police-12"


def test_r08_consent_ends_and_renewal_needs_new_evidence(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ConsentInvalid):
        bench.consent("s", valid_for=731 * DAY)
    bench.enroll("s", 1, valid_for=10 * DAY)
    (tmp_path / "again.pdf").write_bytes(b"another signature")
    with pytest.raises(ConsentInvalid):
        bench.watchlist.consents.renew("s", valid_for=10 * DAY, evidence=tmp_path / "missing.pdf")
    bench.clock.advance(9 * DAY)
    bench.watchlist.consents.renew("s", valid_for=10 * DAY, evidence=tmp_path / "again.pdf")
    bench.clock.advance(9 * DAY)
    assert bench.found(1) == ["s"]
    assert bench.watchlist.consents.list("s")[0].state is ConsentState.RENEWED
    bench.clock.advance(2 * DAY)
    assert bench.found(1) == []
    (tmp_path / "late.pdf").write_bytes(b"signed too late")
    with pytest.raises(ConsentTransitionError):
        bench.watchlist.consents.renew("s", valid_for=DAY, evidence=tmp_path / "late.pdf")


def test_r09_expiry_holds_at_query_time_and_the_sweeper_erases_afterwards(bench: Bench) -> None:
    bench.enroll("s", 1, valid_for=10 * DAY)
    bench.enroll("stays", 2, valid_for=300 * DAY)
    bench.clock.advance(10 * DAY)
    assert bench.found(1) == []
    assert bench.watchlist.apply_retention(dry_run=True).expired == ("s",)
    swept = bench.watchlist.apply_retention()
    assert (swept.expired, swept.erased) == (("s",), ())
    assert bench.watchlist.consents.list("s")[0].state is ConsentState.EXPIRED
    bench.clock.advance(30 * DAY)
    swept = bench.watchlist.apply_retention()
    assert swept.erased == ("s",)
    assert bench.watchlist.verify_erasure(swept.certificates[0]).ok
    assert [record.subject_id for record in bench.watchlist.subjects.list()] == ["stays"]


def test_r11_a_stranger_leaves_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench.enroll("s", 1)
    answer = bench.watchlist.identify(picture(99), purpose=PURPOSE, site=SITE)
    assert answer.candidates == ()
    assert answer.probes[0].face.embedding is None
    vector = bench.analyzer.embedding(99)
    score = float(vector @ bench.analyzer.embedding(1))
    stored = everything_on_disk(bench.path.parent)
    needles = [vector.astype(kind).tobytes()[:16] for kind in ("<f4", "<f2", "<f8")]
    needles += [picture(99).tobytes()[:64], f"{score:.6f}".encode()]
    assert [needle in stored for needle in needles] == [False] * 5
    assert f"{score:.3f}" not in caplog.text
    assert f"{vector[0]:.4f}" not in caplog.text


def test_r13_after_a_withdrawal_no_process_returns_the_subject(bench: Bench) -> None:
    bench.enroll("s", 1)
    with as_actor(bench, "ana") as other:
        assert other.identify(picture(1, 1), purpose=PURPOSE, site=SITE).candidates[0].subject_id == "s"
        bench.watchlist.withdraw("s", reason="left")
        assert other.identify(picture(1, 2), purpose=PURPOSE, site=SITE).candidates == ()


def test_r14_erasure_destroys_the_key_so_that_old_backups_stay_closed(bench: Bench, tmp_path: Path) -> None:
    bench.enroll("s", 1)
    bench.enroll("t", 2)
    backup = bench.watchlist.backup(tmp_path / "before.db")
    bench.watchlist.erase("s", reason="asked")
    bench.watchlist.restore(backup)
    assert [record.subject_id for record in bench.watchlist.subjects.list()] == ["t"]
    bench.watchlist.close()
    for end in ("", "-wal", "-shm"):
        bench.path.with_name(bench.path.name + end).unlink(missing_ok=True)
    bench.path.write_bytes(backup.read_bytes())  # the file itself put back behind facematch's back
    with as_actor(bench, "ana") as again:
        assert [record.subject_id for record in again.subjects.list()] == ["t"]
        with pytest.raises(Suspended):
            again.identify(picture(1), purpose=PURPOSE, site=SITE)


def test_r15_erasure_gives_a_certificate_that_anybody_can_check(bench: Bench) -> None:
    bench.enroll("subject-0042", 1)
    erasure = bench.watchlist.erase("subject-0042", reason="asked")
    certificate = json.loads(json.dumps(erasure.certificate))
    checked = verify_certificate(certificate, public_key=bench.watchlist.audit.public_key)
    assert (checked["templates"], checked["data_key"]["destroyed"]) == (1, True)
    assert checked["self_search"] == {"probes": 1, "templates_found": 0}
    assert bench.watchlist.verify_erasure(certificate).findings == ()
    certificate["templates"] = 0
    with pytest.raises(facematch.FacematchError, match="signature"):
        verify_certificate(certificate)


def test_r17_adults_only_and_attested(bench: Bench, tmp_path: Path) -> None:
    for value in (False, None, "unknown"):
        with pytest.raises(ConsentInvalid, match="adult"):
            Consent.from_dict({**bench.consent("s").to_dict(), "adult_attested": value})


def test_r18_nobody_vulnerable(bench: Bench) -> None:
    marked = Consent.from_dict({**bench.consent("s").to_dict(), "vulnerable": True, "schema_version": 2})
    with pytest.raises(PolicyRefused) as caught:
        bench.watchlist.enroll("s", picture(1), consent=marked)
    assert caught.value.rule == "vulnerable"
    bench.enroll("later", 2)  # found out later: invalidated and erased
    bench.watchlist.consents.invalidate("later", reason="a vulnerable person")
    assert bench.found(2) == []
    bench.watchlist.erase("later", reason="a vulnerable person")


def test_r19_categories_come_from_the_policy_and_are_never_demographic(tmp_path: Path) -> None:
    with open_bench(tmp_path / "retail.db", policy=retail(tmp_path)) as bench:
        for change, rule in (({"category": "rude"}, "categories"), ({"incident_id": None}, "incident")):
            with pytest.raises(PolicyRefused) as caught:
                bench.watchlist.enroll("s", picture(1), consent=barred("s", bench, **change))
            assert caught.value.rule == rule
        with pytest.raises(ConsentInvalid, match="who they are"):
            barred("s", bench, category="ethnicity-x")


class Assessing(FakeAnalyzer):
    """An analyzer that finds every picture blurred."""

    def assess(self, image: Image, faces: Sequence[Face]) -> list[FaceQuality]:
        return [FaceQuality(60.0, 0.001, 120.0, 150.0, 0.0, 0.0, 0.0, 0.0, 0.99, 10.0) for _ in faces]


def test_r20_poor_pictures_are_refused_and_an_override_needs_a_second_person(tmp_path: Path) -> None:
    with open_bench(tmp_path / "w.db", analyzer=Assessing()) as bench:
        with pytest.raises(QualityTooLow) as caught:
            bench.watchlist.enroll("s", picture(1), consent=bench.consent("s"))
        assert "sharpness" in caught.value.refusals[0].message
        reason = "the only picture there is"
        enrolled = bench.watchlist.enroll("s", picture(1), consent=bench.consent("s"), quality_override=reason)
        assert enrolled.state == "pending"
        assert bench.found(1) == []
        with pytest.raises(SeparationOfDuties):
            bench.watchlist.approvals.approve(enrolled.enrollment_id)
        bench.watchlist.actors.grant("ben", "approver")
        with as_actor(bench, "ben") as ben:
            ben.approvals.approve(enrolled.enrollment_id)
        assert bench.found(1) == ["s"]


def test_r21_scraped_pictures_are_refused(bench: Bench) -> None:
    with pytest.raises(ConsentInvalid, match="scraped"):
        Consent.from_dict({**bench.consent("s").to_dict(), "source": "scraped", "schema_version": 2})


def test_r22_enrollment_says_who_looks_alike(bench: Bench) -> None:
    bench.enroll("s", 1)
    again = bench.watchlist.enroll("t", picture(1, 5), consent=bench.consent("t"))
    assert [candidate.subject_id for candidate in again.look_alikes] == ["s"]


def test_r23_dual_control_keeps_a_reference_pending_until_another_actor_approves(tmp_path: Path) -> None:
    zone = {
        "site": SITE,
        "zone": "door",
        "capture_basis": "legitimate-interest",
        "notice_id": "n",
        "assessment_ref": "a",
    }
    with open_bench(tmp_path / "retail.db", policy=retail(tmp_path)) as bench:
        bench.watchlist.zones.open(Zone.from_dict(zone))
        enrolled = bench.watchlist.enroll("s", picture(1), consent=barred("s", bench))
        search: dict[str, Any] = {"purpose": "loss-prevention", "site": SITE, "zone": "door"}
        assert enrolled.state == "pending"
        assert bench.watchlist.identify(picture(1, 1), **search).candidates == ()
        with pytest.raises(SeparationOfDuties):
            bench.watchlist.approvals.approve(enrolled.enrollment_id)
        bench.watchlist.actors.grant("ben", "approver")
        with as_actor(bench, "ben") as ben:
            ben.approvals.approve(enrolled.enrollment_id)
        assert [c.subject_id for c in bench.watchlist.identify(picture(1, 2), **search).candidates] == ["s"]


def test_r24_results_are_candidates_and_nothing_acts(bench: Bench) -> None:
    public = {name for name in dir(Identification) if not name.startswith("_")}
    assert public & {"act", "action", "block", "deny", "match", "identity", "unlock", "detain"} == set()
    assert {"probes", "candidates", "threshold"} <= public
    offered = {name for name in dir(Watchlist) if not name.startswith("_")}
    assert offered & {"act", "block", "ban", "detain", "unlock", "notify_police"} == set()


class Still:
    """A camera in front of which one person stands for a number of frames."""

    name = "door"
    average_rate = 25.0

    def __init__(self, frames: int) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        return (Frame(i, i / 25, picture(1)) for i in range(self._frames))


def test_r27_an_alert_needs_the_policys_number_of_frames_of_one_passage(bench: Bench) -> None:
    def asking_for(**corroboration: Any) -> None:
        document = {**Policy.profile("access-control").to_dict(), "corroboration": corroboration}
        bench.watchlist.policies.set(Policy.from_dict(document))

    bench.enroll("s", 1)
    with VideoPipeline(bench.watchlist, purpose=PURPOSE, site=SITE, min_frames=2, clock=bench.clock) as pipeline:
        assert [alert.frames for alert in pipeline.run(Still(4))] == [4]
        asking_for(frames=5)
        refused = pipeline.process(Still(4))
        assert (refused.passages, refused.alerts, refused.refused_alerts) == (1, (), 1)
        assert "corroboration" in refused.notes[0]
        (alert,) = pipeline.run(Still(5))
        assert (alert.subject_id, alert.frames, alert.policy_version) == ("s", 5, 2)
        asking_for(frames=9, two_cameras=True)  # one camera is not two
        assert list(pipeline.run(Still(8))) == []
        asking_for()
        assert list(pipeline.run(Still(50))) == []


def test_r29_every_search_is_audited_and_a_failed_entry_fails_it(bench: Bench) -> None:
    bench.enroll("s", 1)
    bench.found(99)
    entry = bench.last()
    assert (entry.action, entry.outcome, entry.details["candidates"]) == ("identify", "done", [])
    with closing(sqlite3.connect(bench.path, isolation_level=None)) as raw:
        raw.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no more'); END")
    with pytest.raises(AuditError):
        bench.found(1)


def test_r30_default_deny_and_separation_of_duties(bench: Bench) -> None:
    with as_actor(bench, "eve") as eve:
        for call in (lambda: eve.identify(picture(1), purpose=PURPOSE), eve.subjects.list, eve.audit.entries):
            with pytest.raises(AccessDenied):
                call()
        assert eve.actor == "eve"
    assert [(e.actor, e.outcome) for e in bench.watchlist.audit.entries(limit=3)] == [("eve", "refused")] * 3
    bench.watchlist.actors.grant("eve", "operator")
    with as_actor(bench, "eve") as eve:
        assert eve.identify(picture(1), purpose=PURPOSE).candidates == ()
        with pytest.raises(AccessDenied):
            eve.actors.grant("eve", "admin")


def test_r32_a_caller_may_raise_the_tested_threshold_and_never_lower_it(bench: Bench) -> None:
    bench.enroll("s", 1)
    assert bench.watchlist.identify(picture(1), purpose=PURPOSE, site=SITE, threshold=0.7).threshold == 0.7
    with pytest.raises(ThresholdTooLow):
        bench.watchlist.identify(picture(1), purpose=PURPOSE, site=SITE, threshold=0.1)


def calibration(bench: Bench, **changes: Any) -> Calibration:
    """An artifact that was tested with one subject."""
    values: dict[str, Any] = {
        "contract": bench.analyzer.contract.digest,
        "models": "fake",
        "rule": "max",
        "gallery_size": 1,
        "templates": 5,
        "people": 400,
        "target_fpir": 0.01,
        "threshold": 0.6,
        "errors": 0,
        "fpir_upper": 0.0075,
        "confidence": 0.95,
        "data": "made up",
        "seed": 0,
        "data_digest": "cd" * 32,
        "measured_at": "2026-01-02",
        "tool_version": "0",
    }
    return Calibration(**{**values, **changes}).sealed()


def test_r33_a_gallery_that_outgrew_its_test_is_noted_or_refused(tmp_path: Path) -> None:
    with open_bench(tmp_path / "w.db") as bench:
        bench.watchlist.set_calibration(calibration(bench))
        bench.enroll("s", 1)
        assert bench.watchlist.identify(picture(1), purpose=PURPOSE, site=SITE).notes == ()
        bench.enroll("t", 2)
        (note,) = bench.watchlist.identify(picture(1), purpose=PURPOSE, site=SITE).notes
        assert "2 subjects" in note
        strict = Policy.from_dict(
            {**Policy.profile("access-control").to_dict(), "gallery_limit": {"max_subjects": 9, "outgrown": "refuse"}}
        )
        bench.watchlist.policies.set(strict)
        with pytest.raises(PolicyRefused) as caught:
            bench.watchlist.identify(picture(1), purpose=PURPOSE, site=SITE)
        assert caught.value.rule == "gallery_limit"


def test_r34_an_old_test_report_suspends_identification_until_a_new_one(bench: Bench) -> None:
    bench.enroll("s", 1, valid_for=700 * DAY)
    bench.watchlist.set_calibration(calibration(bench))
    aged = {**Policy.profile("access-control").to_dict(), "report_age": {"required": True, "max_days": 365}}
    bench.watchlist.policies.set(Policy.from_dict(aged))
    assert bench.found(1) == ["s"]
    bench.clock.advance(367 * DAY)
    with pytest.raises(PolicyRefused) as caught:
        bench.found(1)
    assert caught.value.rule == "report_age"
    bench.watchlist.set_calibration(calibration(bench, measured_at=bench.clock.now.date().isoformat()))
    assert bench.found(1) == ["s"]


def test_r35_rates_have_intervals_by_group_and_small_groups_are_flagged() -> None:
    people = np.array([0] * 60 + [1] * 60 + [2] * 3)
    errors = np.zeros(123, dtype=np.int64)
    errors[:6] = 1
    errors[60:63] = 1
    searches = np.ones(123, dtype=np.int64)
    counts = {metric: GroupCounts(errors, searches) for metric in ("fpir", "fnir")}
    rates, ratios, _ = rates_and_ratios(counts, people, ["a", "b", "tiny"], min_people=30)
    assert rates["fpir"]["a"].rate == pytest.approx(0.1)
    interval = rates["fpir"]["a"].interval
    assert interval is not None
    assert 0.0 <= interval.low < 0.1 < interval.high <= 1.0
    assert rates["fpir"]["tiny"].insufficient
    assert ratios["fpir"].value is None
    assert not judge(rates, ratios, 2.0).passed


def test_r37_suspension_is_seen_by_the_next_search_and_two_people_lift_it(bench: Bench) -> None:
    bench.enroll("s", 1)
    with as_actor(bench, "ana") as other:
        suspension = bench.watchlist.suspensions.add(reason="too many wrong candidates", site=SITE)
        with pytest.raises(Suspended):
            other.identify(picture(1), purpose=PURPOSE, site=SITE)
        assert other.identify(picture(1), purpose=PURPOSE, site="elsewhere").candidates == ()
    assert bench.watchlist.suspensions.lift(suspension.suspension_id).lifted is False
    with pytest.raises(SeparationOfDuties):
        bench.watchlist.suspensions.lift(suspension.suspension_id)
    bench.watchlist.actors.grant("ben", "privacy-officer")
    with as_actor(bench, "ben") as ben:
        assert ben.suspensions.lift(suspension.suspension_id).lifted is True
    assert bench.found(1) == ["s"]


def test_r38_policies_are_versioned_and_what_ruled_can_be_answered(bench: Bench) -> None:
    first = bench.watchlist.policies.current()
    began = bench.clock.now
    bench.clock.advance(DAY)
    narrower = Policy.from_dict({**first.policy.to_dict(), "purposes": {"allowed": ["events"]}})
    second = bench.watchlist.policies.set(narrower, effective_from=bench.clock.now + DAY)
    assert bench.found(99) == []
    bench.clock.advance(DAY)
    with pytest.raises(PolicyRefused) as caught:
        bench.found(99)
    assert caught.value.rule == "purposes"
    at = bench.watchlist.policies.at
    assert [at(began).version, at(bench.clock.now - DAY).version, at(bench.clock.now).version] == [1, 1, 2]
    assert [v.digest for v in bench.watchlist.policies.list()] == [first.digest, second.digest]
    assert first.digest != second.digest


def test_r39_reports_come_from_the_live_configuration(bench: Bench) -> None:
    bench.enroll("subject-unmistakable", 1)
    zone = {"site": SITE, "zone": "aisle-9", "capture_basis": "consent", "notice_id": "n", "assessment_ref": "dpia-77"}
    bench.watchlist.zones.open(Zone.from_dict(zone))
    reports = bench.watchlist.reports
    texts = [reports.processing_record(), reports.impact_input(), reports.transparency_notice()]
    assert min(len(text) for text in texts) > 500
    assert "dpia-77" in texts[0] + texts[1]
    assert "subject-unmistakable" not in "".join(texts)


def test_r41_a_complaint_restricts_until_it_is_decided(bench: Bench) -> None:
    bench.enroll("s", 1)
    number = bench.watchlist.rights.open_complaint("s", ground="it was my brother").complaint_id
    assert bench.found(1) == []
    assert bench.watchlist.subjects.list()[0].state == "restricted"
    bench.watchlist.rights.decide_complaint(number, upheld=False)
    assert bench.found(1) == ["s"]
    again = bench.watchlist.rights.open_complaint("s", ground="look again").complaint_id
    bench.watchlist.rights.decide_complaint(again, upheld=True)
    assert bench.found(1) == []


def test_r42_a_subject_gets_everything_of_their_own_and_nothing_of_others(bench: Bench, tmp_path: Path) -> None:
    bench.enroll("subject-mine", 1)
    bench.enroll("subject-other", 2)
    bench.watchlist.identify(synthetic_picture([SyntheticFace(1, 3), SyntheticFace(2, 3)]), purpose=PURPOSE, site=SITE)
    archive = bench.watchlist.rights.export("subject-mine", tmp_path / "mine.zip")
    with zipfile.ZipFile(archive) as opened:
        content = b"".join(opened.read(name) for name in opened.namelist())
    assert b"subject-mine" in content
    assert b"subject-other" not in content
    assert bench.analyzer.embedding(1).astype("<f4").tobytes() not in content


def test_r44_there_is_no_bulk_export_of_templates() -> None:
    names = {name.lower() for name in dir(Watchlist)} | {name.lower() for name in facematch.__all__}
    assert [name for name in names if "template" in name and "export" in name] == []
    assert [name for name in names if "train" in name or "dump" in name] == []


def test_r45_templates_are_sealed_and_a_missing_key_serves_nothing(bench: Bench) -> None:
    bench.enroll("subject-unmistakable", 1)
    bench.watchlist.close()
    stored = everything_on_disk(bench.path.parent)
    vector = bench.analyzer.embedding(1)
    assert vector.astype("<f4").tobytes()[:16] not in stored
    assert b"subject-unmistakable" not in stored
    key = bench.path.with_name("w.db.key")
    key.rename(key.with_name("elsewhere"))
    with pytest.raises(KeyUnavailable):
        as_actor(bench, "ana")


def test_r46_templates_are_renewed_under_a_new_rotation_and_scores_stay(bench: Bench) -> None:
    bench.enroll("s", 1)
    probe = picture(1, 1)
    before = bench.watchlist.identify(probe, purpose=PURPOSE, site=SITE).candidates[0].score
    vectors = [bench.watchlist._session.resources.snapshot().vectors().copy()]
    assert bench.watchlist.keys.renew_templates().rotation == 2
    after = bench.watchlist.identify(probe, purpose=PURPOSE, site=SITE).candidates[0].score
    vectors.append(bench.watchlist._session.resources.snapshot().vectors().copy())
    assert after == pytest.approx(before, abs=1e-6)
    assert abs(float(np.vdot(vectors[0], vectors[1]))) < 0.9


def test_r47_no_demographic_inference_anywhere() -> None:
    root = Path(facematch.__file__).parent
    words = re.compile(r"\bdef \w*(gender|ethnic|emotion|race|estimate_age|predict_age)\w*\(", re.IGNORECASE)
    hits = [path.name for path in root.rglob("*.py") if words.search(path.read_text(encoding="utf-8"))]
    assert hits == []


def test_r48_a_pack_without_permission_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(LicenseError):
        open_pack("buffalo_l", settings=Settings(home=tmp_path, offline=True))


def test_r49_tampering_is_found_also_offline(bench: Bench, tmp_path: Path) -> None:
    for person in range(5):
        bench.enroll(f"s-{person}", person)
    kept = bench.watchlist.audit.checkpoint()
    assert bench.watchlist.audit.verify(kept).ok
    export = bench.watchlist.audit.export(tmp_path / "export")
    script = [sys.executable, "-I", str(export / "verify.py"), str(export)]
    assert subprocess.run(script, check=False).returncode == 0
    lines = (export / "entries.jsonl").read_bytes().splitlines()
    lines[2] = lines[2].replace(b"ana", b"eve")
    (export / "entries.jsonl").chmod(0o600)
    (export / "entries.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    found = subprocess.run(script, check=False, capture_output=True, text=True)
    assert found.returncode == 1
    assert "3" in found.stdout
    with closing(sqlite3.connect(bench.path, isolation_level=None)) as raw:
        raw.execute("DROP TRIGGER audit_no_update")
        raw.execute("UPDATE audit SET actor = 'eve' WHERE seq = 3")
    assert any("3" in finding.place for finding in bench.watchlist.audit.verify().findings)


def test_r50_the_log_is_kept_half_a_year_and_then_pruned(bench: Bench) -> None:
    bench.enroll("s", 1, valid_for=700 * DAY)
    bench.clock.advance(200 * DAY)
    assert bench.watchlist.apply_retention().pruned == 0
    bench.clock.advance(200 * DAY)
    swept = bench.watchlist.apply_retention()
    assert swept.pruned >= 2
    assert bench.watchlist.audit.entries()[0].seq == swept.pruned + 1
    assert bench.watchlist.audit.verify().ok


# --- the table in the docs

_CELL = r" ([^|]*) \|"
_ROW = re.compile(r"^\| (R\d+) \|" + 4 * _CELL + "$", re.MULTILINE)
_LATER = re.compile(r"^\| (R\d+) \|" + 2 * _CELL + "$", re.MULTILINE)
ALL_ROWS = {f"R{n}" for n in range(1, 52)} - {"R10", "R16", "R31", "R40", "R43"}


def test_the_docs_table_names_every_row_once_with_its_test_and_interface() -> None:
    text = DOCS.read_text(encoding="utf-8")
    built = {row: (interface, test) for row, _, interface, test, _ in _ROW.findall(text)}
    later = {row for row, _, _ in _LATER.findall(text)}
    assert set(built) | later == ALL_ROWS
    assert set(built) & later == set()
    tests = {name for name in globals() if re.match(r"test_r\d\d_", name)}
    named = {row: test for row, (_, test) in built.items()}
    assert named == {f"R{int(name[6:8])}": f"`{name[:8]}`" for name in tests}
    assert {f"R{int(name[6:8])}" for name in tests} == set(built)


def test_every_interface_that_the_docs_table_names_exists() -> None:
    text = DOCS.read_text(encoding="utf-8")
    names = {name for _, _, interface, _, _ in _ROW.findall(text) for name in re.findall(r"`([A-Za-z_.]+)`", interface)}
    assert len(names) > 30
    assert sorted(name for name in names if not _resolves(name)) == []


def _resolves(name: str) -> bool:
    """Whether a dotted name is a public object: ``Watchlist.zones.open`` or ``facematch.governance.zones.Zone``."""
    if name.startswith("facematch."):
        module, _, attribute = name.rpartition(".")
        try:
            return hasattr(import_module(module), attribute)
        except ModuleNotFoundError:
            parent, _, holder = module.rpartition(".")
            return hasattr(getattr(import_module(parent), holder), attribute)
    parts = name.split(".")
    if parts[0] == "Watchlist" and len(parts) == 3:
        with Watchlist.open("sqlite://", actor="ana", analyzer=FakeAnalyzer()) as watchlist:
            return hasattr(getattr(watchlist, parts[1]), parts[2])
    found: Any = facematch
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None
