"""Zones and suspensions: where nobody may be identified."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facematch.errors import InvalidArgument, PolicyRefused, SeparationOfDuties, Suspended, ZoneClosed
from facematch.governance import Consent
from facematch.governance.zones import Zone
from facematch.testing import FakeAnalyzer
from facematch.types import Identification
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import PURPOSE, Bench, picture


def _zone(zone: str = "door", site: str = "store-12", basis: str = "legitimate-interest") -> Zone:
    return Zone(site=site, zone=zone, capture_basis=basis, notice_id="notice-7", assessment_ref="dpia-7")


@pytest.fixture
def bob(bench: Bench) -> Iterator[Watchlist]:
    bench.watchlist.actors.grant("bob", "owner")
    url = f"sqlite:///{bench.path}"
    with Watchlist.open(url, actor="bob", analyzer=FakeAnalyzer(), clock=bench.clock) as watchlist:
        yield watchlist


def _search(watchlist: Watchlist, site: str | None = None, zone: str | None = None) -> Identification:
    return watchlist.identify(picture(1, 1), purpose=PURPOSE, site=site, zone=zone)


def _found(watchlist: Watchlist, site: str | None = None, zone: str | None = None) -> list[str]:
    return [candidate.subject_id for candidate in _search(watchlist, site, zone).candidates]


def test_a_zone_is_closed_until_it_is_opened_on_grounds(bench: Bench) -> None:
    bench.enroll("s", 1)
    with pytest.raises(ZoneClosed, match="not open"):
        _search(bench.watchlist, "store-12", "door")
    opened = bench.watchlist.zones.open(_zone())
    assert (opened.zone, opened.opened_at, opened.opened_by) == (_zone(), bench.clock.now, "ana")
    assert _found(bench.watchlist, "store-12", "door") == ["s"]
    for place in (("store-12", "till"), ("store-13", "door")):
        with pytest.raises(ZoneClosed):
            _search(bench.watchlist, *place)
    assert bench.watchlist.zones.list() == (opened,)
    bench.watchlist.zones.close("store-12", "door")
    with pytest.raises(ZoneClosed):
        _search(bench.watchlist, "store-12", "door")
    assert bench.watchlist.zones.list() == ()
    entry = next(e for e in bench.entries() if e.action == "open_zone")
    assert dict(entry.details) == _zone().to_dict()


def test_a_zone_is_open_once_and_closed_once(bench: Bench) -> None:
    bench.watchlist.zones.open(_zone())
    with pytest.raises(InvalidArgument, match="open already"):
        bench.watchlist.zones.open(_zone(basis="consent"))
    bench.watchlist.zones.close("store-12", "door")
    with pytest.raises(InvalidArgument, match="not open"):
        bench.watchlist.zones.close("store-12", "door")
    bench.watchlist.zones.open(_zone(basis="consent"))
    assert [item.zone.capture_basis for item in bench.watchlist.zones.list()] == ["consent"]


def test_a_capture_basis_that_the_policy_does_not_accept_opens_nothing(bench: Bench) -> None:
    with pytest.raises(PolicyRefused):
        bench.watchlist.zones.open(_zone(basis="public-interest"))
    assert bench.watchlist.zones.list() == ()


def test_a_consent_for_one_zone_is_searched_in_that_zone_only(bench: Bench) -> None:
    for name in ("door", "till"):
        bench.watchlist.zones.open(_zone(name))
    record = bench.consent("s").to_dict()
    consent = Consent.from_dict({**record, "schema_version": 2, "zones": ["door"]})
    bench.watchlist.enroll("s", picture(1), consent=consent)
    assert _found(bench.watchlist, "store-12", "door") == ["s"]
    assert _found(bench.watchlist, "store-12", "till") == []
    assert _found(bench.watchlist, "store-12") == []


PLACES = [(None, None), ("store-12", None), ("store-12", "door"), ("store-12", "till"), ("store-13", None)]


@pytest.mark.parametrize(
    ("site", "zone", "stopped"),
    [
        (None, None, [True, True, True, True, True]),
        ("store-12", None, [True, True, True, True, False]),
        ("store-12", "door", [True, True, True, False, False]),
        ("store-13", None, [True, False, False, False, True]),
    ],
)
def test_a_suspension_stops_its_place_and_every_search_that_names_no_other(
    bench: Bench, bob: Watchlist, site: str | None, zone: str | None, stopped: list[bool]
) -> None:
    bench.enroll("s", 1, sites=[])
    for name in ("door", "till"):
        bench.watchlist.zones.open(_zone(name))
    made = bench.watchlist.suspensions.add(reason="a fault", site=site, zone=zone)
    answers = []
    for place in PLACES:
        try:
            assert _found(bob, *place) == ["s"]
            answers.append(False)
        except Suspended:
            answers.append(True)
    assert answers == stopped
    assert bob.suspensions.list() == (made,)
    assert bench.watchlist.suspensions.lift(made.suspension_id).lifted is False
    assert bob.suspensions.lift(made.suspension_id).lifted is True
    assert [_found(bench.watchlist, *place) for place in PLACES] == [["s"]] * 5


def test_verification_and_preview_searches_are_suspended_too(bench: Bench) -> None:
    bench.enroll("s", 1, sites=[])
    bench.watchlist.suspensions.add(reason="a fault")
    with pytest.raises(Suspended):
        bench.watchlist.verify("s", picture(1), purpose=PURPOSE)
    with pytest.raises(Suspended):
        bench.watchlist.preview_enrollment(picture(1), purpose=PURPOSE)
    assert bench.watchlist.preview_enrollment(picture(1)).pictures[0].look_alikes == ()


def test_lifting_takes_two_people_whatever_their_names_look_like(bench: Bench, bob: Watchlist) -> None:
    bench.enroll("s", 1, sites=[])
    number = bench.watchlist.suspensions.add(reason="a fault").suspension_id
    assert bench.watchlist.suspensions.lift(number).lifted is False
    with pytest.raises(SeparationOfDuties):
        bench.watchlist.suspensions.lift(number)
    bench.watchlist.actors.grant("Ana", "owner")
    with (
        Watchlist.open(f"sqlite:///{bench.path}", actor="Ana", analyzer=FakeAnalyzer(), clock=bench.clock) as same,
        pytest.raises(SeparationOfDuties),
    ):
        same.suspensions.lift(number)
    with pytest.raises(Suspended):
        _search(bob)
    assert bob.suspensions.list()[0].resume_asked_by == ("ana",)
    assert bob.suspensions.lift(number).lifted is True
    assert _found(bob) == ["s"]
    with pytest.raises(InvalidArgument, match="no suspension"):
        bob.suspensions.lift(number)


def test_each_suspension_is_lifted_by_itself_and_survives_a_new_opening(bench: Bench, bob: Watchlist) -> None:
    bench.enroll("s", 1, sites=[])
    first = bench.watchlist.suspensions.add(reason="a fault").suspension_id
    second = bench.watchlist.suspensions.add(reason="another", site="store-12").suspension_id
    for watchlist in (bench.watchlist, bob):
        watchlist.suspensions.lift(first)
    assert [item.suspension_id for item in bob.suspensions.list()] == [second]
    with Watchlist.open(f"sqlite:///{bench.path}", actor="ana", analyzer=FakeAnalyzer(), clock=bench.clock) as again:
        assert [item.reason for item in again.suspensions.list()] == ["another"]
        with pytest.raises(Suspended):
            _search(again, "store-12")
        assert _found(again, "store-13") == ["s"]


@pytest.mark.parametrize("place", [{"zone": "door"}, {"site": ""}, {"site": "store-12", "zone": ""}, {"reason": ""}])
def test_a_malformed_suspension_is_refused(bench: Bench, place: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        bench.watchlist.suspensions.add(**{"reason": "a fault", **place})
    assert bench.watchlist.suspensions.list() == ()
