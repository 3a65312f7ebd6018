from __future__ import annotations

from typing import Any

import pytest

from facematch.governance.policy import Request, Rule
from facematch.governance.policy.rules import scope as module
from facematch.governance.policy.rules.scope import CaptureBases, Purposes, Recipients, Sites, Zones
from tests.unit.governance.policy.rules.support import assert_accepts, assert_malformed, assert_refuses, case, rules_of
from tests.unit.governance.policy.support import disclosure, enrollment, search, zone

OPEN_HINT = "open it with a capture basis, a notice and an assessment, or name an open zone and its site"

ACCEPTED: list[tuple[Rule, Request]] = [
    (Purposes(allowed=("loss-prevention", "x")), enrollment()),
    (Purposes(allowed=("*",)), enrollment()),
    (Purposes(allowed=("loss-prevention",)), search()),
    (Sites(allowed=("store-12",)), enrollment()),
    (Sites(allowed=("store-12",)), search()),
    (Sites(allowed=("store-12",)), zone()),
    (Sites(allowed=("*",)), search(site=None)),
    (Sites(allowed=("*",)), enrollment(sites=[])),
    (Zones(), search()),
    (Zones(required=False), search(zone=None)),
    (Recipients(), enrollment()),
    (Recipients(allowed=("police",)), enrollment(recipients=["police"])),
    (Recipients(allowed=("*",)), disclosure("police")),
    (CaptureBases(allowed=("legitimate-interest",)), zone()),
]

REFUSED: list[tuple[Rule, Request, str, str]] = [
    (
        Purposes(allowed=("a", "b")),
        enrollment(),
        "the purpose 'loss-prevention' is not allowed; allowed: a, b",
        "[purposes]",
    ),
    (Purposes(), search(), "the purpose 'loss-prevention' is not allowed; allowed: none", "[purposes]"),
    (Sites(allowed=("x",)), enrollment(), "the site 'store-12' is not allowed; allowed: x", "[sites]"),
    (Sites(allowed=("x",)), search(), "the site 'store-12' is not allowed; allowed: x", "[sites]"),
    (Sites(allowed=("x",)), zone(), "the site 'store-12' is not allowed; allowed: x", "[sites]"),
    (Sites(allowed=("x",)), search(site=None), "no site is named; allowed: x", "[sites]"),
    (Sites(allowed=("x",)), enrollment(sites=[]), "no site is named; allowed: x", "[sites]"),
    (Zones(), search(zone=None), "a search must name a zone", "after opening it"),
    (Zones(), search(open_zones=frozenset()), "the zone 'door' of site 'store-12' is not open", OPEN_HINT),
    (Zones(required=False), search(zone="till"), "the zone 'till' of site 'store-12' is not open", OPEN_HINT),
    (Zones(required=False), search(site=None), "the zone 'door' without a site is not open", OPEN_HINT),
    (Zones(), search(site="store-13"), "the zone 'door' of site 'store-13' is not open", OPEN_HINT),
    (
        Recipients(allowed=("police",)),
        enrollment(recipients=["police", "insurer"]),
        "the recipient 'insurer' is not allowed; allowed: police",
        "[recipients]",
    ),
    (Recipients(), disclosure("police"), "the recipient 'police' is not allowed; allowed: none", "[recipients]"),
    (
        Recipients(allowed=("*",)),
        disclosure("insurer"),
        "the consent does not name the recipient 'insurer'; it names: police",
        "let the subject give a consent that names the recipient",
    ),
    (
        CaptureBases(allowed=("consent",)),
        zone(),
        "the capture basis 'legitimate-interest' is not allowed; allowed: consent",
        "[capture_bases]",
    ),
]

SENTENCES: list[tuple[Rule, str]] = [
    (Purposes(allowed=("b", "a")), "Consents and searches may name these purposes: a, b."),
    (Sites(allowed=("*",)), "Consents and searches may name these sites: any."),
    (Zones(), "Every search must name a zone, and it must be open."),
    (Zones(required=False), "A search may name a zone, which then must be open."),
    (Recipients(), "Data may go to these recipients, where the consent names them too: none."),
    (CaptureBases(allowed=("consent",)), "A zone may be opened on these capture bases: consent."),
]

MALFORMED: list[tuple[type[Rule], dict[str, Any], str]] = [
    (Purposes, {"allowed": "site-access"}, "purposes.allowed"),
    (Purposes, {"allowed": ["Site Access"]}, "purposes.allowed: a purpose is written"),
    (Purposes, {"allowed": ["a", "a"]}, "purposes.allowed: names must not repeat"),
    (Purposes, {"allowed": ["a", "*"]}, 'purposes.allowed: "*" stands alone'),
    (Purposes, {"allowed": [3]}, "purposes.allowed.0"),
    (Purposes, {"permitted": ["a"]}, "purposes.permitted"),
    (CaptureBases, {"allowed": ["explicit-consent"]}, "capture_basis 'explicit-consent' is unknown"),
]


@pytest.mark.parametrize(("rule", "request_"), ACCEPTED, ids=case)
def test_request_is_accepted(rule: Rule, request_: Request) -> None:
    assert_accepts(rule, request_)


@pytest.mark.parametrize(("rule", "request_", "message", "way_out"), REFUSED, ids=case)
def test_request_is_refused_by_name_with_the_way_out(rule: Rule, request_: Request, message: str, way_out: str) -> None:
    assert_refuses(rule, request_, message, way_out)


@pytest.mark.parametrize(("rule", "sentence"), SENTENCES, ids=case)
def test_sentence(rule: Rule, sentence: str) -> None:
    assert rule.sentence() == sentence


@pytest.mark.parametrize(("kind", "values", "named"), MALFORMED)
def test_malformed_value_is_refused_by_its_place(kind: type[Rule], values: dict[str, Any], named: str) -> None:
    assert_malformed(kind, values, named)


def test_every_rule_has_cases_of_each_kind() -> None:
    for cases in (ACCEPTED, REFUSED, SENTENCES):
        assert {type(each[0]) for each in cases} == rules_of(module)


def test_order_of_names_does_not_matter() -> None:
    assert Purposes(allowed=("b", "a")) == Purposes(allowed=("a", "b"))
