"""Dual control: an enrollment is found only after another person has approved it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import (
    ApprovalNotFound,
    ConsentRequired,
    InvalidArgument,
    PolicyRefused,
    QualityTooLow,
    SeparationOfDuties,
)
from facematch.governance.policy import Policy
from facematch.testing import FakeAnalyzer
from facematch.types import FaceQuality
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, end_all, open_bench, picture, roles_of


def _policy(**changes: Any) -> Policy:
    return Policy.from_dict({**Policy.profile("access-control").to_dict(), **changes})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path / "a.db", policy=_policy(dual_control={"required": True})) as made:
        yield made


def _as(bench: Bench, actor: str) -> Watchlist:
    if actor not in roles_of(bench.watchlist):
        bench.watchlist.actors.grant(actor, "owner")
    return Watchlist.open(f"sqlite:///{bench.path}", actor=actor, analyzer=bench.analyzer, clock=bench.clock)


@pytest.fixture
def bob(bench: Bench) -> Iterator[Watchlist]:
    with _as(bench, "bob") as watchlist:
        yield watchlist


def test_a_pending_enrollment_is_in_no_search_until_it_is_approved(bench: Bench, bob: Watchlist) -> None:
    consent = bench.consent("s")
    made = bench.watchlist.enroll("s", [picture(1), picture(1, 1)], consent=consent)
    assert (made.state, len(made.template_ids)) == ("pending", 2)
    for watchlist in (bench.watchlist, bob):
        assert watchlist.identify(picture(1), purpose=PURPOSE, site=SITE).gallery_size == 0
        with pytest.raises(ConsentRequired):
            watchlist.verify("s", picture(1), purpose=PURPOSE, site=SITE)
    waiting = bob.approvals.list()
    assert [(w.enrollment_id, w.subject_id, w.templates, w.actor) for w in waiting] == [
        (made.enrollment_id, "s", 2, "ana")
    ]
    assert (waiting[0].consent_record_id, waiting[0].created_at) == (consent.record_id, bench.clock.now)
    assert [record.state for record in bench.watchlist.subjects.list()] == ["pending"]
    bob.approvals.approve(waiting[0].enrollment_id)
    assert bench.found(1) == ["s"]
    assert bench.watchlist.verify("s", picture(1), purpose=PURPOSE, site=SITE).matched
    assert bob.approvals.list() == ()
    entry = next(e for e in bench.entries() if e.action == "approve")
    assert (entry.actor, entry.details["prepared_by"], entry.details["enrollment"]) == (
        "bob",
        "ana",
        made.enrollment_id,
    )


@pytest.mark.parametrize("actor", ["ana", "Ana", "ANA"])
def test_whoever_prepared_it_cannot_approve_it_under_any_spelling(bench: Bench, actor: str) -> None:
    bench.enroll("s", 1)
    with _as(bench, actor) as same, pytest.raises(SeparationOfDuties):
        same.approvals.approve(1)
    assert bench.found(1) == []
    assert len(bench.watchlist.approvals.list()) == 1


def test_each_enrollment_is_approved_by_itself(bench: Bench, bob: Watchlist) -> None:
    consent = bench.enroll("s", 1)
    second = bench.watchlist.enroll("s", picture(2), consent=consent)
    assert second.enrollment_id is not None
    bob.approvals.approve(second.enrollment_id)
    assert (bench.found(1), bench.found(2)) == ([], ["s"])
    assert [record.state for record in bench.watchlist.subjects.list()] == ["active"]


def test_a_rejected_enrollment_is_gone_from_table_and_file(bench: Bench, bob: Watchlist) -> None:
    bench.enroll("s", 1)
    assert bob.approvals.reject(1, reason="not the person of the incident").templates == 1
    assert bench.found(1) == []
    assert bench.watchlist.subjects.count_templates("s").templates == 0
    entry = next(e for e in bench.entries() if e.action == "reject")
    core = bench.watchlist._session.resources
    assert "reason" not in entry.details
    sealed = entry.private(lambda ref, data, bound: _unsealed(core, ref, data, bound))
    assert sealed == {"reason": "not the person of the incident"}
    with pytest.raises(ApprovalNotFound):
        bob.approvals.approve(1)
    with pytest.raises(ApprovalNotFound):
        bob.approvals.reject(1, reason="again")


def _unsealed(core: Any, ref: str, data: bytes, bound: bytes) -> bytes:
    text: str = core.cipher.unseal_text(ref, data, bound.decode())
    return text.encode()


def test_whoever_prepared_it_may_take_it_back(bench: Bench) -> None:
    bench.enroll("s", 1)
    assert bench.watchlist.approvals.reject(1, reason="a mistake").templates == 1


@pytest.mark.parametrize("ended", ["withdraw", "revoke", "invalidate", "expire"])
def test_an_enrollment_whose_consent_has_ended_is_not_approved(bench: Bench, bob: Watchlist, ended: str) -> None:
    bench.enroll("s", 1, valid_for=timedelta(days=5))
    if ended == "expire":
        bench.clock.advance(timedelta(days=5))
    else:
        end_all(bench.watchlist, ended, "s")
    with pytest.raises(ConsentRequired):
        bob.approvals.approve(1)
    assert bench.found(1) == []


def test_an_enrollment_that_the_policy_would_not_take_any_more_is_not_approved(bench: Bench, bob: Watchlist) -> None:
    bench.enroll("s", 1)
    bench.watchlist.policies.set(_policy(dual_control={"required": True}, purposes={"allowed": ["events"]}))
    with pytest.raises(PolicyRefused, match="purpose"):
        bob.approvals.approve(1)
    assert len(bob.approvals.list()) == 1


def test_erasing_a_subject_takes_what_waits_along(bench: Bench, bob: Watchlist) -> None:
    bench.enroll("s", 1)
    bench.watchlist.erase("s", reason="asked")
    assert bob.approvals.list() == ()
    with pytest.raises(ApprovalNotFound):
        bob.approvals.approve(1)


def test_an_approval_during_a_complaint_brings_nobody_into_searches(bench: Bench, bob: Watchlist) -> None:
    bench.enroll("s", 1)
    complaint = bench.watchlist.rights.open_complaint("s", ground="not me").complaint_id
    bob.approvals.approve(1)
    assert bench.found(1) == []
    bob.rights.decide_complaint(complaint, upheld=False)
    assert bench.found(1) == ["s"]


@pytest.mark.parametrize("number", [0, 2, -1, 10**12])
def test_what_does_not_wait_is_neither_approved_nor_rejected(bench: Bench, bob: Watchlist, number: int) -> None:
    bench.enroll("s", 1)
    with pytest.raises(ApprovalNotFound):
        bob.approvals.approve(number)
    with pytest.raises(ApprovalNotFound):
        bob.approvals.reject(number, reason="no")
    with pytest.raises(InvalidArgument):
        bob.approvals.reject(1, reason="")
    assert len(bob.approvals.list()) == 1


def test_dual_control_that_is_lifted_later_approves_nothing_by_itself(bench: Bench, bob: Watchlist) -> None:
    bench.enroll("s", 1)
    bench.watchlist.policies.set(_policy())
    assert bench.found(1) == []
    bench.enroll("t", 2)
    assert bench.found(2) == ["t"]
    bob.approvals.approve(1)
    assert bench.found(1) == ["s"]


class Blurred(FakeAnalyzer):
    """Says that every picture is blurred."""

    def assess(self, image: Any, faces: Any) -> list[FaceQuality]:
        return [FaceQuality(80.0, 0.001, 120.0, 120.0, 0.0, 0.0, 0.0, 0.0, 0.99, 5.0) for _ in faces]


def test_an_overridden_quality_gate_waits_for_another_person(tmp_path: Path) -> None:
    with open_bench(tmp_path / "b.db", policy=_policy(), analyzer=Blurred()) as bench:
        with pytest.raises(QualityTooLow):
            bench.watchlist.enroll("s", picture(1), consent=bench.consent("s"))
        made = bench.watchlist.enroll("s", picture(1), consent=bench.consent("s"), quality_override="the only picture")
        assert made.state == "pending"
        assert made.enrollment_id is not None
        assert bench.found(1) == []
        with pytest.raises(SeparationOfDuties):
            bench.watchlist.approvals.approve(made.enrollment_id)
        with _as(bench, "bob") as bob:
            bob.approvals.approve(made.enrollment_id)
        assert bench.found(1) == ["s"]


def test_an_override_that_the_policy_does_not_allow_enrolls_nobody(tmp_path: Path) -> None:
    policy = _policy(quality={"gate": "where-measured", "overrides": False})
    with open_bench(tmp_path / "b.db", policy=policy, analyzer=Blurred()) as bench:
        with pytest.raises(PolicyRefused):
            bench.watchlist.enroll("s", picture(1), consent=bench.consent("s"), quality_override="the only picture")
        assert bench.watchlist.subjects.list() == ()
        assert bench.watchlist.keys.status().subjects == 0
