"""The sweeper: what is due goes, at the very moment that it is due, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import SubjectNotFound
from facematch.governance.certificates import verify_certificate
from facematch.governance.policy import Policy
from facematch.types import RetentionRun
from facematch.watchlist.data_lifecycle import retention
from facematch.watchlist.data_lifecycle.erasure import erase
from facematch.watchlist.session import Session
from tests.unit.watchlist.support import Bench, end_all, open_bench

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


def _policy(**changes: Any) -> Policy:
    return Policy.from_dict({**Policy.profile("access-control").to_dict(), **changes})


@pytest.fixture
def start(bench: Bench) -> datetime:
    """The moment that the bench begins at; consents last ten days, and go thirty days after their end."""
    return bench.clock.now


def _states(bench: Bench) -> dict[str, str]:
    return {record.subject_id: record.state for record in bench.watchlist.subjects.list()}


def _did(sweep: RetentionRun) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
    return tuple(sweep.expired), tuple(sweep.erased), tuple(sweep.rejected)


def test_a_consent_expires_at_its_end_and_not_before(bench: Bench, start: datetime) -> None:
    bench.enroll("s", 1, valid_for=10 * DAY)
    bench.clock.now = start + 10 * DAY - INSTANT
    assert _did(bench.watchlist.apply_retention()) == ((), (), ())
    assert bench.found(1) == ["s"]
    bench.clock.now = start + 10 * DAY
    assert bench.found(1) == []  # without any sweep
    assert _did(bench.watchlist.apply_retention()) == (("s",), (), ())
    assert [consent.state.value for consent in bench.watchlist.consents.list("s")] == ["EXPIRED"]
    assert _did(bench.watchlist.apply_retention()) == ((), (), ())


@pytest.mark.parametrize("noticed_after", [0, 1, 29])
def test_a_reference_goes_when_the_time_since_the_end_is_over_whenever_the_end_was_noticed(
    bench: Bench, start: datetime, noticed_after: int
) -> None:
    bench.enroll("s", 1, valid_for=10 * DAY)
    bench.clock.now = start + 10 * DAY + noticed_after * DAY
    assert _did(bench.watchlist.apply_retention()) == (("s",), (), ())
    bench.clock.now = start + 40 * DAY - INSTANT
    assert _did(bench.watchlist.apply_retention()) == ((), (), ())
    bench.clock.now = start + 40 * DAY
    swept = bench.watchlist.apply_retention()
    assert _did(swept) == ((), ("s",), ())
    assert _states(bench) == {}
    assert bench.watchlist.keys.status().subjects == 0
    certificate = swept.certificates[0]
    assert verify_certificate(certificate, public_key=bench.watchlist.audit.public_key)["subject_id"] == "s"
    assert bench.watchlist.verify_erasure(certificate).findings == ()


@pytest.mark.parametrize("verb", ["withdraw", "revoke", "invalidate"])
def test_after_an_end_by_somebody_the_time_counts_from_it(bench: Bench, start: datetime, verb: str) -> None:
    bench.enroll("s", 1, valid_for=100 * DAY)
    bench.clock.now = start + 5 * DAY
    end_all(bench.watchlist, verb, "s")
    bench.clock.now = start + 35 * DAY - INSTANT
    assert _did(bench.watchlist.apply_retention()) == ((), (), ())
    bench.clock.now = start + 35 * DAY
    assert _did(bench.watchlist.apply_retention()) == ((), ("s",), ())


def test_a_subject_with_any_consent_left_stays(bench: Bench, start: datetime) -> None:
    bench.enroll("s", 1, valid_for=10 * DAY)
    bench.enroll("s", 2, valid_for=60 * DAY)
    bench.clock.now = start + 45 * DAY
    assert _did(bench.watchlist.apply_retention()) == (("s",), (), ())
    assert (bench.found(1), bench.found(2)) == ([], ["s"])
    bench.clock.now = start + 90 * DAY
    assert _did(bench.watchlist.apply_retention()) == (("s",), ("s",), ())


def test_a_consent_that_has_not_begun_keeps_its_subject(bench: Bench, start: datetime) -> None:
    bench.enroll("s", 1, valid_for=10 * DAY)
    bench.watchlist.withdraw("s", reason="left")
    bench.watchlist.consents.record(bench.consent("s", now=start + 60 * DAY, valid_for=10 * DAY))
    bench.clock.now = start + 50 * DAY
    assert _did(bench.watchlist.apply_retention()) == ((), (), ())


def test_an_enrollment_that_nobody_approved_is_rejected(tmp_path: Path) -> None:
    with open_bench(tmp_path / "a.db", policy=_policy(dual_control={"required": True})) as bench:
        bench.enroll("s", 1)
        first = bench.clock.now
        bench.clock.advance(10 * DAY)
        bench.enroll("t", 2)
        bench.clock.now = first + 30 * DAY - INSTANT
        assert _did(bench.watchlist.apply_retention()) == ((), (), ())
        bench.clock.now = first + 30 * DAY
        assert _did(bench.watchlist.apply_retention(dry_run=True)) == ((), (), (1,))
        assert _did(bench.watchlist.apply_retention()) == ((), (), (1,))
        assert [item.subject_id for item in bench.watchlist.approvals.list()] == ["t"]
        assert bench.watchlist.subjects.count_templates("s").templates == 0


def test_a_dry_run_says_what_would_be_done_and_does_nothing(bench: Bench, start: datetime) -> None:
    bench.enroll("s", 1, valid_for=10 * DAY)
    bench.enroll("t", 2, valid_for=45 * DAY)
    bench.clock.now = start + 50 * DAY
    before = bench.watchlist._session.resources.snapshot().generation
    planned = bench.watchlist.apply_retention(dry_run=True)
    assert planned.dry_run
    assert bench.watchlist._session.resources.snapshot().generation == before
    assert _states(bench) == {"s": "expired", "t": "expired"}
    done = bench.watchlist.apply_retention()
    assert _did(done) == _did(planned) == (("s", "t"), ("s",), ())
    assert not done.dry_run


def test_a_clock_that_was_put_back_erases_nobody(bench: Bench, start: datetime) -> None:
    bench.enroll("s", 1, valid_for=10 * DAY)
    bench.clock.now = start - 400 * DAY
    assert _did(bench.watchlist.apply_retention()) == ((), (), ())
    bench.clock.now = start
    assert bench.found(1) == ["s"]


def test_the_strict_profile_keeps_nothing_after_the_end(tmp_path: Path) -> None:
    policy = _policy(retention={**Policy.profile("retail-watchlist").to_dict()["retention"]})
    with open_bench(tmp_path / "a.db", policy=policy) as bench:
        bench.enroll("s", 1, valid_for=10 * DAY)
        bench.enroll("t", 2, valid_for=10 * DAY)
        bench.watchlist.withdraw("t", reason="left")
        assert _did(bench.watchlist.apply_retention()) == ((), ("t",), ())
        bench.clock.advance(10 * DAY)
        assert _did(bench.watchlist.apply_retention()) == (("s",), ("s",), ())


def test_old_entries_lose_their_content_and_the_log_still_verifies(bench: Bench, start: datetime) -> None:
    bench.enroll("s", 1)
    bench.found(1)
    bench.clock.now = start + 200 * DAY
    bench.found(1)
    before = len(bench.watchlist.audit)
    bench.clock.now = start + 366 * DAY
    swept = bench.watchlist.apply_retention()
    assert swept.pruned >= 3
    assert min(entry.seq for entry in bench.watchlist.audit.entries()) == swept.pruned + 1
    assert min(entry.time for entry in bench.watchlist.audit.entries()) >= start + DAY
    assert len(bench.watchlist.audit) > before
    assert bench.watchlist.audit.verify().findings == ()


def test_progress_counts_the_erasures(bench: Bench) -> None:
    for number in range(3):
        bench.enroll(f"s{number}", number, valid_for=DAY)
    bench.clock.advance(60 * DAY)
    told: list[tuple[int, int | None]] = []
    bench.watchlist.apply_retention(progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    entry = next(e for e in reversed(bench.entries()) if e.action == "sweep")
    assert (entry.details["expired"], entry.details["erased"]) == (3, 3)


@pytest.fixture
def interrupted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], RetentionRun]:
    """A run during which another process does something, after it has looked and before it erases."""

    def sweep(act: Callable[[], object]) -> RetentionRun:
        def late(session: Session, subject_id: str, reason: str, **options: Any) -> Any:
            act()
            return erase(session, subject_id, reason, **options)

        monkeypatch.setattr(retention, "erase", late)
        return bench.watchlist.apply_retention()

    return sweep


def test_a_subject_who_consents_again_during_the_sweep_stays(
    bench: Bench, interrupted: Callable[[Callable[[], object]], RetentionRun]
) -> None:
    bench.enroll("s", 1, valid_for=DAY)
    bench.clock.advance(60 * DAY)
    with open_bench(bench.path, clock=bench.clock) as other:
        assert _did(interrupted(lambda: other.enroll("s", 1))) == (("s",), (), ())
    assert bench.found(1) == ["s"]
    assert bench.watchlist.keys.status().subjects == 1


def test_a_subject_whom_another_process_erases_during_the_sweep_is_no_failure(
    bench: Bench, interrupted: Callable[[Callable[[], object]], RetentionRun]
) -> None:
    bench.enroll("s", 1, valid_for=DAY)
    bench.clock.advance(60 * DAY)
    with open_bench(bench.path, clock=bench.clock) as other:
        assert _did(interrupted(lambda: other.watchlist.erase("s", reason="asked"))) == (("s",), (), ())
    with pytest.raises(SubjectNotFound):
        bench.watchlist.consents.list("s")


def test_the_time_counts_from_the_last_event_also_when_the_clock_went_back(bench: Bench, tmp_path: Path) -> None:
    bench.enroll("s", 1, valid_for=300 * DAY)
    bench.clock.advance(100 * DAY)
    (tmp_path / "again.pdf").write_bytes(b"signed again")
    bench.watchlist.consents.renew("s", valid_for=300 * DAY, evidence=tmp_path / "again.pdf")
    bench.clock.advance(-50 * DAY)
    bench.watchlist.withdraw("s", reason="left")
    bench.clock.advance(31 * DAY)  # the profile keeps ended references for 30 days
    assert bench.watchlist.apply_retention().erased == ("s",)
