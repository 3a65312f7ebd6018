"""Consents that are filed before any picture is taken, asked for, answered, renewed and handed out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import (
    ConsentInvalid,
    ConsentRequired,
    ConsentTransitionError,
    PolicyRefused,
    SubjectNotFound,
)
from facematch.governance import Consent, ConsentState
from facematch.governance.consent.receipts import verify_receipt
from facematch.governance.policy import Policy
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, picture

DAY = timedelta(days=1)


@pytest.fixture
def form(tmp_path: Path) -> Path:
    path = tmp_path / "form.pdf"
    path.write_bytes(b"signed")
    return path


def requested(bench: Bench, subject_id: str = "s") -> Consent:
    return Consent.requested(
        subject_id=subject_id,
        purposes=[PURPOSE],
        sites=[SITE],
        notice=b"we compare faces",
        language="en",
        adult_attested=True,
        now=bench.clock.now,
    )


def test_a_request_is_filed_and_nothing_may_be_done_under_it_until_it_is_given(bench: Bench, form: Path) -> None:
    record = requested(bench)
    bench.watchlist.consents.record(record)
    assert [(r.subject_id, r.state, r.templates) for r in bench.watchlist.subjects.list()] == [("s", "requested", 0)]
    with pytest.raises(ConsentRequired):
        bench.watchlist.enroll("s", picture(1))
    with pytest.raises(ConsentRequired):
        bench.watchlist.enroll("s", picture(1), consent=record)
    given = bench.watchlist.consents.give("s", valid_for=30 * DAY, evidence=form)
    assert given.consent_record_id == record.record_id
    assert given.valid_until == bench.clock.now + 30 * DAY
    bench.watchlist.enroll("s", picture(1))
    assert bench.found(1) == ["s"]
    with pytest.raises(ConsentTransitionError):
        bench.watchlist.consents.give("s", valid_for=DAY, evidence=form)


def test_a_refusal_is_final(bench: Bench, form: Path) -> None:
    bench.watchlist.consents.record(requested(bench))
    bench.watchlist.consents.refuse("s", reason="said no")
    (record,) = bench.watchlist.consents.list("s")
    assert record.state is ConsentState.REFUSED
    with pytest.raises(ConsentTransitionError):
        bench.watchlist.consents.give("s", valid_for=DAY, evidence=form)
    bench.clock.advance(31 * DAY)
    assert bench.watchlist.apply_retention().erased == ("s",)


def test_the_answer_is_judged_by_the_policy_of_its_day(bench: Bench, form: Path) -> None:
    bench.watchlist.consents.record(requested(bench))
    document = Policy.profile("access-control").to_dict()
    bench.watchlist.policies.set(Policy.from_dict({**document, "validity": {"max_days": 20}}))
    with pytest.raises(PolicyRefused) as caught:
        bench.watchlist.consents.give("s", valid_for=30 * DAY, evidence=form)
    assert caught.value.rule == "validity"
    assert bench.watchlist.consents.list("s")[0].state is ConsentState.REQUESTED
    bench.watchlist.consents.give("s", valid_for=20 * DAY, evidence=form)


def test_a_record_is_filed_once_and_serves_the_enrollment(bench: Bench) -> None:
    consent = bench.consent("s")
    bench.watchlist.consents.record(consent)
    with pytest.raises(ConsentInvalid, match="already"):
        bench.watchlist.consents.record(consent)
    assert bench.watchlist.subjects.list()[0].state == "pending"  # there is no template yet
    bench.watchlist.enroll("s", picture(1))
    assert bench.watchlist.subjects.list()[0].state == "active"


@pytest.mark.parametrize("consent", [None, "x", {}])
def test_what_is_no_consent_is_refused(bench: Bench, consent: Any) -> None:
    with pytest.raises(ConsentInvalid):
        bench.watchlist.consents.record(consent)
    assert bench.watchlist.subjects.list() == ()


def test_an_ended_record_cannot_be_filed_again_even_after_the_erasure(bench: Bench) -> None:
    consent = bench.enroll("s", 1)
    bench.watchlist.erase("s", reason="asked")
    with pytest.raises(ConsentRequired):
        bench.watchlist.consents.record(consent)
    with pytest.raises(ConsentRequired):
        bench.watchlist.enroll("s", picture(1), consent=consent)
    assert bench.watchlist.subjects.list() == ()


def test_a_receipt_is_signed_by_the_watchlist_and_audited(bench: Bench) -> None:
    consent = bench.enroll("s", 1)
    receipt = bench.watchlist.consents.receipt("s")
    checked = verify_receipt(receipt.to_json(), bench.watchlist.audit.public_key)
    assert checked.consent == consent
    assert bench.last().action == "receipt"
    with pytest.raises(SubjectNotFound):
        bench.watchlist.consents.receipt("nobody")
    with pytest.raises(ConsentTransitionError):
        bench.watchlist.consents.receipt("s", record_id="no-such-record")


def test_a_consent_may_be_renewed_again_and_again(bench: Bench, tmp_path: Path) -> None:
    bench.enroll("s", 1, valid_for=30 * DAY)
    ends: list[Any] = []
    for year in range(3):
        bench.clock.advance(20 * DAY)
        (tmp_path / f"form-{year}.pdf").write_bytes(f"signed again, {year}".encode())
        ends.append(
            bench.watchlist.consents.renew("s", valid_for=30 * DAY, evidence=tmp_path / f"form-{year}.pdf").valid_until
        )
    assert ends == sorted(set(ends))
    assert len(bench.watchlist.consents.list("s")[0].events) == 4
    assert bench.found(1) == ["s"]
