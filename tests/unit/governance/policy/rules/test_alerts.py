from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import pytest

from facematch.governance.policy import Request, Rule
from facematch.governance.policy.rules import alerts as module
from facematch.governance.policy.rules.alerts import Corroboration, Precision, Reviewers, UnconfirmedMedia
from tests.unit.governance.policy.rules.support import assert_accepts, assert_malformed, assert_refuses, case, rules_of
from tests.unit.governance.policy.support import action, alert, media, precision
from tests.unit.governance.support import DAY, NOW

HOUR = timedelta(hours=1)

ACCEPTED: list[tuple[Rule, Request]] = [
    (Corroboration(frames=3), alert(3)),
    (Corroboration(frames=3, two_cameras=True), alert(2, cameras=2)),
    (Reviewers(count=2), action("ana", "bob")),
    (UnconfirmedMedia(max_hours=24, by_midnight=False), media(after=23 * HOUR)),
    (Precision(minimum=0.8, min_decided=20), precision(16, 4)),
    (Precision(minimum=0.8, min_decided=20), precision(0, 19)),
    (Precision(minimum=0.0), precision(0, 99)),
]

REFUSED: list[tuple[Rule, Request, str, str]] = [
    (Corroboration(), alert(99), "the policy does not set a number of frames", "[corroboration]"),
    (Corroboration(frames=3), alert(2, cameras=2), "2 frames speak for the alert, 3 are needed", "more frames"),
    (
        Corroboration(frames=3, two_cameras=True),
        alert(2),
        "2 frames speak for the alert, 3 or two cameras are needed",
        "more frames",
    ),
    (Reviewers(), action("ana", "bob"), "the policy does not set a number of reviewers", "[reviewers]"),
    (Reviewers(count=2), action("ana"), "1 of 2 distinct reviewers confirmed the alert", "another reviewer"),
    (
        Reviewers(count=2),
        action("ana", "Ana", "ana"),
        "1 of 2 distinct reviewers confirmed the alert",
        "another reviewer",
    ),
    (
        Reviewers(count=2),
        action("ana", "bob", rejected_by=("eve",)),
        "a reviewer rejected the alert, which closes it",
        "one rejection",
    ),
    (
        UnconfirmedMedia(max_hours=24),
        media(after=12 * HOUR),
        "the media of an unconfirmed alert had to go at 2026-03-02T00:00:00+00:00",
        "delete it",
    ),
    (
        UnconfirmedMedia(max_hours=24, by_midnight=False),
        media(after=24 * HOUR),
        "the media of an unconfirmed alert had to go at 2026-03-02T12:00:00+00:00",
        "delete it",
    ),
    (
        UnconfirmedMedia(max_hours=2),
        media(after=2 * HOUR),
        "the media of an unconfirmed alert had to go at 2026-03-01T14:00:00+00:00",
        "delete it",
    ),
    (Precision(), precision(99, 0), "the policy does not set a minimum", "[precision]"),
    (
        Precision(minimum=0.8, min_decided=20),
        precision(15, 5),
        "15 of 20 decided alerts at site 'store-12' were right, at least 80% are needed",
        "suspend the site",
    ),
]

SENTENCES: list[tuple[Rule, str]] = [
    (
        UnconfirmedMedia(),
        (
            "The media of an alert that was not confirmed is deleted after 0 hours or at midnight UTC, whichever is "
            "sooner."
        ),
    ),
    (
        UnconfirmedMedia(max_hours=72, by_midnight=False),
        "The media of an alert that was not confirmed is deleted after 72 hours.",
    ),
    (Corroboration(), "No alert is raised, because the policy sets no number of frames."),
    (Corroboration(frames=3), "An alert needs a face detected in 3 or more frames of one passage."),
    (
        Corroboration(frames=3, two_cameras=True),
        "An alert needs a face detected in 3 or more frames of one passage, or by two cameras.",
    ),
    (Reviewers(), "No action is recorded, because the policy sets no number of reviewers."),
    (
        Reviewers(count=2),
        (
            "An action may follow only after 2 distinct reviewers confirmed, each without seeing verdicts or scores; "
            "one rejection ends it."
        ),
    ),
    (
        Reviewers(count=2, blind=False),
        "An action may follow only after 2 distinct reviewers confirmed; one rejection ends it.",
    ),
    (Reviewers(count=1), "An action may follow only after a reviewer confirmed; one rejection ends it."),
    (Precision(), "No site goes on, because the policy sets no minimum precision."),
    (
        Precision(minimum=0.8, min_decided=20),
        "From 20 decided alerts on, a site suspends itself where fewer than 80% were right.",
    ),
]

MALFORMED: list[tuple[type[Rule], dict[str, Any], str]] = [
    (Corroboration, {"frames": 0}, "corroboration.frames"),
    (Reviewers, {"count": 0}, "reviewers.count"),
    (Precision, {"minimum": -0.1}, "precision.minimum"),
    (Precision, {"min_decided": 0}, "precision.min_decided"),
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


def test_deadline_of_media_in_another_timezone_is_midnight_utc() -> None:
    rule = UnconfirmedMedia(max_hours=24)
    late = NOW.replace(hour=23, minute=59)
    assert rule.deadline(late) == NOW.replace(hour=0) + DAY
    assert rule.deadline(NOW.replace(hour=0)) == NOW.replace(hour=0) + DAY
    elsewhere = late.astimezone(timezone(timedelta(hours=5)))
    assert rule.deadline(elsewhere) == NOW.replace(hour=0) + DAY
