from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from facematch.errors import InvalidArgument, PolicyInvalid
from facematch.governance import Consent, Role
from facematch.governance.policy import EnrollmentRequest, Policy, Request, Rule
from facematch.governance.policy.rules import (
    Adults,
    CaptureBases,
    Categories,
    Corroboration,
    DualControl,
    GalleryLimit,
    Incident,
    LawfulBases,
    PeopleToResume,
    Precision,
    Purposes,
    Quality,
    Recipients,
    ReportAge,
    Retention,
    Reviewers,
    SeparateRoles,
    Sites,
    Sources,
    TargetFpir,
    Validity,
    Vulnerable,
    Zones,
)
from facematch.testing import synthetic_consent
from tests.unit.governance.policy.support import (
    ALLOWED,
    action,
    alert,
    approval,
    calibration,
    consent,
    disclosure,
    enrollment,
    keep,
    precision,
    prune,
    quality,
    resume,
    roles,
    search,
    zone,
)
from tests.unit.governance.support import DAY, NOW

HOUR = timedelta(hours=1)
ASSESSED: dict[str, Any] = {"lawful_basis": "legitimate-interest", "impact_assessment": "LIA-7"}


def without_attestation() -> EnrollmentRequest:
    """A record made past its validation, as pydantic lets one."""
    return EnrollmentRequest(consent=consent().model_copy(update={"adult_attested": False}), now=NOW, actor="ana")


def without_assessment() -> EnrollmentRequest:
    record = consent(**ASSESSED).model_copy(update={"impact_assessment": None})
    return EnrollmentRequest(consent=record, now=NOW, actor="ana")


def requested() -> EnrollmentRequest:
    data = synthetic_consent("s", now=NOW).to_dict()
    asked = {**data["events"][0], "state": "REQUESTED", "valid_until": None}
    return EnrollmentRequest(consent=Consent.from_dict({**data, "events": [asked]}), now=NOW, actor="ana")


ACCEPTED: list[tuple[Rule, Request]] = [
    (LawfulBases(allowed=("explicit-consent",)), enrollment()),
    (LawfulBases(allowed=("legitimate-interest",)), enrollment(**ASSESSED)),
    (Purposes(allowed=("loss-prevention", "x")), enrollment()),
    (Purposes(allowed=("*",)), enrollment()),
    (Purposes(allowed=("loss-prevention",)), search()),
    (Sites(allowed=("store-12",)), enrollment()),
    (Sites(allowed=("store-12",)), search()),
    (Sites(allowed=("store-12",)), zone()),
    (Sites(allowed=("*",)), search(site=None)),
    (Sites(allowed=("*",)), enrollment(sites=[])),
    (Zones(), search()),
    (Zones(required=False), search(zone=None)),
    (Categories(allowed=("barred-after-theft",)), enrollment()),
    (Categories(allowed=("*",)), enrollment()),
    (Categories(required=False), enrollment(category=None)),
    (Incident(), enrollment()),
    (Incident(required=False), enrollment(incident_id=None)),
    (Validity(max_days=365), enrollment(365 * DAY)),
    (Adults(), enrollment()),
    (Vulnerable(), enrollment()),
    (Sources(allowed=("live-capture",)), enrollment()),
    (Sources(required=False), enrollment(source=None)),
    (DualControl(), approval("bob")),
    (DualControl(required=False), approval("ana")),
    (Quality(gate="required"), quality("passed")),
    (Quality(gate="where-measured"), quality("unmeasured")),
    (Quality(gate="required", overrides=True), quality("failed", approver="bob", reason="no better picture")),
    (Quality(gate="required", overrides=True), quality("unmeasured", approver="bob", reason="no better picture")),
    (Recipients(), enrollment()),
    (Recipients(allowed=("police",)), enrollment(recipients=["police"])),
    (Recipients(allowed=("*",)), disclosure("police")),
    (CaptureBases(allowed=("legitimate-interest",)), zone()),
    (Corroboration(frames=3), alert(3)),
    (Corroboration(frames=3, two_cameras=True), alert(2, cameras=2)),
    (Reviewers(count=2), action("ana", "bob")),
    (Retention(erase_after_end_days=1), keep("reference", after=DAY - HOUR)),
    (Retention(pending_days=7), keep("pending", after=7 * DAY - HOUR)),
    (Retention(unconfirmed_media_hours=24, unconfirmed_media_midnight=False), keep(after=23 * HOUR)),
    (Retention(audit_days=183), prune(183)),
    (TargetFpir(maximum=0.01), search()),
    (TargetFpir(required=False), search(calibration=None)),
    (GalleryLimit(max_subjects=100), search(gallery_subjects=100)),
    (GalleryLimit(max_subjects=999), search(gallery_subjects=200)),
    (GalleryLimit(max_subjects=999), search(calibration=None)),
    (GalleryLimit(max_subjects=999), search(calibration=calibration(gallery_size=None))),
    (GalleryLimit(max_subjects=999, outgrown="warn"), search(gallery_subjects=201)),
    (ReportAge(max_age_days=58), search()),
    (ReportAge(max_age_days=0), search(calibration=calibration(measured_at=date(2026, 3, 2)))),
    (ReportAge(required=False), search(calibration=None)),
    (PeopleToResume(count=2), resume("ana", "bob")),
    (SeparateRoles(pairs=()), roles("owner")),
    (SeparateRoles(pairs=((Role.ADMIN, Role.AUDITOR),)), roles("admin", "operator")),
    (Precision(minimum=0.8, min_decided=20), precision(16, 4)),
    (Precision(minimum=0.8, min_decided=20), precision(0, 19)),
    (Precision(minimum=0.0), precision(0, 99)),
]

OPEN_HINT = "open it with a capture basis, a notice and an assessment, or name an open zone and its site"
CALIBRATE = "calibrate for this gallery and set it with Watchlist.set_calibration()"
EVALUATE = "evaluate anew and set the calibration with Watchlist.set_calibration()"

REFUSED: list[tuple[Rule, Request, str, str]] = [
    (
        LawfulBases(allowed=("explicit-consent",)),
        enrollment(**ASSESSED),
        "the lawful basis 'legitimate-interest' is not allowed; allowed: explicit-consent",
        "enroll on an allowed basis",
    ),
    (
        LawfulBases(allowed=("legitimate-interest",)),
        without_assessment(),
        "the lawful basis 'legitimate-interest' needs evidence and an assessment",
        "impact_assessment",
    ),
    (
        Purposes(allowed=("a", "b")),
        enrollment(),
        "the purpose 'loss-prevention' is not allowed; allowed: a, b",
        "[purposes]",
    ),
    (Purposes(), search(), "the purpose 'loss-prevention' is not allowed; allowed: none", "[purposes]"),
    (Sites(allowed=("x",)), enrollment(), "the site 'store-12' is not allowed; allowed: x", "[sites]"),
    (Sites(allowed=("x",)), search(), "the site 'store-12' is not allowed; allowed: x", "[sites]"),
    (Sites(allowed=("x",)), zone(), "the site 'store-12' is not allowed; allowed: x", "[sites]"),
    (Sites(allowed=("x",)), search(site=None), "no site is named; allowed: x", "[sites]"),
    (Sites(allowed=("x",)), enrollment(sites=[]), "no site is named; allowed: x", "[sites]"),
    (Zones(), search(zone=None), "a search must name a zone", "after opening it"),
    (Zones(), search(open_zones=frozenset()), "the zone 'door' of site 'store-12' is not open", OPEN_HINT),
    (Zones(required=False), search(zone="till"), "the zone 'till' of site 'store-12' is not open", OPEN_HINT),
    (Zones(required=False), search(site=None), "the zone 'door' without a site is not open", OPEN_HINT),
    (
        Zones(),
        search(site="store-13"),
        "the zone 'door' of site 'store-13' is not open",
        OPEN_HINT,
    ),
    (
        Categories(allowed=("staff",)),
        enrollment(),
        "the category 'barred-after-theft' is not allowed; allowed: staff",
        "[categories]",
    ),
    (
        Categories(allowed=("staff",)),
        enrollment(category=None),
        "the enrollment names no category; allowed: staff",
        "pass category=",
    ),
    (
        Categories(required=False),
        enrollment(),
        "the category 'barred-after-theft' is not allowed; allowed: none",
        "[categories]",
    ),
    (Incident(), enrollment(incident_id=None), "the enrollment names no incident", "incident_id="),
    (
        Validity(max_days=365),
        enrollment(366 * DAY),
        "the consent lasts 366 days, at most 365 are allowed",
        "shorten valid_for",
    ),
    (Adults(), without_attestation(), "nobody attested that the subject is an adult", "adult_attested=True"),
    (
        Vulnerable(),
        enrollment(vulnerable=True),
        "the subject is marked as a vulnerable person",
        "invalidate the consent and erase",
    ),
    (
        Sources(allowed=("staff-record",)),
        enrollment(),
        "source 'live-capture' is not allowed; allowed: staff-record",
        "pass source=",
    ),
    (
        Sources(allowed=("staff-record",)),
        enrollment(source=None),
        "the source of the pictures is not stated; allowed: staff-record",
        "pass source=",
    ),
    (Sources(required=False), enrollment(), "source 'live-capture' is not allowed; allowed: none", "pass source="),
    (DualControl(), approval("ana"), "'ana' prepared the enrollment and cannot approve it", "another person"),
    (DualControl(), approval("Ana"), "'Ana' prepared the enrollment and cannot approve it", "another person"),
    (Quality(), quality("passed"), "the policy does not set a quality gate", "[quality]"),
    (Quality(gate="required"), quality("failed"), "the picture failed the quality gate", "evenly lit"),
    (
        Quality(gate="required"),
        quality("failed", approver="bob", reason="why"),
        "the picture failed the quality gate",
        "evenly lit",
    ),
    (Quality(gate="where-measured"), quality("failed"), "the picture failed the quality gate", "evenly lit"),
    (Quality(gate="required"), quality("unmeasured"), "the picture was not measured for its quality", "evenly lit"),
    (
        Quality(gate="required", overrides=True),
        quality("failed", reason="why"),
        "the picture failed the quality gate, and no second person overrides that",
        "another person",
    ),
    (
        Quality(gate="required", overrides=True),
        quality("failed", approver="ANA", reason="why"),
        "the picture failed the quality gate, and no second person overrides that",
        "another person",
    ),
    (
        Quality(gate="required", overrides=True),
        quality("failed", approver="bob", reason=" "),
        "the picture failed the quality gate, and the override has no reason",
        "say why",
    ),
    (
        Recipients(allowed=("police",)),
        enrollment(recipients=["police", "insurer"]),
        "the recipient 'insurer' is not allowed; allowed: police",
        "[recipients]",
    ),
    (
        Recipients(),
        disclosure("police"),
        "the recipient 'police' is not allowed; allowed: none",
        "[recipients]",
    ),
    (
        Recipients(allowed=("*",)),
        disclosure("insurer"),
        "the consent does not name the recipient 'insurer'; it names: police",
        "let the subject give a consent that names the recipient",
    ),
    (
        CaptureBases(allowed=("consent",)),
        zone(),
        "the capture basis 'legitimate-interest' is not allowed; allowed: consent",
        "[capture_bases]",
    ),
    (Corroboration(), alert(99), "the policy does not set a number of frames", "[corroboration]"),
    (Corroboration(frames=3), alert(2, cameras=2), "2 frames speak for the alert, 3 are needed", "more frames"),
    (
        Corroboration(frames=3, two_cameras=True),
        alert(2),
        "2 frames speak for the alert, 3 or two cameras are needed",
        "more frames",
    ),
    (Reviewers(), action("ana", "bob"), "the policy does not set a number of reviewers", "[reviewers]"),
    (
        Reviewers(count=2),
        action("ana"),
        "1 of 2 distinct reviewers confirmed the alert",
        "another reviewer",
    ),
    (
        Reviewers(count=2),
        action("ana", "Ana", "ana"),
        "1 of 2 distinct reviewers confirmed the alert",
        "another reviewer",
    ),
    (
        Reviewers(count=2),
        action("ana", "bob", rejected_by=("eve",)),
        "a reviewer rejected the alert, which closes it",
        "one rejection",
    ),
    (Retention(), keep("reference", after=0 * HOUR), "reference data had to go at 2026-03-01T12:00:00+00:00", "sweep"),
    (
        Retention(pending_days=7),
        keep("pending", after=7 * DAY),
        "pending data had to go at 2026-03-08T12:00:00+00:00",
        "sweep",
    ),
    (
        Retention(unconfirmed_media_hours=24),
        keep(after=12 * HOUR),
        "unconfirmed-media data had to go at 2026-03-02T00:00:00+00:00",
        "sweep",
    ),
    (
        Retention(unconfirmed_media_hours=24, unconfirmed_media_midnight=False),
        keep(after=24 * HOUR),
        "unconfirmed-media data had to go at 2026-03-02T12:00:00+00:00",
        "sweep",
    ),
    (
        Retention(unconfirmed_media_hours=2),
        keep(after=2 * HOUR),
        "unconfirmed-media data had to go at 2026-03-01T14:00:00+00:00",
        "sweep",
    ),
    (Retention(), prune(9999), "the policy does not set audit_days", "[retention]"),
    (
        Retention(audit_days=200),
        prune(199),
        "audit entries are kept 200 days",
        "prune before 2025-08-13T12:00:00+00:00",
    ),
    (
        TargetFpir(maximum=0.001),
        search(),
        "the threshold was tested for an FPIR of 0.01, at most 0.001 is allowed",
        CALIBRATE,
    ),
    (
        TargetFpir(required=False),
        search(),
        "the threshold was tested for an FPIR of 0.01, at most 0 is allowed",
        CALIBRATE,
    ),
    (TargetFpir(maximum=1.0), search(calibration=None), "the threshold was never tested for an FPIR", CALIBRATE),
    (
        GalleryLimit(max_subjects=99),
        search(),
        "100 subjects are in scope, at most 99 are allowed",
        "narrow purpose and site",
    ),
    (
        GalleryLimit(max_subjects=999),
        search(gallery_subjects=201),
        "201 subjects are in scope, the threshold was tested with 200",
        "calibrate for this gallery size",
    ),
    (ReportAge(max_age_days=57), search(), "the test report is 58 days old, at most 57 are allowed", EVALUATE),
    (ReportAge(max_age_days=57), search(calibration=None), "there is no test report", EVALUATE),
    (
        ReportAge(max_age_days=57),
        search(calibration=calibration(measured_at=date(2026, 3, 3))),
        "the test report is dated 2 days ahead",
        "set the clock",
    ),
    (PeopleToResume(), resume("ana", "bob"), "the policy does not set a number of people", "[people_to_resume]"),
    (PeopleToResume(count=2), resume("ana", "ANA"), "1 of 2 distinct people agreed to resume", "another person"),
    (SeparateRoles(), roles("operator"), "the policy does not set which roles are separated", "[separate_roles]"),
    (
        SeparateRoles(pairs=((Role.ADMIN, Role.AUDITOR),)),
        roles("auditor", "operator", "admin"),
        "one actor may not be admin and auditor at once",
        "another person",
    ),
    (
        SeparateRoles(pairs=((Role.ADMIN, Role.AUDITOR),)),
        roles("owner"),
        "an owner may not be admin and auditor at once",
        "another person",
    ),
    (Precision(), precision(99, 0), "the policy does not set a minimum", "[precision]"),
    (
        Precision(minimum=0.8, min_decided=20),
        precision(15, 5),
        "15 of 20 decided alerts at site 'store-12' were right, at least 80% are needed",
        "suspend the site",
    ),
]


def _case(value: object) -> str:
    return type(value).__name__ if isinstance(value, Rule) else ""


@pytest.mark.parametrize(("rule", "request_"), ACCEPTED, ids=_case)
def test_a_rule_accepts(rule: Rule, request_: Request) -> None:
    assert isinstance(request_, rule.concerns)
    assert rule.check(request_) is None


@pytest.mark.parametrize(("rule", "request_", "message", "way_out"), REFUSED, ids=_case)
def test_a_rule_refuses_names_itself_and_says_the_way_out(
    rule: Rule, request_: Request, message: str, way_out: str
) -> None:
    assert isinstance(request_, rule.concerns)
    refusal = rule.check(request_)
    assert refusal is not None
    assert (refusal.rule, refusal.message) == (rule.name, message)
    assert way_out in refusal.hint
    assert refusal.to_dict() == {"rule": rule.name, "message": message, "hint": refusal.hint}


def test_every_rule_has_a_case_of_both_kinds() -> None:
    every = {type(rule) for rule in Policy().rules}
    assert {type(rule) for rule, _ in ACCEPTED} == every
    assert {type(rule) for rule, *_ in REFUSED} == every


@pytest.mark.parametrize("rule", Policy().rules, ids=_case)
def test_a_rule_says_nothing_about_requests_that_are_none_of_its_concern(rule: Rule) -> None:
    others = [request for request in [*ALLOWED.values(), disclosure()] if not isinstance(request, rule.concerns)]
    assert len(others) >= 8
    assert [rule.check(request) for request in others] == [None] * len(others)


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        (LawfulBases, {"allowed": ["curiosity"]}, "lawful_bases.allowed: lawful_basis 'curiosity' is unknown"),
        (LawfulBases, {"allowed": ["*"]}, "lawful_bases.allowed"),
        (Purposes, {"allowed": "site-access"}, "purposes.allowed"),
        (Purposes, {"allowed": ["Site Access"]}, "purposes.allowed: a purpose is written"),
        (Purposes, {"allowed": ["a", "a"]}, "purposes.allowed: names must not repeat"),
        (Purposes, {"allowed": ["a", "*"]}, 'purposes.allowed: "*" stands alone'),
        (Purposes, {"allowed": [3]}, "purposes.allowed.0"),
        (Purposes, {"permitted": ["a"]}, "purposes.permitted"),
        (Sources, {"allowed": ["scraped"]}, "collected from the web or social media"),
        (Categories, {"allowed": ["women"]}, "would sort people by who they are"),
        (Categories, {"required": "no"}, "categories.required"),
        (Categories, {"required": 0}, "categories.required"),
        (CaptureBases, {"allowed": ["explicit-consent"]}, "capture_basis 'explicit-consent' is unknown"),
        (Validity, {"max_days": 731}, "validity.max_days"),
        (Validity, {"max_days": -1}, "validity.max_days"),
        (Validity, {"max_days": "365"}, "validity.max_days"),
        (Validity, {"max_days": True}, "validity.max_days"),
        (Adults, {"required": False}, "adults.required"),
        (Vulnerable, {"allowed": True}, "vulnerable.allowed"),
        (Quality, {"gate": "off"}, "quality.gate"),
        (Corroboration, {"frames": 0}, "corroboration.frames"),
        (Reviewers, {"count": 0}, "reviewers.count"),
        (PeopleToResume, {"count": 1}, "people_to_resume.count"),
        (Retention, {"audit_days": 182}, "retention.audit_days"),
        (TargetFpir, {"maximum": 1.5}, "target_fpir.maximum"),
        (TargetFpir, {"maximum": float("nan")}, "target_fpir.maximum"),
        (TargetFpir, {"maximum": True}, "target_fpir.maximum"),
        (GalleryLimit, {"outgrown": "ignore"}, "gallery.outgrown"),
        (SeparateRoles, {"pairs": [["admin", "admin"]]}, "two different roles"),
        (SeparateRoles, {"pairs": [["admin", "owner"]]}, "owner is never one"),
        (SeparateRoles, {"pairs": [["admin", "king"]]}, "separate_roles.pairs"),
        (SeparateRoles, {"pairs": [["admin", "auditor"], ["auditor", "admin"]]}, "pairs must not repeat"),
        (Precision, {"minimum": -0.1}, "precision.minimum"),
        (Precision, {"min_decided": 0}, "precision.min_decided"),
    ],
)
def test_a_malformed_value_is_refused_by_its_place(kind: type[Rule], values: dict[str, Any], named: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        kind(**values)
    assert named in caught.value.message
    assert caught.value.hint


def test_the_order_of_names_does_not_matter() -> None:
    assert Purposes(allowed=("b", "a")) == Purposes(allowed=("a", "b"))
    one = SeparateRoles(pairs=((Role.AUDITOR, Role.ADMIN), (Role.APPROVER, Role.ENROLLER)))
    other = SeparateRoles(pairs=((Role.ENROLLER, Role.APPROVER), (Role.ADMIN, Role.AUDITOR)))
    assert one == other


def test_rules_cannot_be_changed() -> None:
    rule = Incident()
    with pytest.raises(ValidationError, match="frozen"):
        rule.required = False  # type: ignore[misc]
    assert rule.required


def test_the_deadline_of_media_in_another_timezone_is_midnight_utc() -> None:
    rule = Retention(unconfirmed_media_hours=24)
    late = NOW.replace(hour=23, minute=59)
    assert rule.deadline("unconfirmed-media", late) == NOW.replace(hour=0) + DAY
    assert rule.deadline("unconfirmed-media", NOW.replace(hour=0)) == NOW.replace(hour=0) + DAY


def test_an_enrollment_may_state_what_the_record_leaves_out() -> None:
    record = consent(category=None, incident_id=None, source=None)
    request = EnrollmentRequest(
        consent=record, now=NOW, actor="ana", category="staff", incident_id="7", source="staff-record"
    )
    assert (request.category, request.incident_id, request.source) == ("staff", "7", "staff-record")


@pytest.mark.parametrize("name", ["category", "incident_id", "source"])
def test_an_enrollment_cannot_contradict_the_record(name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"the request says {name} 'other'"):
        EnrollmentRequest(consent=consent(), now=NOW, actor="ana", **{name: "other"})
