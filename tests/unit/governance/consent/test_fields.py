from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import ConsentInvalid
from facematch.governance import Consent, ConsentState
from facematch.governance.consent.fields import ADDED_IN_2
from facematch.testing import synthetic_consent
from tests.unit.governance.support import DAY, NOW, papers_in

FILED_BEFORE = (
    '{"schema_version": 1, "record_id": "6f1c1f60-94d3-4a5e-8b39-0f3f1f6a7c11", "subject_id": "s-0042", '
    '"privacy_notice": {"uri": "urn:facematch:test", "sha256": '
    '"0000000000000000000000000000000000000000000000000000000000000000"}, "language": "en", '
    '"purposes": ["site-access", "events"], "lawful_basis": "explicit-consent", '
    '"personal_data": ["face image", "biometric template"], '
    '"controller": {"name": "not stated", "contact": "not stated"}, '
    '"collection_method": "given to the controller in person or in writing", "recipients": [], '
    '"withdrawal_method": "tell the controller; it takes effect with the next search", "sites": ["store-12"], '
    '"adult_attested": true, "evidence_sha256": "0000000000000000000000000000000000000000000000000000000000000000", '
    '"events": [{"time": "2026-03-01T12:00:00.000000Z", "actor": "test", "state": "GIVEN", '
    '"valid_until": "2027-03-01T12:00:00.000000Z", "reason": null}]}'
)
"""A record as it was filed while the layout had version 1 only, with digests computed then: as filed, and ended."""
DIGEST_BEFORE = "71a4cd51d43322c224efa621920a3ca6d5ced4f01345a2590330ea7d8cd75108"
DIGEST_AFTER_ITS_END = "47d60551a1267b0921e8c5fec60c9d854b2e1e64466569d4ba6516b6fb603a7c"

FULL: dict[str, Any] = {
    "sites": ["store-12"],
    "zones": ["entrance", "till 3"],
    "category": "barred-after-incident",
    "incident_id": "INC-2026-0117",
    "storage_locations": ["Dublin"],
    "retention": "erased 30 days after the end",
    "jurisdiction": "IE",
    "impact_assessment": "https://example.org/dpia/7",
    "source": "incident-footage",
    "vulnerable": True,
    "policy_version": 3,
}


@pytest.fixture
def papers(tmp_path: Path) -> dict[str, Any]:
    return papers_in(tmp_path)


def test_a_record_filed_before_keeps_its_digest() -> None:
    consent = Consent.from_json(FILED_BEFORE)
    assert consent.schema_version == 1
    assert consent.digest == DIGEST_BEFORE
    assert consent.to_dict() == json.loads(FILED_BEFORE)


def test_a_record_filed_before_keeps_its_digest_through_its_life() -> None:
    renewed = Consent.from_json(FILED_BEFORE).transition(
        ConsentState.RENEWED,
        actor="ana",
        time=datetime(2026, 6, 1, tzinfo=UTC),
        valid_until=datetime(2027, 6, 1, tzinfo=UTC),
    )
    ended = renewed.withdraw(actor="ana", now=datetime(2026, 7, 1, tzinfo=UTC), reason="left")
    assert ended.digest == DIGEST_AFTER_ITS_END


def test_a_record_filed_before_says_nothing_in_the_new_fields() -> None:
    consent = Consent.from_json(FILED_BEFORE)
    assert [getattr(consent, name) for name in ADDED_IN_2] == [
        (),
        None,
        None,
        (),
        None,
        None,
        None,
        None,
        False,
        None,
    ]


def test_a_record_filed_before_can_be_renewed_with_evidence(tmp_path: Path) -> None:
    (tmp_path / "again.pdf").write_bytes(b"signed again")
    renewed = Consent.from_json(FILED_BEFORE).renew(
        DAY, evidence=tmp_path / "again.pdf", actor="ana", now=NOW + 30 * DAY
    )
    assert renewed.schema_version == 1
    assert Consent.from_dict(renewed.to_dict()) == renewed
    assert renewed.to_dict()["events"][0] == json.loads(FILED_BEFORE)["events"][0]


def test_what_is_new_is_kept_under_version_2(papers: dict[str, Any]) -> None:
    consent = Consent.given(**papers, **FULL)
    assert consent.schema_version == 2
    data = consent.to_dict()
    assert {name: data[name] for name in FULL} == FULL
    assert Consent.from_json(json.dumps(data)) == consent
    assert Consent.from_json(json.dumps(data)).digest == consent.digest


@pytest.mark.parametrize("name", ADDED_IN_2)
def test_a_field_that_says_nothing_is_left_out(papers: dict[str, Any], name: str) -> None:
    said = {key: value for key, value in FULL.items() if key != name}
    data = Consent.given(**papers, **said).to_dict()
    assert name not in data
    assert set(FULL) - {name} <= set(data)


@pytest.mark.parametrize("name", ADDED_IN_2)
def test_each_new_field_alone_makes_version_2_and_changes_the_digest(papers: dict[str, Any], name: str) -> None:
    base = Consent.given(**papers, sites=["store-12"])
    assert base.schema_version == 1
    data = {key: value for key, value in base.to_dict().items() if key != "schema_version"}
    changed = Consent.from_dict({**data, name: FULL[name]})
    assert changed.schema_version == 2
    assert changed.digest != base.digest


@pytest.mark.parametrize("name", ADDED_IN_2)
def test_version_1_has_none_of_the_new_fields(name: str) -> None:
    with pytest.raises(ConsentInvalid, match=f"schema_version 1 has no {name}") as caught:
        Consent.from_dict({**json.loads(FILED_BEFORE), name: FULL[name]})
    assert caught.value.hint


def test_a_version_of_the_future_is_refused() -> None:
    with pytest.raises(ConsentInvalid, match="schema_version"):
        Consent.from_dict({**json.loads(FILED_BEFORE), "schema_version": 3})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"zones": ["entrance"], "sites": []}, "zones are areas of sites"),
        ({"zones": ["x", "x"]}, "zones"),
        ({"zones": "entrance"}, "zones must be a list"),
        ({"zones": [" x"]}, "a zone has whitespace"),
        ({"category": "women"}, "women would sort people by who they are"),
        ({"category": "Staff"}, "category"),
        ({"incident_id": ""}, "incident_id"),
        ({"storage_locations": "Dublin"}, "storage_locations must be a list"),
        ({"storage_locations": ["Dublin", "Dublin"]}, "storage_locations"),
        ({"retention": " "}, "retention"),
        ({"jurisdiction": "Ireland"}, "ISO 3166"),
        ({"impact_assessment": ""}, "impact_assessment"),
        ({"source": "scraped"}, "collected from the web or social media"),
        ({"source": "found"}, "source 'found' is unknown"),
        ({"vulnerable": "no"}, "vulnerable"),
        ({"vulnerable": 1}, "vulnerable"),
        ({"policy_version": 0}, "policy_version"),
        ({"policy_version": True}, "policy_version"),
        ({"lawful_basis": "curiosity"}, "lawful_basis 'curiosity' is unknown"),
        ({"lawful_basis": "legal-obligation", "impact_assessment": None}, "needs an assessment"),
        ({"color": "red"}, "no color"),
    ],
)
def test_malformed_fields_are_refused_with_a_hint(papers: dict[str, Any], change: dict[str, Any], named: str) -> None:
    with pytest.raises(ConsentInvalid) as caught:
        Consent.given(**{**papers, **FULL, **change})
    assert named in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("jurisdiction", ["IE", "US-IL", "EU", "NZ"])
def test_jurisdictions(papers: dict[str, Any], jurisdiction: str) -> None:
    assert Consent.given(**papers, jurisdiction=jurisdiction).jurisdiction == jurisdiction


def test_another_lawful_basis_stands_on_evidence_and_an_assessment(papers: dict[str, Any]) -> None:
    consent = Consent.given(**papers, lawful_basis="legitimate-interest", impact_assessment="LIA-7")
    assert (consent.lawful_basis, consent.impact_assessment) == ("legitimate-interest", "LIA-7")
    data = {key: value for key, value in consent.to_dict().items() if key != "evidence_sha256"}
    with pytest.raises(ConsentInvalid, match="evidence is missing"):
        Consent.from_dict(data)


def test_a_record_that_was_given_needs_evidence() -> None:
    data = {key: value for key, value in json.loads(FILED_BEFORE).items() if key != "evidence_sha256"}
    for version in (1, 2):
        with pytest.raises(ConsentInvalid, match="evidence is missing"):
            Consent.from_dict({**data, "schema_version": version})


def test_the_hint_for_a_child_says_that_enrollment_is_for_adults(papers: dict[str, Any]) -> None:
    with pytest.raises(ConsentInvalid) as caught:
        Consent.given(**{**papers, "adult_attested": False})
    assert caught.value.code == "consent_invalid"
    assert caught.value.hint == "enrollment is for adults only, attested by a person: pass adult_attested=True"


def test_coverage_of_zones() -> None:
    data = synthetic_consent("s", purposes=["a"], sites=["x", "y"], now=NOW).to_dict()
    there = Consent.from_dict({**data, "schema_version": 2, "zones": ["door"]})
    everywhere = Consent.from_dict(data)
    asked = [("x", "door"), ("y", "door"), ("x", "till"), ("x", None), ("z", "door")]
    assert [there.covers("a", site, NOW, zone=zone) for site, zone in asked] == [True, True, False, False, False]
    assert [everywhere.covers("a", site, NOW, zone=zone) for site, zone in asked] == [True, True, True, True, False]
    assert not there.covers("b", "x", NOW, zone="door")
    assert not there.covers("a", "x", NOW + timedelta(days=731), zone="door")
