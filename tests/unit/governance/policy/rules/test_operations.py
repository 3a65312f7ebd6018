from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from facematch.governance import Role
from facematch.governance.policy import Request, Rule
from facematch.governance.policy.rules import operations as module
from facematch.governance.policy.rules.operations import PeopleToResume, Retention, SeparateRoles
from tests.unit.governance.policy.rules.support import assert_accepts, assert_malformed, assert_refuses, case, rules_of
from tests.unit.governance.policy.support import keep, resume, roles
from tests.unit.governance.support import DAY, NOW

HOUR = timedelta(hours=1)

ACCEPTED: list[tuple[Rule, Request]] = [
    (Retention(erase_after_end_days=1), keep("reference", after=DAY - HOUR)),
    (Retention(pending_days=7), keep("pending", after=7 * DAY - HOUR)),
    (PeopleToResume(count=2), resume("ana", "bob")),
    (SeparateRoles(pairs=()), roles("owner")),
    (SeparateRoles(pairs=((Role.ADMIN, Role.AUDITOR),)), roles("admin", "operator")),
]

REFUSED: list[tuple[Rule, Request, str, str]] = [
    (
        Retention(),
        keep("reference", after=0 * HOUR),
        "reference data had to go at 2026-03-01T12:00:00+00:00",
        "apply the retention",
    ),
    (
        Retention(pending_days=7),
        keep("pending", after=7 * DAY),
        "pending data had to go at 2026-03-08T12:00:00+00:00",
        "apply the retention",
    ),
    (PeopleToResume(), resume("ana", "bob"), "the policy does not set a number of people", "[people_to_resume]"),
    (PeopleToResume(count=2), resume("ana", "ANA"), "1 of 2 distinct people agreed to resume", "another person"),
    (SeparateRoles(), roles("operator"), "the policy does not set which roles are separated", "[separate_roles]"),
    (
        SeparateRoles(pairs=((Role.ADMIN, Role.AUDITOR),)),
        roles("auditor", "operator", "admin"),
        "one actor may not be admin and auditor at once",
        "another person",
    ),
    (
        SeparateRoles(pairs=((Role.ADMIN, Role.AUDITOR),)),
        roles("owner"),
        "an owner may not be admin and auditor at once",
        "another person",
    ),
]

SENTENCES: list[tuple[Rule, str]] = [
    (PeopleToResume(), "A suspension cannot be lifted, because the policy sets no number of people."),
    (PeopleToResume(count=2), "Lifting a suspension takes 2 distinct people."),
    (
        Retention(pending_days=7),
        (
            "References are erased 0 days after the consent ended, pending enrollments after 7 days; audit entries are "
            "never pruned."
        ),
    ),
    (
        Retention(erase_after_end_days=30, audit_days=365),
        (
            "References are erased 30 days after the consent ended, pending enrollments after 0 days; audit entries "
            "are kept 365 days."
        ),
    ),
    (SeparateRoles(), "No actor may hold a role, because the policy does not say which are separated."),
    (SeparateRoles(pairs=()), "One actor may hold any roles together."),
    (SeparateRoles(pairs=((Role.AUDITOR, Role.ADMIN),)), "One actor may not be both: admin and auditor."),
]

MALFORMED: list[tuple[type[Rule], dict[str, Any], str]] = [
    (PeopleToResume, {"count": 1}, "people_to_resume.count"),
    (Retention, {"audit_days": 182}, "retention.audit_days"),
    (SeparateRoles, {"pairs": [["admin", "admin"]]}, "two different roles"),
    (SeparateRoles, {"pairs": [["admin", "owner"]]}, "owner is never one"),
    (SeparateRoles, {"pairs": [["admin", "king"]]}, "separate_roles.pairs"),
    (SeparateRoles, {"pairs": [["admin", "auditor"], ["auditor", "admin"]]}, "pairs must not repeat"),
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


def test_audit_entries_are_pruned_after_their_days() -> None:
    assert Retention(audit_days=183).prune_before(NOW) == NOW - 183 * DAY
    assert Retention().prune_before(NOW) is None


def test_order_of_roles_does_not_matter() -> None:
    one = SeparateRoles(pairs=((Role.AUDITOR, Role.ADMIN), (Role.APPROVER, Role.ENROLLER)))
    other = SeparateRoles(pairs=((Role.ENROLLER, Role.APPROVER), (Role.ADMIN, Role.AUDITOR)))
    assert one == other
