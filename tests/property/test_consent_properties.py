from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from facematch.errors import ConsentInvalid, InvalidArgument
from facematch.governance import MAX_VALIDITY, Consent, check_subject_id, from_microseconds, to_microseconds
from facematch.testing import synthetic_consent

moments = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
spans = st.timedeltas(timedelta(microseconds=1), MAX_VALIDITY)
purposes = st.lists(st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True), min_size=1, unique=True)


def _is_name(text: str) -> bool:
    try:
        check_subject_id(text)
    except InvalidArgument:
        return False
    return True


letters = st.characters(categories=["L", "N", "P", "S"])
names = st.text(letters, min_size=1, max_size=12).filter(_is_name)


@given(names, purposes, st.lists(names, unique=True, max_size=4), moments, spans)
def test_every_record_survives_json_with_the_same_digest(
    subject_id: str, wanted: list[str], sites: list[str], now: datetime, span: timedelta
) -> None:
    consent = synthetic_consent(subject_id, purposes=wanted, sites=sites, now=now, valid_for=span)
    again = Consent.from_json(json.dumps(consent.to_dict()))
    assert again == consent
    assert again.digest == consent.digest


@given(moments, spans, st.timedeltas(timedelta(days=-1000), timedelta(days=1000)))
def test_force_is_the_half_open_interval(now: datetime, span: timedelta, offset: timedelta) -> None:
    consent = synthetic_consent("s", now=now, valid_for=span)
    assert consent.in_force(now + offset) is (timedelta(0) <= offset < span)


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_keep_every_moment(moment: datetime) -> None:
    assert from_microseconds(to_microseconds(moment)) == moment


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(sorted(synthetic_consent("s").to_dict())), json_values)
def test_any_value_in_any_field_is_a_record_or_our_error(field: str, value: object) -> None:
    data = {**synthetic_consent("s").to_dict(), field: value}
    try:
        consent = Consent.from_dict(data)
    except ConsentInvalid:
        return
    assert Consent.from_dict(consent.to_dict()) == consent
