from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from facematch.errors import ConsentTransitionError, InvalidArgument, SubjectNotFound
from facematch.governance import ConsentState
from tests.unit.watchlist.support import AUTHORIZATION, PURPOSE, SITE, Bench, open_bench, picture

DAY = timedelta(days=1)


def _bytes_on_disk(path: Path) -> bytes:
    files = sorted(path.parent.glob(path.name + "*"))
    assert path in files
    return b"".join(file.read_bytes() for file in files)


def test_withdrawal_ends_every_open_record_also_one_that_has_expired(bench: Bench) -> None:
    first = bench.enroll("s", 1, valid_for=DAY)
    second = bench.enroll("s", 1)
    bench.clock.advance(2 * DAY)
    receipt = bench.watchlist.withdraw("s", reason="left the company")
    assert receipt.consent_record_ids == (first.record_id, second.record_id)
    assert (receipt.subject_id, receipt.reason) == ("s", "left the company")
    assert receipt.withdrawn_at == bench.clock.now
    assert [c.state for c in bench.watchlist.consents.list("s")] == [ConsentState.WITHDRAWN] * 2
    assert [c.events[-1].reason for c in bench.watchlist.consents.list("s")] == ["left the company"] * 2
    bench.clock.advance(-2 * DAY)
    assert bench.found(1) == []


def test_a_second_withdrawal_says_that_there_is_nothing_left(bench: Bench) -> None:
    bench.enroll("s", 1)
    receipt = bench.watchlist.withdraw("s", reason="left")
    with pytest.raises(ConsentTransitionError, match="no consent left"):
        bench.watchlist.withdraw("s", reason="left")
    assert bench.watchlist.identify(picture(1), purpose=PURPOSE).generation == receipt.generation


def test_unknown_subjects(bench: Bench) -> None:
    for call in (
        lambda: bench.watchlist.withdraw("x", reason="r"),
        lambda: bench.watchlist.erase("x", reason="r"),
        lambda: bench.watchlist.subjects.count_templates("x").templates,
        lambda: bench.watchlist.consents.list("x"),
    ):
        with pytest.raises(SubjectNotFound):
            call()
        assert bench.last().details == {"code": "subject_not_found"}


@pytest.mark.parametrize("reason", ["", " ", None, "x" * 3000])
def test_a_reason_is_needed(bench: Bench, reason: str) -> None:
    bench.enroll("s", 1)
    with pytest.raises(InvalidArgument, match="reason"):
        bench.watchlist.withdraw("s", reason=reason)
    with pytest.raises(InvalidArgument, match="reason"):
        bench.watchlist.erase("s", reason=reason)
    assert bench.found(1) == ["s"]


def test_erasure_leaves_no_byte_of_the_subject_in_any_file(bench: Bench) -> None:
    subject_id, reason = "subject-to-be-erased-0042", "a reason of my own, unmistakable"
    for number in range(30):
        bench.enroll(f"other-{number}", 20 + number)
    consent = bench.consent(subject_id, purposes=[PURPOSE, "a-purpose-of-mine"], sites=[SITE, "a-site-of-mine"])
    bench.watchlist.enroll(subject_id, [picture(500, n) for n in range(40)], consent=consent)
    assert bench.found(500) == [subject_id]
    bench.watchlist.withdraw(subject_id, reason=reason)
    needles = [bench.analyzer.embedding(500, n).astype("<f4").tobytes() for n in range(40)]
    plain = len(needles) + 2
    needles += [t.encode() for t in (subject_id, reason, "a-purpose-of-mine", "a-site-of-mine")]
    stored = _bytes_on_disk(bench.path)
    assert [needle in stored for needle in needles] == [False] * plain + [True] * 2  # only what searches filter by

    receipt = bench.watchlist.erase(subject_id, reason="asked for it, unmistakably")
    assert (receipt.templates_erased, receipt.consent_records_erased) == (40, 1)
    left = _bytes_on_disk(bench.path)
    assert [needle in left for needle in [*needles, b"asked for it, unmistakably"]] == [False] * 45
    assert consent.record_id.encode() in left  # the audit entry of the enrollment names the record, not the subject
    assert bench.watchlist.subjects.count_templates().templates == 30
    assert bench.found(500) == []


def test_the_audit_entries_of_an_erased_subject_lead_nowhere(bench: Bench) -> None:
    bench.enroll("s", 1)
    bench.enroll("s2", 2)
    bench.watchlist.erase("s", reason="asked")
    bench.enroll("s", 1)
    refs = [e.subject_ref for e in bench.watchlist.audit.entries() if e.action in {"enroll", "erase"}]
    assert refs[0] == refs[2] != refs[1]
    assert refs[3] not in refs[:3]


def test_erasure_frees_the_gallery_of_this_process(bench: Bench) -> None:
    bench.enroll("s", 1)
    bench.enroll("t", 2)
    assert bench.found(1) == ["s"]
    snapshot = bench.watchlist._session.resources.gallery._snapshot
    assert snapshot is not None
    assert snapshot.index is not None
    assert len(snapshot.index) == 2
    bench.watchlist.erase("s", reason="asked")
    assert len(snapshot.index) == 1


def test_template_ids_are_never_used_again(bench: Bench) -> None:
    bench.enroll("s", 1)
    bench.watchlist.erase("s", reason="asked")
    assert bench.watchlist.enroll("s", picture(1), consent=bench.consent("s")).template_ids == (2,)


def test_an_erasure_that_was_interrupted_is_finished_by_the_next_open(bench: Bench) -> None:
    bench.enroll("s-unmistakable", 1)
    core = bench.watchlist._session.resources
    subject = None
    with core.database.write(AUTHORIZATION) as connection:
        subject = core.subjects.subject(connection, "s-unmistakable")
        assert subject is not None
        (stored,) = connection.exec_driver_sql("SELECT sealed_id FROM subjects").one()
        core.subjects.erase(connection, subject.key)
        core.subjects.mark_unscrubbed(connection, core.subjects.begin_generation(connection))
        core.vault.record_tombstones([("ERASED", subject.subject_ref, 0)])
    assert stored in _bytes_on_disk(bench.path)
    with open_bench(bench.path):
        assert stored not in _bytes_on_disk(bench.path)
        assert core.cipher.subject_refs() == {}


def test_the_list_of_subjects_says_who_can_be_found_now(bench: Bench) -> None:
    bench.enroll("active", 1, purposes=["b", "a"], valid_for=10 * DAY)
    bench.enroll("active", 1, purposes=["c"], sites=["store-13"], valid_for=20 * DAY)
    bench.enroll("everywhere", 2, sites=[])
    bench.enroll("expired", 3, valid_for=DAY)
    bench.enroll("withdrawn", 4)
    bench.watchlist.withdraw("withdrawn", reason="left")
    start = bench.clock.now
    bench.clock.advance(2 * DAY)
    bench.enroll("late", 5)
    bench.clock.advance(-DAY / 2)
    records = {record.subject_id: record for record in bench.watchlist.subjects.list()}
    assert list(records) == ["active", "everywhere", "expired", "late", "withdrawn"]
    assert {name: record.state for name, record in records.items()} == {
        "active": "active",
        "everywhere": "active",
        "expired": "expired",
        "late": "pending",
        "withdrawn": "withdrawn",
    }
    active = records["active"]
    assert (active.purposes, active.sites, active.templates) == (("a", "b", "c"), (SITE, "store-13"), 2)
    assert active.valid_until == start + 20 * DAY
    assert records["everywhere"].sites == ()
    assert records["withdrawn"].purposes == ()
