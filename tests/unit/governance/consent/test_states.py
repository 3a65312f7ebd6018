from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import ConsentInvalid, ConsentTransitionError
from facematch.governance import MAX_VALIDITY, Consent, ConsentState
from facematch.testing import synthetic_consent
from tests.unit.governance.support import DAY, NOW, papers_in


@pytest.fixture
def papers(tmp_path: Path) -> dict[str, Any]:
    return papers_in(tmp_path)


@pytest.fixture
def requested(papers: dict[str, Any]) -> Consent:
    asked = {name: value for name, value in papers.items() if name not in {"evidence", "valid_for"}}
    return Consent.requested(**asked, category="staff")


@pytest.fixture
def again(tmp_path: Path) -> Path:
    path = tmp_path / "again.pdf"
    path.write_bytes(b"signed again")
    return path


def test_a_request_allows_nothing(requested: Consent) -> None:
    assert requested.state is ConsentState.REQUESTED
    assert (requested.valid_from, requested.valid_until, requested.evidence_sha256) == (None, None, None)
    assert not requested.in_force(NOW)
    assert "evidence_sha256" not in requested.to_dict()
    assert Consent.from_dict(requested.to_dict()) == requested


def test_a_request_that_is_agreed_to_stands_on_the_evidence_of_that_moment(
    requested: Consent, papers: dict[str, Any]
) -> None:
    given = requested.give(valid_for=30 * DAY, evidence=papers["evidence"], actor="ana", now=NOW + DAY)
    assert given.state is ConsentState.GIVEN
    assert given.evidence_digests == (hashlib.sha256(b"signed").hexdigest(),)
    assert given.events[-1].evidence_sha256 == hashlib.sha256(b"signed").hexdigest()
    assert (given.valid_from, given.valid_until) == (NOW + DAY, NOW + 31 * DAY)
    assert not given.in_force(NOW)
    assert given.in_force(NOW + DAY)
    assert Consent.from_dict(given.to_dict()) == given
    assert given.record_id == requested.record_id


def test_the_end_may_be_a_moment(requested: Consent, papers: dict[str, Any]) -> None:
    given = requested.give(valid_until=NOW + 9 * DAY, evidence=papers["evidence"], actor="ana", now=NOW)
    assert given.valid_until == NOW + 9 * DAY


@pytest.mark.parametrize(
    "end",
    [
        {},
        {"valid_for": DAY, "valid_until": NOW + DAY},
        {"valid_for": 3},
        {"valid_for": timedelta(0)},
        {"valid_until": NOW},
        {"valid_until": datetime(2026, 5, 1)},  # noqa: DTZ001 - naive on purpose
        {"valid_for": MAX_VALIDITY + timedelta(microseconds=1)},
        {"valid_for": timedelta.max},
    ],
)
def test_a_consent_has_one_end_within_730_days(
    requested: Consent, papers: dict[str, Any], end: dict[str, Any], again: Path
) -> None:
    with pytest.raises(ConsentInvalid) as caught:
        requested.give(**end, evidence=papers["evidence"], actor="ana", now=NOW)
    assert caught.value.hint
    with pytest.raises(ConsentInvalid):
        synthetic_consent("s", now=NOW).renew(**end, evidence=again, actor="ana", now=NOW)


def test_a_request_cannot_be_given_without_evidence(requested: Consent) -> None:
    with pytest.raises(ConsentInvalid, match="evidence"):
        requested.give(valid_for=DAY, evidence="/nowhere/form.pdf", actor="ana", now=NOW)
    with pytest.raises(ConsentInvalid, match="given without evidence"):
        requested.transition(ConsentState.GIVEN, actor="ana", time=NOW, valid_until=NOW + DAY)


def test_a_request_can_be_refused_and_that_is_final(requested: Consent, papers: dict[str, Any]) -> None:
    refused = requested.refuse(actor="ana", now=NOW, reason="no thanks")
    assert (refused.state, refused.events[-1].reason) == (ConsentState.REFUSED, "no thanks")
    with pytest.raises(ConsentTransitionError, match="only a requested consent"):
        refused.give(valid_for=DAY, evidence=papers["evidence"], actor="ana", now=NOW)


def test_only_a_request_can_be_given_or_refused(papers: dict[str, Any]) -> None:
    given = synthetic_consent("s", now=NOW)
    with pytest.raises(ConsentTransitionError, match="this one is GIVEN") as caught:
        given.give(valid_for=DAY, evidence=papers["evidence"], actor="ana", now=NOW)
    assert "renew()" in (caught.value.hint or "")
    with pytest.raises(ConsentTransitionError, match="from GIVEN to REFUSED"):
        given.refuse(actor="ana", now=NOW)


def test_another_lawful_basis_is_not_requested(papers: dict[str, Any]) -> None:
    asked = {name: value for name, value in papers.items() if name not in {"evidence", "valid_for"}}
    with pytest.raises(ConsentInvalid, match="evidence is missing"):
        Consent.requested(**asked, lawful_basis="legal-obligation", impact_assessment="DPIA-7")


def test_a_renewal_keeps_the_digest_of_its_own_evidence(again: Path) -> None:
    renewed = synthetic_consent("s", now=NOW, valid_for=10 * DAY).renew(
        30 * DAY, evidence=again, actor="ana", now=NOW + 9 * DAY
    )
    digest = hashlib.sha256(b"signed again").hexdigest()
    assert renewed.state is ConsentState.RENEWED
    assert renewed.valid_until == NOW + 39 * DAY
    assert renewed.evidence_digests == ("0" * 64, digest)
    assert renewed.to_dict()["events"][1]["evidence_sha256"] == digest
    assert Consent.from_dict(renewed.to_dict()).digest == renewed.digest


def test_the_old_form_is_no_evidence_of_a_renewal(papers: dict[str, Any], again: Path) -> None:
    given = Consent.given(**papers)
    with pytest.raises(ConsentInvalid, match="already stands on") as caught:
        given.renew(DAY, evidence=papers["evidence"], actor="ana", now=NOW + DAY)
    assert "sign again" in (caught.value.hint or "")
    renewed = given.renew(DAY, evidence=again, actor="ana", now=NOW + DAY)
    with pytest.raises(ConsentInvalid, match="already stands on"):
        renewed.renew(DAY, evidence=again, actor="ana", now=NOW + DAY)


def test_what_has_ended_cannot_be_renewed(again: Path) -> None:
    consent = synthetic_consent("s", now=NOW, valid_for=DAY)
    with pytest.raises(ConsentTransitionError, match="not in force"):
        consent.renew(DAY, evidence=again, actor="ana", now=NOW + DAY)
    with pytest.raises(ConsentTransitionError, match="WITHDRAWN to RENEWED"):
        consent.withdraw(actor="ana", now=NOW).renew(DAY, evidence=again, actor="ana", now=NOW)


def test_the_ends_have_names() -> None:
    consent = synthetic_consent("s", now=NOW, valid_for=DAY)
    ends = [
        consent.withdraw(actor="ana", now=NOW, reason="left"),
        consent.revoke(actor="ana", now=NOW, reason="no longer needed"),
        consent.invalidate(actor="ana", now=NOW, reason="a minor"),
        consent.expire(actor="sweeper", now=NOW + DAY),
    ]
    assert [(end.state, end.events[-1].reason, end.events[-1].actor) for end in ends] == [
        (ConsentState.WITHDRAWN, "left", "ana"),
        (ConsentState.REVOKED, "no longer needed", "ana"),
        (ConsentState.INVALIDATED, "a minor", "ana"),
        (ConsentState.EXPIRED, None, "sweeper"),
    ]
    assert [end.in_force(NOW) for end in ends] == [False] * 4


def test_the_subject_needs_no_reason_and_the_controller_does() -> None:
    consent = synthetic_consent("s", now=NOW)
    assert consent.withdraw(actor="ana", now=NOW).events[-1].reason is None
    with pytest.raises(ConsentInvalid, match="reason"):
        consent.revoke(actor="ana", now=NOW, reason=" ")
    with pytest.raises(ConsentInvalid, match="reason"):
        consent.invalidate(actor="ana", now=NOW, reason="")


def test_a_consent_expires_when_its_time_has_come_and_not_before() -> None:
    consent = synthetic_consent("s", now=NOW, valid_for=DAY)
    with pytest.raises(ConsentTransitionError, match="has not expired") as caught:
        consent.expire(actor="sweeper", now=NOW + DAY - timedelta(microseconds=1))
    assert "withdraw()" in (caught.value.hint or "")
    assert consent.expire(actor="sweeper", now=NOW + DAY).state is ConsentState.EXPIRED


@pytest.mark.parametrize("verb", ["withdraw", "revoke", "invalidate", "expire"])
@pytest.mark.parametrize("state", ["requested", "refused", "withdrawn"])
def test_what_is_not_open_cannot_be_ended(requested: Consent, verb: str, state: str) -> None:
    record = {
        "requested": requested,
        "refused": requested.refuse(actor="ana", now=NOW),
        "withdrawn": synthetic_consent("s", now=NOW).withdraw(actor="ana", now=NOW),
    }[state]
    arguments = {"reason": "why"} if verb in {"revoke", "invalidate"} else {}
    with pytest.raises(ConsentTransitionError, match="cannot go from"):
        getattr(record, verb)(actor="ana", now=NOW + 9 * DAY, **arguments)


def test_a_moment_without_timezone_is_our_error() -> None:
    naive = datetime(2026, 5, 1)  # noqa: DTZ001 - naive on purpose
    with pytest.raises(ConsentInvalid, match="timezone"):
        synthetic_consent("s", now=NOW).withdraw(actor="ana", now=naive)


def test_the_default_moment_is_the_present(again: Path) -> None:
    before = datetime.now(NOW.tzinfo)
    renewed = synthetic_consent("s").renew(DAY, evidence=again, actor="ana")
    assert before <= renewed.events[-1].time <= datetime.now(NOW.tzinfo)


def test_a_request_of_version_1_has_evidence_from_the_beginning(requested: Consent) -> None:
    data = {name: value for name, value in requested.to_dict().items() if name != "category"}
    assert Consent.from_dict(data).schema_version == 2
    with pytest.raises(ConsentInvalid, match="evidence is missing"):
        Consent.from_dict({**data, "schema_version": 1})
