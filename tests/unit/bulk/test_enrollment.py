"""Many subjects from a list: each whole or not at all, and again without harm."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from facematch.bulk import Listed, SubjectOutcome, enroll_listed, read_listing
from facematch.errors import AccessDenied, ConsentRequired, WatchlistClosed
from facematch.governance import to_microseconds
from facematch.governance.policy import Policy
from facematch.testing import SyntheticFace, synthetic_picture
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import PURPOSE, Bench, open_bench, picture


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path / "watchlist.db") as made:
        yield made


def save(path: Path, person: int, variant: int = 0) -> None:
    PillowImage.fromarray(synthetic_picture([SyntheticFace(person, variant)])[..., ::-1]).save(path)


def listing(folder: Path, subjects: int, pictures: int = 2) -> list[Listed]:
    rows = ["subject,picture,evidence,adult"]
    for person in range(subjects):
        (folder / f"{person}.pdf").write_text(f"signed by {person}", "utf-8")
        for variant in range(pictures):
            save(folder / f"{person}-{variant}.png", person, variant)
            rows.append(f"s-{person},{person}-{variant}.png,{person}.pdf,yes")
    (folder / "people.csv").write_text("\n".join(rows), "utf-8")
    (folder / "notice.txt").write_text("read me", "utf-8")
    terms = {"purpose": PURPOSE, "notice": str(folder / "notice.txt"), "language": "en", "valid-for": "365d"}
    return read_listing(folder / "people.csv", terms)


def run(watchlist: Watchlist, listed: list[Listed], threads: int = 3) -> dict[str, SubjectOutcome]:
    outcomes: list[SubjectOutcome] = []
    enroll_listed(watchlist, listed, outcomes.append, actor="ana", threads=threads)
    assert len({outcome.subject_id for outcome in outcomes}) == len(outcomes)
    return {outcome.subject_id: outcome for outcome in outcomes}


@pytest.fixture
def moment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Consents are given at the bench's own moment."""
    monkeypatch.setattr("facematch.governance.consent.consent.utc_now", bench.clock)
    return bench


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_every_subject_is_enrolled_under_its_own_consent(moment: Bench, tmp_path: Path, threads: int) -> None:
    outcomes = run(moment.watchlist, listing(tmp_path, 12), threads)
    assert {outcome.state for outcome in outcomes.values()} == {"active"}
    assert [outcomes[f"s-{n}"].templates for n in range(12)] == [2] * 12
    for person in range(12):
        assert moment.found(person, site=None) == [f"s-{person}"]
    records = [moment.watchlist.consents.list(f"s-{person}")[0] for person in range(12)]
    assert len({record.evidence_sha256 for record in records}) == 12
    assert moment.watchlist.audit.verify().findings == ()


def test_the_same_list_again_changes_nothing(moment: Bench, tmp_path: Path) -> None:
    listed = listing(tmp_path, 5)
    run(moment.watchlist, listed)
    outcomes = run(moment.watchlist, listed)
    assert {outcome.state for outcome in outcomes.values()} == {"already"}
    assert moment.watchlist.subjects.count_templates().templates == 10
    assert [len(moment.watchlist.consents.list(f"s-{person}")) for person in range(5)] == [1] * 5


def test_a_picture_more_is_taken_under_the_same_record(moment: Bench, tmp_path: Path) -> None:
    run(moment.watchlist, listing(tmp_path, 3, pictures=2))
    outcomes = run(moment.watchlist, listing(tmp_path, 3, pictures=3))
    assert {(outcome.state, outcome.templates) for outcome in outcomes.values()} == {("active", 1)}
    assert [refusal.code for refusal in outcomes["s-0"].refusals] == ["enrolled_already"] * 2
    assert [len(moment.watchlist.consents.list(f"s-{person}")) for person in range(3)] == [1] * 3


def test_new_evidence_or_other_terms_are_a_new_record(moment: Bench, tmp_path: Path) -> None:
    listed = listing(tmp_path, 2)
    run(moment.watchlist, listed)
    (tmp_path / "0.pdf").write_text("signed again", "utf-8")
    wider = [listed[0], Listed("s-1", listed[1].pictures, 1, {**listed[1].said, "purpose": f"{PURPOSE}|events"})]
    assert {outcome.state for outcome in run(moment.watchlist, wider).values()} == {"active"}
    assert [len(moment.watchlist.consents.list(f"s-{person}")) for person in range(2)] == [2, 2]


def test_without_reuse_a_call_files_another_record(bench: Bench) -> None:
    consent, same = bench.consent("s"), bench.consent("s")
    bench.watchlist.enroll("s", picture(1), consent=consent)
    assert bench.watchlist.enroll("s", picture(1), consent=same).consent_record_id == same.record_id
    third = bench.consent("s")
    result = bench.watchlist.enroll("s", picture(1, 4), consent=third, reuse_consent=True)
    assert result.consent_record_id == same.record_id


def test_who_withdrew_is_not_enrolled_again_by_the_old_form(moment: Bench, tmp_path: Path) -> None:
    listed = listing(tmp_path, 3)
    run(moment.watchlist, listed)
    moment.watchlist.withdraw("s-1", reason="left")
    moment.clock.advance(timedelta(hours=1))
    outcomes = run(moment.watchlist, listed)
    assert [outcomes[f"s-{n}"].state for n in range(3)] == ["already", "refused", "already"]
    assert outcomes["s-1"].error is not None
    assert outcomes["s-1"].error.code == "consent_required"
    assert moment.found(1, site=None) == []
    (tmp_path / "1.pdf").write_text("signed anew", "utf-8")
    assert run(moment.watchlist, listed)["s-1"].state == "active"
    assert moment.found(1, site=None) == ["s-1"]


def test_what_has_run_out_is_not_prolonged_by_the_old_form(moment: Bench, tmp_path: Path) -> None:
    listed = listing(tmp_path, 2)
    run(moment.watchlist, listed)
    moment.clock.advance(timedelta(days=366))
    assert {outcome.state for outcome in run(moment.watchlist, listed).values()} == {"refused"}
    assert moment.found(1, site=None) == []


def test_another_duration_on_the_same_form_is_refused(moment: Bench, tmp_path: Path) -> None:
    listed = listing(tmp_path, 1)
    run(moment.watchlist, listed)
    for duration in ("30d", "700d"):
        longer = [Listed("s-0", listed[0].pictures, 2, {**listed[0].said, "valid-for": duration})]
        outcome = run(moment.watchlist, longer)["s-0"]
        assert outcome.error is not None
        assert (outcome.state, outcome.error.code) == ("refused", "consent_invalid")
    assert len(moment.watchlist.consents.list("s-0")) == 1


def test_an_ending_that_is_noted_but_not_yet_filed_counts(moment: Bench, tmp_path: Path) -> None:
    """The vault learns of an ending first; a process that dies before the database does must not matter."""
    run(moment.watchlist, listing(tmp_path, 1))
    (record,) = moment.watchlist.consents.list("s-0")
    noted = [("WITHDRAWN", record.record_id, to_microseconds(moment.clock()))]
    moment.watchlist._session.resources.vault.record_tombstones(noted)
    outcome = run(moment.watchlist, listing(tmp_path, 1, pictures=3))["s-0"]
    assert (outcome.state, moment.watchlist.subjects.count_templates("s-0").templates) == ("refused", 2)
    with pytest.raises(ConsentRequired):
        moment.watchlist.enroll("s-0", [tmp_path / "0-2.png"])


def test_pictures_that_fail_are_told_beside_those_that_are_enrolled(moment: Bench, tmp_path: Path) -> None:
    run(moment.watchlist, listing(tmp_path, 1))
    listed = listing(tmp_path, 1, pictures=3)
    (tmp_path / "0-2.png").unlink()
    outcome = run(moment.watchlist, listed)["s-0"]
    assert (outcome.state, outcome.error) == ("already", None)
    assert [refusal.code for refusal in outcome.refusals] == ["enrolled_already"] * 2 + ["image_not_found"]


def test_what_is_wrong_with_one_subject_stops_no_other(moment: Bench, tmp_path: Path) -> None:
    listed = listing(tmp_path, 6)
    (tmp_path / "1.pdf").unlink()
    for variant in range(2):
        PillowImage.fromarray(synthetic_picture([])).save(tmp_path / f"2-{variant}.png")
    (tmp_path / "3-0.png").unlink()
    listed[4] = Listed("s-4", listed[4].pictures, listed[4].line, {**listed[4].said, "adult": "no"})
    listed[5] = Listed("s-5", listed[5].pictures, listed[5].line)
    outcomes = run(moment.watchlist, listed)
    assert [outcomes[f"s-{n}"].state for n in range(6)] == [
        "active",
        "refused",
        "refused",
        "active",
        "refused",
        "refused",
    ]
    codes = {name: outcome.error.code for name, outcome in outcomes.items() if outcome.error is not None}
    assert codes == {
        "s-1": "consent_invalid",
        "s-2": "enrollment_refused",
        "s-4": "consent_invalid",
        "s-5": "consent_required",
    }
    assert [refusal.code for refusal in outcomes["s-3"].refusals] == ["image_not_found"]
    assert [record.subject_id for record in moment.watchlist.subjects.list()] == ["s-0", "s-3"]
    assert outcomes["s-2"].to_dict()["error"]["code"] == "enrollment_refused"


def test_an_interruption_leaves_whole_subjects_and_the_list_goes_on(moment: Bench, tmp_path: Path) -> None:
    listed, told = listing(tmp_path, 20), []

    def tell(outcome: SubjectOutcome) -> None:
        told.append(outcome)
        if len(told) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enroll_listed(moment.watchlist, listed, tell, actor="ana", threads=2)
    enrolled = {record.subject_id for record in moment.watchlist.subjects.list()}
    assert {outcome.subject_id for outcome in told} <= enrolled
    assert 5 <= len(enrolled) < 20
    assert {moment.watchlist.subjects.count_templates(name).templates for name in enrolled} == {2}
    outcomes = run(moment.watchlist, listed)
    assert {name for name, outcome in outcomes.items() if outcome.state == "already"} == enrolled
    assert moment.watchlist.subjects.count_templates().templates == 40


def test_what_concerns_everybody_ends_the_run(moment: Bench, tmp_path: Path) -> None:
    listed = listing(tmp_path, 4)
    moment.watchlist.actors.grant("ana", "owner")
    moment.watchlist.actors.grant("eve", "reviewer")
    with (
        open_bench(moment.path, actor="eve", clock=moment.clock) as other,
        pytest.raises(AccessDenied),
    ):
        run(other.watchlist, listed)
    assert moment.watchlist.subjects.list() == ()
    moment.watchlist.close()
    with pytest.raises(WatchlistClosed):
        run(moment.watchlist, listed)


def test_where_two_must_agree_the_subjects_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy.from_dict({**Policy.profile("access-control").to_dict(), "dual_control": {"required": True}})
    with open_bench(tmp_path / "w.db", policy=policy) as bench:
        monkeypatch.setattr("facematch.governance.consent.consent.utc_now", bench.clock)
        listed = listing(tmp_path, 3)
        assert {outcome.state for outcome in run(bench.watchlist, listed).values()} == {"pending"}
        assert len(bench.watchlist.approvals.list()) == 3
        assert bench.found(1, site=None) == []
        assert {outcome.state for outcome in run(bench.watchlist, listed).values()} == {"already"}
        assert len(bench.watchlist.approvals.list()) == 3
