from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from facematch.errors import ConsentInvalid, ConsentTransitionError
from facematch.governance import MAX_VALIDITY, TRANSITIONS, Consent, ConsentState
from facematch.testing import synthetic_consent

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FINAL = [ConsentState.WITHDRAWN, ConsentState.REVOKED, ConsentState.EXPIRED, ConsentState.INVALIDATED]


@pytest.fixture
def papers(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "notice-en.txt").write_bytes(b"what we do")
    (tmp_path / "form.pdf").write_bytes(b"signed")
    return {
        "subject_id": "s-0042",
        "purposes": ["site-access"],
        "notice": tmp_path / "notice-en.txt",
        "language": "en",
        "evidence": tmp_path / "form.pdf",
        "adult_attested": True,
        "valid_for": 365 * DAY,
        "now": NOW,
    }


def test_given_hashes_the_files_and_keeps_nothing_else_of_them(papers: dict[str, Any]) -> None:
    consent = Consent.given(**papers, sites=["store-12"], actor="ana")
    assert consent.privacy_notice.sha256 == hashlib.sha256(b"what we do").hexdigest()
    assert consent.privacy_notice.uri == "notice-en.txt"
    assert consent.evidence_sha256 == hashlib.sha256(b"signed").hexdigest()
    assert str(papers["evidence"]) not in consent.canonical().decode()
    assert consent.state is ConsentState.GIVEN
    assert (consent.valid_from, consent.valid_until) == (NOW, NOW + 365 * DAY)
    assert consent.recipients == ()
    assert consent.events[0].actor == "ana"


def test_the_notice_may_be_bytes(papers: dict[str, Any]) -> None:
    consent = Consent.given(**{**papers, "notice": b"what we do"})
    digest = hashlib.sha256(b"what we do").hexdigest()
    assert consent.privacy_notice.sha256 == digest
    assert consent.privacy_notice.uri == f"urn:sha256:{digest}"


def test_two_records_never_share_an_id(papers: dict[str, Any]) -> None:
    assert Consent.given(**papers).record_id != Consent.given(**papers).record_id


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"subject_id": ""}, "subject_id"),
        ({"subject_id": "a\n"}, "subject_id"),
        ({"subject_id": None}, "subject_id"),
        ({"purposes": []}, "purposes"),
        ({"purposes": "site-access"}, "purposes"),
        ({"purposes": ["Site Access"]}, "purpose"),
        ({"purposes": ["a", "a"]}, "purposes"),
        ({"sites": "store-12"}, "sites"),
        ({"sites": [" x"]}, "site"),
        ({"sites": ["x", "x"]}, "sites"),
        ({"language": ""}, "language"),
        ({"language": "english language"}, "language"),
        ({"language": "e"}, "language"),
        ({"language": None}, "language"),
        ({"adult_attested": False}, "adult_attested"),
        ({"adult_attested": None}, "adult_attested"),
        ({"adult_attested": "yes"}, "adult_attested"),
        ({"valid_for": timedelta(0)}, "last"),
        ({"valid_for": -DAY}, "last"),
        ({"valid_for": MAX_VALIDITY + timedelta(microseconds=1)}, "730"),
        ({"valid_for": timedelta.max}, "9999"),
        ({"valid_for": 365}, "valid_for"),
        ({"now": datetime(2026, 1, 1)}, "timezone"),  # noqa: DTZ001 - naive on purpose
        ({"actor": ""}, "actor"),
        ({"lawful_basis": "legitimate-interest"}, "lawful_basis"),
        ({"notice": b""}, "notice"),
        ({"notice": None}, "notice"),
        ({"notice": "/nowhere/notice.txt"}, "notice"),
        ({"notice": "a\0b"}, "notice"),
        ({"evidence": b"signed"}, "evidence"),
        ({"evidence": "/nowhere/form.pdf"}, "evidence"),
        ({"evidence": "/"}, "evidence"),
        ({"notice_uri": ""}, "notice_uri"),
    ],
)
def test_what_is_missing_or_malformed_is_refused_with_a_hint(
    papers: dict[str, Any], change: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConsentInvalid) as caught:
        Consent.given(**{**papers, **change})
    assert named in caught.value.message
    assert caught.value.hint


def test_another_lawful_basis_needs_a_policy(papers: dict[str, Any]) -> None:
    with pytest.raises(ConsentInvalid) as caught:
        Consent.given(**papers, lawful_basis="legitimate-interest")
    assert "policy" in (caught.value.hint or "")


@pytest.mark.parametrize("which", ["notice", "evidence"])
def test_an_empty_file_is_refused(papers: dict[str, Any], which: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(ConsentInvalid, match=f"{which} file 'empty' is empty"):
        Consent.given(**{**papers, which: empty})


def test_the_longest_consent_is_730_days(papers: dict[str, Any]) -> None:
    assert Consent.given(**{**papers, "valid_for": MAX_VALIDITY}).valid_until == NOW + timedelta(days=730)


@pytest.mark.parametrize("language", ["en", "pt-BR", "zh-Hant-TW", "es-419", "de-CH-1996", "gsw"])
def test_languages(papers: dict[str, Any], language: str) -> None:
    assert Consent.given(**{**papers, "language": language}).language == language


def test_a_record_survives_json(papers: dict[str, Any]) -> None:
    consent = Consent.given(**papers, sites=["store-12"]).transition(
        ConsentState.WITHDRAWN, actor="ana", time=NOW + DAY, reason="left"
    )
    again = Consent.from_json(json.dumps(consent.to_dict()))
    assert again == consent
    assert again.digest == consent.digest == hashlib.sha256(rfc8785.dumps(consent.to_dict())).hexdigest()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"a": 1}', b"\xff\xfe\x00", "[" * 100_000])
def test_text_that_is_no_record_is_refused(text: str | bytes) -> None:
    with pytest.raises(ConsentInvalid):
        Consent.from_json(text)


def test_unknown_fields_are_refused(papers: dict[str, Any]) -> None:
    with pytest.raises(ConsentInvalid, match="age"):
        Consent.from_dict({**Consent.given(**papers).to_dict(), "age": 30})


def test_the_constructor_raises_our_error_too() -> None:
    with pytest.raises(ConsentInvalid):
        Consent(subject_id="s")  # type: ignore[call-arg]


@pytest.mark.parametrize("record_id", ["", "1", "00000000-0000-1000-8000-000000000000", "A" * 36])
def test_record_ids_are_random_uuids(papers: dict[str, Any], record_id: str) -> None:
    with pytest.raises(ConsentInvalid, match="record_id"):
        Consent.from_dict({**Consent.given(**papers).to_dict(), "record_id": record_id})


def test_a_refused_value_is_not_repeated_in_the_message(papers: dict[str, Any]) -> None:
    with pytest.raises(ConsentInvalid) as caught:
        Consent.given(**{**papers, "subject_id": "Jane Doe\n"})
    assert "Jane" not in str(caught.value)


def test_force_begins_with_the_first_moment_and_ends_before_the_last() -> None:
    consent = synthetic_consent("s", now=NOW, valid_for=DAY)
    assert not consent.in_force(NOW - timedelta(microseconds=1))
    assert consent.in_force(NOW)
    assert consent.in_force(NOW + DAY - timedelta(microseconds=1))
    assert not consent.in_force(NOW + DAY)


def test_force_is_judged_by_the_moment_not_the_clock_face() -> None:
    consent = synthetic_consent("s", now=NOW, valid_for=DAY)
    east = timezone(timedelta(hours=14))
    assert consent.in_force((NOW + DAY - timedelta(seconds=1)).astimezone(east))
    assert not consent.in_force((NOW + DAY).astimezone(east))


def test_coverage_of_purposes_and_sites() -> None:
    everywhere = synthetic_consent("s", purposes=["a", "b"], now=NOW)
    there = synthetic_consent("s", purposes=["a"], sites=["x", "y"], now=NOW)
    assert [everywhere.covers(*q, NOW) for q in [("a", None), ("b", "x"), ("c", None)]] == [True, True, False]
    assert [there.covers(*q, NOW) for q in [("a", "x"), ("a", "z"), ("a", None)]] == [True, False, False]
    assert not everywhere.covers("a", None, NOW + MAX_VALIDITY)


@pytest.mark.parametrize("final", FINAL)
def test_an_end_is_final(final: ConsentState) -> None:
    ended = synthetic_consent("s", now=NOW).transition(final, actor="ana", time=NOW + DAY, reason="why")
    assert ended.state is final
    assert not ended.in_force(NOW + DAY)
    assert not ended.in_force(NOW)
    assert ended.valid_until == NOW + 365 * DAY
    with pytest.raises(ConsentTransitionError) as caught:
        ended.transition(ConsentState.GIVEN, actor="ana", time=NOW + 2 * DAY, valid_until=NOW + 3 * DAY)
    assert "new consent record" in (caught.value.hint or "")


def test_an_end_is_taken_from_a_clock_that_went_backwards() -> None:
    ended = synthetic_consent("s", now=NOW).transition(ConsentState.WITHDRAWN, actor="ana", time=NOW - 10 * DAY)
    assert not ended.in_force(NOW)


def test_the_original_is_untouched_by_a_transition() -> None:
    consent = synthetic_consent("s", now=NOW)
    consent.transition(ConsentState.WITHDRAWN, actor="ana", time=NOW)
    assert consent.state is ConsentState.GIVEN


def test_renewal_before_the_end_prolongs_and_keeps_the_beginning() -> None:
    consent = synthetic_consent("s", now=NOW, valid_for=10 * DAY)
    renewed = consent.transition(ConsentState.RENEWED, actor="ana", time=NOW + 9 * DAY, valid_until=NOW + 100 * DAY)
    assert renewed.in_force(NOW + 50 * DAY)
    assert renewed.valid_from == NOW
    again = renewed.transition(ConsentState.GIVEN, actor="ana", time=NOW + 99 * DAY, valid_until=NOW + 200 * DAY)
    assert again.valid_until == NOW + 200 * DAY


def test_renewal_after_the_end_is_refused() -> None:
    consent = synthetic_consent("s", now=NOW, valid_for=DAY)
    with pytest.raises(ConsentTransitionError, match="not in force"):
        consent.transition(ConsentState.RENEWED, actor="ana", time=NOW + DAY, valid_until=NOW + 2 * DAY)


@pytest.mark.parametrize("until", [None, NOW, NOW + DAY + MAX_VALIDITY + DAY])
def test_renewal_needs_an_end_within_730_days(until: datetime | None) -> None:
    consent = synthetic_consent("s", now=NOW)
    with pytest.raises(ConsentInvalid):
        consent.transition(ConsentState.RENEWED, actor="ana", time=NOW + DAY, valid_until=until)


def test_an_end_has_no_validity() -> None:
    with pytest.raises(ConsentInvalid, match="no end of validity"):
        synthetic_consent("s", now=NOW).transition(ConsentState.WITHDRAWN, actor="ana", time=NOW, valid_until=NOW + DAY)


def _record_in(state: ConsentState) -> Consent:
    given = synthetic_consent("s", now=NOW)
    request = {**given.to_dict()["events"][0], "state": "REQUESTED", "valid_until": None}
    if state in {ConsentState.REQUESTED, ConsentState.REFUSED}:
        record = Consent.from_dict({**given.to_dict(), "events": [request]})
        return record if state is ConsentState.REQUESTED else record.transition(state, actor="ana", time=NOW)
    if state is ConsentState.GIVEN:
        return given
    until = NOW + DAY if state is ConsentState.RENEWED else None
    return given.transition(state, actor="ana", time=NOW, valid_until=until)


@pytest.mark.parametrize("state", ConsentState)
@pytest.mark.parametrize("new", ConsentState)
def test_only_the_transitions_of_the_table_are_possible(state: ConsentState, new: ConsentState) -> None:
    record = _record_in(state)
    until = NOW + DAY if new in {ConsentState.GIVEN, ConsentState.RENEWED} else None
    if new in TRANSITIONS[state]:
        assert record.transition(new, actor="ana", time=NOW, valid_until=until).state is new
    else:
        with pytest.raises(ConsentTransitionError):
            record.transition(new, actor="ana", time=NOW, valid_until=until)


@pytest.mark.parametrize("state", ConsentState)
def test_only_given_and_renewed_are_in_force(state: ConsentState) -> None:
    assert _record_in(state).in_force(NOW) is (state in {ConsentState.GIVEN, ConsentState.RENEWED})


def test_a_forged_history_is_refused() -> None:
    data = synthetic_consent("s", now=NOW).to_dict()
    withdrawn = {**data["events"][0], "state": "WITHDRAWN", "valid_until": None}
    for events in ([withdrawn], [data["events"][0], withdrawn, data["events"][0]], []):
        with pytest.raises(ConsentInvalid):
            Consent.from_dict({**data, "events": events})


def test_an_unknown_state_and_a_bad_actor_are_our_errors() -> None:
    consent = synthetic_consent("s", now=NOW)
    with pytest.raises(ConsentTransitionError, match="MAYBE"):
        consent.transition("MAYBE", actor="ana", time=NOW)  # type: ignore[arg-type]
    with pytest.raises(ConsentInvalid, match="actor"):
        consent.transition(ConsentState.WITHDRAWN, actor="", time=NOW)
    with pytest.raises(ConsentInvalid, match="timezone"):
        consent.transition(ConsentState.WITHDRAWN, actor="ana", time=datetime(2026, 1, 1))  # noqa: DTZ001
