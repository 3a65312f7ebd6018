from __future__ import annotations

from typing import Any

import pytest

from facematch.errors import ZoneClosed
from facematch.governance import CAPTURE_BASES, Zone

FIELDS = {
    "site": "store-12",
    "zone": "entrance",
    "capture_basis": "legitimate-interest",
    "notice_id": "sign-3",
    "assessment_ref": "https://example.org/dpia/7",
}


def test_a_zone_says_what_allows_the_capture() -> None:
    zone = Zone.from_dict(FIELDS)
    assert zone.to_dict() == FIELDS
    assert zone.key == ("store-12", "entrance")
    assert Zone(**FIELDS) == zone


@pytest.mark.parametrize("basis", CAPTURE_BASES)
def test_every_basis_of_the_list_may_be_said(basis: str) -> None:
    assert Zone.from_dict({**FIELDS, "capture_basis": basis}).capture_basis == basis


@pytest.mark.parametrize("name", FIELDS)
def test_a_zone_that_lacks_anything_stays_closed(name: str) -> None:
    with pytest.raises(ZoneClosed, match=name) as caught:
        Zone.from_dict({key: value for key, value in FIELDS.items() if key != name})
    assert caught.value.hint == "a zone needs site, zone, capture_basis, notice_id and assessment_ref"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"site": ""}, "site"),
        ({"zone": " x"}, "a zone has whitespace"),
        ({"capture_basis": "curiosity"}, "capture_basis 'curiosity' is unknown"),
        ({"capture_basis": "explicit-consent"}, "capture_basis"),
        ({"notice_id": ""}, "notice_id"),
        ({"assessment_ref": " "}, "assessment_ref"),
        ({"assessment_ref": None}, "assessment_ref"),
        ({"camera": "3"}, "camera"),
    ],
)
def test_a_malformed_zone_stays_closed(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ZoneClosed) as caught:
        Zone.from_dict({**FIELDS, **change})
    assert named in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("data", [None, [], "entrance", 3])
def test_what_is_no_zone_is_refused(data: object) -> None:
    with pytest.raises(ZoneClosed):
        Zone.from_dict(data)
