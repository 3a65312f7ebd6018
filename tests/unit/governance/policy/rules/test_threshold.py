from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from facematch.governance.policy import Request, Rule
from facematch.governance.policy.rules import threshold as module
from facematch.governance.policy.rules.threshold import GalleryLimit, ReportAge, TargetFpir
from tests.unit.governance.policy.rules.support import assert_accepts, assert_malformed, assert_refuses, case, rules_of
from tests.unit.governance.policy.support import calibration, search

CALIBRATE = "calibrate for this gallery and set it with Watchlist.set_calibration()"
EVALUATE = "evaluate anew and set the calibration with Watchlist.set_calibration()"

ACCEPTED: list[tuple[Rule, Request]] = [
    (TargetFpir(maximum=0.01), search()),
    (TargetFpir(required=False), search(calibration=None)),
    (GalleryLimit(max_subjects=100), search(gallery_subjects=100)),
    (GalleryLimit(max_subjects=999), search(gallery_subjects=200)),
    (GalleryLimit(max_subjects=999), search(calibration=None)),
    (GalleryLimit(max_subjects=999), search(calibration=calibration(gallery_size=None))),
    (GalleryLimit(max_subjects=999, outgrown="warn"), search(gallery_subjects=201)),
    (ReportAge(max_days=58), search()),
    (ReportAge(max_days=0), search(calibration=calibration(measured_at=date(2026, 3, 2)))),
    (ReportAge(required=False), search(calibration=None)),
]

REFUSED: list[tuple[Rule, Request, str, str]] = [
    (
        TargetFpir(maximum=0.001),
        search(),
        "the threshold was tested for an FPIR of 0.01, at most 0.001 is allowed",
        CALIBRATE,
    ),
    (
        TargetFpir(required=False),
        search(),
        "the threshold was tested for an FPIR of 0.01, at most 0 is allowed",
        CALIBRATE,
    ),
    (TargetFpir(maximum=1.0), search(calibration=None), "the threshold was never tested for an FPIR", CALIBRATE),
    (
        GalleryLimit(max_subjects=99),
        search(),
        "100 subjects are in scope, at most 99 are allowed",
        "narrow purpose and site",
    ),
    (
        GalleryLimit(max_subjects=999),
        search(gallery_subjects=201),
        "201 subjects are in scope, the threshold was tested with 200",
        "calibrate for this gallery size",
    ),
    (ReportAge(max_days=57), search(), "the test report is 58 days old, at most 57 are allowed", EVALUATE),
    (ReportAge(max_days=57), search(calibration=None), "there is no test report", EVALUATE),
    (
        ReportAge(max_days=57),
        search(calibration=calibration(measured_at=date(2026, 3, 3))),
        "the test report is dated 2 days ahead",
        "set the clock",
    ),
]

SENTENCES: list[tuple[Rule, str]] = [
    (TargetFpir(maximum=0.01), "A threshold must be tested; where it is, for an FPIR of at most 0.01."),
    (
        TargetFpir(maximum=0.2, required=False),
        "A threshold need not be tested; where it is, for an FPIR of at most 0.2.",
    ),
    (
        GalleryLimit(max_subjects=9),
        "A search reaches at most 9 subjects; one over more than the threshold was tested with is refused.",
    ),
    (
        GalleryLimit(max_subjects=9, outgrown="warn"),
        (
            "A search reaches at most 9 subjects; one over more than the threshold was tested with is answered with a "
            "warning."
        ),
    ),
    (ReportAge(max_days=9), "A search needs a test report that is at most 9 days old."),
    (ReportAge(required=False), "The age of the test report is not judged."),
]

MALFORMED: list[tuple[type[Rule], dict[str, Any], str]] = [
    (TargetFpir, {"maximum": 1.5}, "target_fpir.maximum"),
    (TargetFpir, {"maximum": float("nan")}, "target_fpir.maximum"),
    (TargetFpir, {"maximum": True}, "target_fpir.maximum"),
    (GalleryLimit, {"outgrown": "ignore"}, "gallery_limit.outgrown"),
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
