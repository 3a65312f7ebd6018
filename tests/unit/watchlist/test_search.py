from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facematch.errors import (
    ConsentRequired,
    ContractMismatch,
    ImageDecodeError,
    InvalidArgument,
    PurposeRequired,
    SubjectNotFound,
    ThresholdRequired,
    ThresholdTooLow,
)
from facematch.protocols import FaceSearch
from facematch.testing import FakeAnalyzer, ManualClock, OracleIndex, SyntheticFace, synthetic_picture
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, open_bench, picture

DAY = timedelta(days=1)


def test_every_face_gets_a_probe_and_a_stranger_gets_no_candidate(bench: Bench) -> None:
    bench.enroll("s", 1)
    bench.enroll("t", 2)
    result = bench.watchlist.identify(
        synthetic_picture([SyntheticFace(2, 7), 5, SyntheticFace(1, 3)]), purpose=PURPOSE, site=SITE
    )
    assert [[c.subject_id for c in probe.candidates] for probe in result.probes] == [["t"], [], ["s"]]
    assert result.probes[1].best is None
    assert all(probe.face.embedding is None for probe in result.probes)
    assert (result.threshold, result.gallery_size, result.purpose, result.site) == (0.6, 2, PURPOSE, SITE)
    assert result.contract == bench.analyzer.contract.digest
    assert result.generation == 2


def test_no_face_is_an_answer(bench: Bench) -> None:
    bench.enroll("s", 1)
    result = bench.watchlist.identify(synthetic_picture([]), purpose=PURPOSE, site=SITE)
    assert (result.probes, result.candidates, result.gallery_size) == ((), (), 1)


def test_an_empty_watchlist_answers_too(bench: Bench) -> None:
    result = bench.watchlist.identify(picture(1), purpose=PURPOSE)
    assert (len(result.probes), result.candidates, result.gallery_size, result.generation) == (1, (), 0, 0)


def test_for_another_purpose_there_is_no_candidate(bench: Bench) -> None:
    bench.enroll("s", 1)
    assert bench.found(1) == ["s"]
    assert bench.found(1, purpose="marketing") == []


def test_at_another_site_there_is_no_candidate(bench: Bench) -> None:
    bench.enroll("s", 1)
    assert bench.found(1, site="store-13") == []


def test_without_a_site_only_consent_for_every_site_counts(bench: Bench) -> None:
    bench.enroll("here", 1)
    bench.enroll("everywhere", 2, sites=[])
    assert bench.found(1, site=None) == []
    assert bench.found(2, site=None) == ["everywhere"]
    assert bench.found(2, site="store-99") == ["everywhere"]


def test_after_expiry_there_is_no_candidate(bench: Bench) -> None:
    bench.enroll("s", 1, valid_for=DAY)
    bench.clock.advance(DAY - timedelta(microseconds=1))
    assert bench.found(1) == ["s"]
    bench.clock.advance(timedelta(microseconds=1))
    assert bench.found(1) == []


def test_before_consent_begins_there_is_no_candidate(bench: Bench) -> None:
    bench.enroll("s", 1)
    bench.clock.advance(-timedelta(microseconds=1))
    assert bench.found(1) == []


def test_after_withdrawal_there_is_no_candidate_whatever_the_clock_says(bench: Bench) -> None:
    bench.enroll("s", 1)
    bench.clock.advance(DAY)
    bench.watchlist.withdraw("s", reason="left")
    assert bench.found(1) == []
    bench.clock.advance(-DAY)
    assert bench.found(1) == []


def test_search_terms_say_what_would_rule_and_search_nothing(bench: Bench) -> None:
    bench.enroll("s", 1)
    before = len(bench.entries())
    terms = bench.watchlist.search_terms(purpose=PURPOSE, site=SITE, threshold=0.9)
    assert len(bench.entries()) == before
    answer = bench.watchlist.identify_faces([], purpose=PURPOSE, site=SITE, threshold=0.9)
    shared = ("purpose", "site", "zone", "threshold", "gallery_size", "generation", "contract", "policy_version")
    assert [getattr(terms, name) for name in shared] == [getattr(answer, name) for name in shared]
    assert (terms.threshold, terms.gallery_size, terms.notes) == (0.9, 1, answer.notes)


def test_without_a_purpose_there_is_no_search(bench: Bench) -> None:
    bench.enroll("s", 1)
    for call in (
        lambda: bench.watchlist.search_terms(purpose=""),
        lambda: bench.watchlist.identify(picture(1), purpose=""),
        lambda: bench.watchlist.identify(picture(1), purpose="  "),
        lambda: bench.watchlist.identify(picture(1), purpose=None),  # type: ignore[arg-type]
        lambda: bench.watchlist.identify_faces([], purpose=""),
        lambda: bench.watchlist.verify("s", picture(1), purpose=""),
    ):
        with pytest.raises(PurposeRequired) as caught:
            call()
        assert caught.value.hint
        assert bench.last().outcome == "refused"


@pytest.mark.parametrize(
    "options",
    [
        {"purpose": "Site Access"},
        {"purpose": 3},
        {"purpose": PURPOSE, "site": ""},
        {"purpose": PURPOSE, "site": 4},
        {"purpose": PURPOSE, "top_k": 0},
        {"purpose": PURPOSE, "top_k": 1001},
        {"purpose": PURPOSE, "top_k": True},
        {"purpose": PURPOSE, "top_k": 2.0},
        {"purpose": PURPOSE, "threshold": float("nan")},
        {"purpose": PURPOSE, "threshold": 40},
    ],
)
def test_malformed_requests_are_refused_before_the_picture_is_decoded(bench: Bench, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        bench.watchlist.identify("/nowhere/door.jpg", **options)


def test_filtered_subjects_are_not_scored_even_at_one(bench: Bench) -> None:
    searched: list[int] = []

    class Watching(OracleIndex):
        def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
            searched.extend(allowed.ids.tolist())
            return super().search(queries, k, allowed=allowed)

        def view(self) -> Any:
            return self

    with open_bench(bench.path, index=Watching, clock=bench.clock) as other:
        other.enroll("s", 1)
        other.enroll("t", 2, purposes=["events"])
        other.enroll("u", 3, sites=["elsewhere"])
        other.enroll("v", 4)
        other.watchlist.withdraw("v", reason="left")
        searched.clear()  # enrollment compared subjects whom one search could reach together
        assert other.found(2) == []
        assert set(searched) == {1}


def test_the_score_of_a_subject_is_that_of_its_best_template(bench: Bench) -> None:
    bench.watchlist.enroll("s", [picture(1, n) for n in range(4)], consent=bench.consent("s"))
    result = bench.watchlist.identify(picture(1, 2), purpose=PURPOSE, site=SITE)
    assert [c.subject_id for c in result.candidates] == ["s"]
    assert result.candidates[0].score == pytest.approx(1.0, abs=1e-6)
    assert result.candidates[0].template_id == 3


def test_top_k_counts_subjects_not_templates(tmp_path: Path) -> None:
    with open_bench(tmp_path / "a.db", analyzer=FakeAnalyzer(threshold=0.5)) as bench:
        for name, count in (("a", 30), ("b", 1), ("c", 2)):
            variants = [picture(1, ord(name) * 100 + n) for n in range(count)]
            bench.watchlist.enroll(name, variants, consent=bench.consent(name))
        for top_k, expected in ((1, 1), (2, 2), (3, 3), (10, 3)):
            result = bench.watchlist.identify(picture(1), purpose=PURPOSE, site=SITE, top_k=top_k)
            scores = [c.score for c in result.probes[0].candidates]
            assert len({c.subject_id for c in result.probes[0].candidates}) == len(scores) == expected
            assert scores == sorted(scores, reverse=True)


def test_the_threshold_can_be_raised_by_a_search_and_by_the_watchlist(bench: Bench) -> None:
    bench.enroll("s", 1)
    search: dict[str, Any] = {"purpose": PURPOSE, "site": SITE}
    assert bench.watchlist.identify(picture(1, 1), **search, threshold=0.999).candidates == ()
    with pytest.raises(ThresholdTooLow):
        bench.watchlist.identify(picture(1), **search, threshold=0.59)
    with open_bench(bench.path, threshold=0.999, clock=bench.clock) as strict:
        assert strict.found(1) == []
        with pytest.raises(ThresholdTooLow):
            strict.watchlist.identify(picture(1), **search, threshold=0.9)
    with open_bench(bench.path, threshold=0.1, clock=bench.clock) as lax, pytest.raises(ThresholdTooLow):
        lax.found(1)


def test_a_pack_without_a_tested_threshold_needs_the_callers(tmp_path: Path) -> None:
    with open_bench(tmp_path / "a.db", analyzer=FakeAnalyzer(threshold=None)) as bench:
        bench.enroll("s", 1)
        with pytest.raises(ThresholdRequired):
            bench.found(1)
        result = bench.watchlist.identify(picture(1), purpose=PURPOSE, site=SITE, threshold=0.0)
        assert result.threshold == 0.0
        assert [c.subject_id for c in result.candidates] == ["s"]


def test_a_picture_that_cannot_be_decoded_is_the_callers_error_and_audited(bench: Bench) -> None:
    with pytest.raises(ImageDecodeError):
        bench.watchlist.identify(b"no picture", purpose=PURPOSE)
    entry = bench.last()
    assert (entry.action, entry.outcome, entry.details["code"]) == ("identify", "refused", "image_not_an_image")


def test_faces_with_embeddings_can_be_searched_as_one_audited_search(bench: Bench) -> None:
    assert isinstance(bench.watchlist, FaceSearch)
    bench.enroll("s", 1)
    faces = bench.analyzer.analyze([synthetic_picture([SyntheticFace(1, 4), 9])])[0]
    before = len(bench.watchlist.audit)
    result = bench.watchlist.identify_faces(faces, purpose=PURPOSE, site=SITE)
    assert [probe.best and probe.best.subject_id for probe in result.probes] == ["s", None]
    assert all(probe.face.embedding is None for probe in result.probes)
    assert len(bench.watchlist.audit) == before + 1
    assert bench.watchlist.identify_faces([], purpose=PURPOSE).probes == ()


def test_bad_embeddings_are_refused(bench: Bench) -> None:
    bench.enroll("s", 1)
    face = bench.analyzer.analyze([picture(1)])[0][0]
    unit = bench.analyzer.embedding(1)
    nan = unit.copy()
    nan[3] = np.nan
    cases: list[tuple[Any, type[Exception]]] = [
        (None, InvalidArgument),
        (unit * np.float32(1.01), InvalidArgument),
        (np.zeros(16, np.float32), InvalidArgument),
        (nan, InvalidArgument),
        (np.ones(4, np.float32) / 2, ContractMismatch),
    ]
    for embedding, error in cases:
        with pytest.raises(error):
            bench.watchlist.identify_faces([face.with_embedding(embedding)], purpose=PURPOSE)


def test_another_handle_sees_enrollment_withdrawal_and_erasure_at_once(bench: Bench) -> None:
    with open_bench(bench.path, clock=bench.clock) as other:
        bench.enroll("s", 1)
        assert other.found(1) == ["s"]
        bench.watchlist.withdraw("s", reason="left")
        assert other.found(1) == []
        bench.enroll("s", 1)
        assert other.found(1) == ["s"]
        bench.watchlist.erase("s", reason="asked")
        assert other.found(1) == []
        bench.enroll("t", 1)
        assert other.found(1) == ["t"]


def test_a_withdrawal_between_scoring_and_audit_is_caught(bench: Bench) -> None:
    withdrawals = iter(["s", "t"])

    class Late(OracleIndex):
        def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
            found = super().search(queries, k, allowed=allowed)
            name = next(withdrawals, None)
            if name is not None:
                bench.watchlist.withdraw(name, reason="in the middle of a search")
            return found

        def view(self) -> Any:
            return self

    bench.enroll("s", 1)
    bench.enroll("t", 1)
    bench.enroll("u", 1)
    with open_bench(bench.path, index=Late, clock=bench.clock) as other:
        assert other.found(1) == ["u"]
        assert [e.action for e in other.watchlist.audit.entries(limit=3)] == ["withdraw", "withdraw", "identify"]


def test_a_search_comes_to_an_end_among_endless_changes(bench: Bench) -> None:
    counter = iter(range(1000, 2000))

    class Busy(OracleIndex):
        def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
            found = super().search(queries, k, allowed=allowed)
            if len(changes) < 5:
                number = next(counter)
                bench.enroll(f"n{number}", number)
                changes.append(number)
            return found

        def view(self) -> Any:
            return self

    changes: list[int] = []
    bench.enroll("s", 1)
    with open_bench(bench.path, index=Busy, clock=bench.clock) as other:
        assert other.found(1) == ["s"]
    assert len(changes) == 5


def test_a_clock_without_timezone_is_refused(bench: Bench) -> None:
    naive = ManualClock(bench.clock.now.replace(tzinfo=None))
    with open_bench(bench.path, clock=naive) as other, pytest.raises(InvalidArgument, match="timezone"):
        other.found(1)


def test_verification(bench: Bench) -> None:
    bench.watchlist.enroll("s", [picture(1), picture(1, 2)], consent=bench.consent("s"))
    bench.enroll("t", 2)
    search: dict[str, Any] = {"purpose": PURPOSE, "site": SITE}
    match = bench.watchlist.verify("s", picture(1, 2), **search)
    assert (match.outcome, match.matched) == ("match", True)
    assert match.score == pytest.approx(1.0, abs=1e-6)
    other = bench.watchlist.verify("s", picture(2), **search)
    assert (other.outcome, other.matched, other.score) == ("no_match", False, None)
    assert bench.watchlist.verify("s", synthetic_picture([]), **search).outcome == "no_face"
    assert bench.watchlist.verify("s", synthetic_picture([1, 1]), **search).outcome == "several_faces"
    assert bench.watchlist.verify("s", picture(1, 1), **search, threshold=0.999).outcome == "no_match"


def test_verification_of_an_unknown_subject(bench: Bench) -> None:
    with pytest.raises(SubjectNotFound) as caught:
        bench.watchlist.verify("nobody", "/nowhere.jpg", purpose=PURPOSE)
    assert caught.value.hint
    assert bench.last().subject_ref is None
    assert "nobody" not in str(bench.last().to_dict())


@pytest.mark.parametrize(
    ("purpose", "site", "shift"),
    [("events", SITE, 0 * DAY), (PURPOSE, "elsewhere", 0 * DAY), (PURPOSE, None, 0 * DAY), (PURPOSE, SITE, 400 * DAY)],
)
def test_verification_outside_the_consent_is_refused(
    bench: Bench, purpose: str, site: str | None, shift: timedelta
) -> None:
    bench.enroll("s", 1)
    bench.clock.advance(shift)
    with pytest.raises(ConsentRequired):
        bench.watchlist.verify("s", picture(1), purpose=purpose, site=site)
    assert bench.last().outcome == "refused"
    assert bench.last().subject_ref is not None


def test_verification_after_withdrawal_is_refused(bench: Bench) -> None:
    bench.enroll("s", 1)
    bench.watchlist.withdraw("s", reason="left")
    with pytest.raises(ConsentRequired):
        bench.watchlist.verify("s", picture(1), purpose=PURPOSE, site=SITE)


def test_a_withdrawal_while_a_verification_looks_at_its_picture_is_caught(bench: Bench) -> None:
    bench.enroll("s", 1)

    class Slow(FakeAnalyzer):
        def analyze(self, images: Any) -> Any:
            bench.watchlist.withdraw("s", reason="left meanwhile")
            return super().analyze(images)

    with open_bench(bench.path, analyzer=Slow(), clock=bench.clock) as other, pytest.raises(ConsentRequired):
        other.watchlist.verify("s", picture(1), purpose=PURPOSE, site=SITE)


def test_a_watchlist_in_memory_works_alike() -> None:
    for url in ("sqlite://", "sqlite:///:memory:"):
        with Watchlist.open(url, actor="ana", analyzer=FakeAnalyzer()) as watchlist:
            assert watchlist.identify(picture(1), purpose=PURPOSE).gallery_size == 0
