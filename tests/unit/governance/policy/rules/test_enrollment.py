from __future__ import annotations

from typing import Any

import pytest

from facematch.governance import Consent
from facematch.governance.policy import EnrollmentRequest, Request, Rule
from facematch.governance.policy.rules import enrollment as module
from facematch.governance.policy.rules.enrollment import (
    Adults,
    Categories,
    DualControl,
    Incident,
    LawfulBases,
    Quality,
    Sources,
    Validity,
    Vulnerable,
)
from facematch.testing import synthetic_consent
from tests.unit.governance.policy.rules.support import assert_accepts, assert_malformed, assert_refuses, case, rules_of
from tests.unit.governance.policy.support import approval, consent, enrollment, quality, without_attestation
from tests.unit.governance.support import DAY, NOW

ASSESSED: dict[str, Any] = {"lawful_basis": "legitimate-interest", "impact_assessment": "LIA-7"}


def without_assessment() -> EnrollmentRequest:
    record = consent(**ASSESSED).model_copy(update={"impact_assessment": None})
    return EnrollmentRequest(consent=record, now=NOW, actor="ana")


def requested() -> EnrollmentRequest:
    """A consent that was only asked for."""
    data = synthetic_consent("s", now=NOW).to_dict()
    asked = {**data["events"][0], "state": "REQUESTED", "valid_until": None}
    return EnrollmentRequest(consent=Consent.from_dict({**data, "events": [asked]}), now=NOW, actor="ana")


ACCEPTED: list[tuple[Rule, Request]] = [
    (LawfulBases(allowed=("explicit-consent",)), enrollment()),
    (LawfulBases(allowed=("legitimate-interest",)), enrollment(**ASSESSED)),
    (Categories(allowed=("barred-after-theft",)), enrollment()),
    (Categories(allowed=("*",)), enrollment()),
    (Categories(required=False), enrollment(category=None)),
    (Incident(), enrollment()),
    (Incident(required=False), enrollment(incident_id=None)),
    (Validity(max_days=365), enrollment(365 * DAY)),
    (Validity(max_days=365), requested()),
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
]

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
    (Adults(), without_attestation(), "no person attested that the subject is an adult", "adult_attested=True"),
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
]

SENTENCES: list[tuple[Rule, str]] = [
    (LawfulBases(), "Enrollment may stand on these lawful bases: none."),
    (Categories(), "Every enrollment needs one of these categories: none."),
    (Categories(allowed=("staff",), required=False), "An enrollment may name one of these categories: staff."),
    (Incident(), "An enrollment must name the incident behind it."),
    (Incident(required=False), "An enrollment need not name the incident behind it."),
    (Validity(max_days=365), "A consent lasts at most 365 days, and so does each renewal."),
    (Adults(), "Only subjects whom a person attested to be adults are enrolled; age is never estimated."),
    (Vulnerable(), "A subject marked as a vulnerable person is not enrolled."),
    (Sources(), "An enrollment must say where its pictures come from, one of: none."),
    (
        Sources(allowed=("live-capture",), required=False),
        "An enrollment may say where its pictures come from, one of: live-capture.",
    ),
    (Quality(), "No picture is enrolled, because the policy sets no quality gate."),
    (Quality(gate="required"), "Every picture must pass the quality gate; it cannot be overridden."),
    (
        Quality(gate="where-measured", overrides=True),
        "A picture must pass, where it is measured, the quality gate; a second person may override it with a reason.",
    ),
    (DualControl(), "An enrollment is searched only after another person than the enroller approved it."),
    (DualControl(required=False), "An enrollment needs no approval by a second person."),
]

MALFORMED: list[tuple[type[Rule], dict[str, Any], str]] = [
    (LawfulBases, {"allowed": ["curiosity"]}, "lawful_bases.allowed: lawful_basis 'curiosity' is unknown"),
    (LawfulBases, {"allowed": ["*"]}, "lawful_bases.allowed"),
    (Sources, {"allowed": ["scraped"]}, "collected from the web or social media"),
    (Categories, {"allowed": ["women"]}, "would sort people by who they are"),
    (Categories, {"required": "no"}, "categories.required"),
    (Categories, {"required": 0}, "categories.required"),
    (Validity, {"max_days": 731}, "validity.max_days"),
    (Validity, {"max_days": -1}, "validity.max_days"),
    (Validity, {"max_days": "365"}, "validity.max_days"),
    (Validity, {"max_days": True}, "validity.max_days"),
    (Adults, {"required": False}, "adults.required"),
    (Vulnerable, {"allowed": True}, "vulnerable.allowed"),
    (Quality, {"gate": "off"}, "quality.gate"),
]


@pytest.mark.parametrize(("rule", "request_"), ACCEPTED, ids=case)
def test_request_is_accepted(rule: Rule, request_: Request) -> None:
    assert_accepts(rule, request_)


@pytest.mark.parametrize(("rule", "request_", "message", "way_out"), REFUSED, ids=case)
def test_request_is_refused_by_name_with_the_way_out(rule: Rule, request_: Request, message: str, way_out: str) -> None:
    assert_refuses(rule, request_, message, way_out)


@pytest.mark.parametrize(("rule", "sentence"), SENTENCES, ids=case)
def test_sentence(rule: Rule, sentence: str) -> None:
    assert rule.sentence() == sentence


@pytest.mark.parametrize(("kind", "values", "named"), MALFORMED)
def test_malformed_value_is_refused_by_its_place(kind: type[Rule], values: dict[str, Any], named: str) -> None:
    assert_malformed(kind, values, named)


def test_every_rule_has_cases_of_each_kind() -> None:
    for cases in (ACCEPTED, REFUSED, SENTENCES):
        assert {type(each[0]) for each in cases} == rules_of(module)
