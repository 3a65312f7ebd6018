"""The bytes that are hashed."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from facematch.errors import DatabaseCorrupt
from facematch.governance import AuditAction, AuditEntry
from facematch.governance.audit.entries import canonical_json, compose, sealed_binding

TIME = datetime(2026, 3, 1, 12, 30, 5, 40, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "seq": 7,
    "time": TIME,
    "actor": "ana",
    "action": "enroll",
    "outcome": "done",
    "subject_ref": "ref",
    "sealed": None,
    "nonce": "0f" * 16,
}
SCALARS = (
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
TEXTS = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(SCALARS | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20)


def test_the_canonical_form_is_fixed() -> None:
    entry = AuditEntry(**VALUES, details={"b": 1, "a": [0.5, "ä"]})
    assert entry.canonical().decode() == (
        '{"action":"enroll","actor":"ana","details":{"a":[0.5,"ä"],"b":1},"nonce":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",'
        '"outcome":"done","sealed":null,"seq":7,"subject_ref":"ref","time":"2026-03-01T12:30:05.000040Z","v":1}'
    )


@given(JSON)
def test_json_is_written_as_rfc_8785_has_it(value: Any) -> None:
    assert canonical_json(value).encode() == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [2**53, -(2**53), float("nan"), float("inf"), {1: "x"}, {"x": object()}, b"x"])
def test_what_is_no_plain_json_is_refused(value: Any) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_json({"value": [value]})


@given(
    st.dictionaries(TEXTS, JSON, max_size=5),
    st.lists(TEXTS, min_size=5, max_size=5),
    st.none() | TEXTS,
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
)
def test_composing_around_stored_details_gives_the_canonical_form(
    details: dict[str, Any], texts: list[str], subject_ref: str | None, time: datetime
) -> None:
    actor, action, outcome, sealed, nonce = texts
    values: dict[str, Any] = {
        "seq": 3,
        "time": time,
        "actor": actor,
        "action": action,
        "outcome": outcome,
        "subject_ref": subject_ref,
        "sealed": sealed,
        "nonce": nonce,
    }
    composed = compose(**values, details=canonical_json(details))
    assert composed == rfc8785.dumps(AuditEntry(**values, details=details).to_dict())


def test_a_time_in_another_zone_is_the_same_moment() -> None:
    elsewhere = TIME.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert compose(**{**VALUES, "time": elsewhere}, details="{}") == compose(**VALUES, details="{}")


def test_details_cannot_reach_into_the_other_fields() -> None:
    whole = compose(**VALUES, details='{"x":1,"nonce":"evil"}')
    split = compose(**{**VALUES, "nonce": 'evil"},"nonce":"' + VALUES["nonce"]}, details='{"x":1')
    assert whole != split


def test_actions_are_lower_case_names() -> None:
    assert {action.value for action in AuditAction} == {action.name.lower() for action in AuditAction}
    assert len(AuditAction) == 43


def test_private_fields_open_with_the_binding_of_their_entry() -> None:
    asked: list[tuple[str, bytes, bytes]] = []

    def unseal(ref: str, sealed: bytes, binding: bytes) -> bytes:
        asked.append((ref, sealed, binding))
        return b'{"reason":"left"}'

    sealed = base64.b64encode(b"cipher").decode()
    entry = AuditEntry(**{**VALUES, "sealed": sealed}, details={})
    assert entry.private(unseal) == {"reason": "left"}
    assert asked == [("ref", b"cipher", sealed_binding(7, "0f" * 16))]
    assert AuditEntry(**VALUES, details={}).private(unseal) == {}
    with pytest.raises(DatabaseCorrupt):
        AuditEntry(**{**VALUES, "sealed": "*"}, details={}).private(unseal)
