from __future__ import annotations

import pytest
from pydantic import ValidationError

from facematch.governance.policy import Policy, Rule
from facematch.governance.policy.rules.enrollment import Incident
from tests.unit.governance.policy.rules.support import case
from tests.unit.governance.policy.support import ALLOWED, disclosure


@pytest.mark.parametrize("rule", Policy().rules, ids=case)
def test_rule_says_nothing_about_requests_that_are_none_of_its_concern(rule: Rule) -> None:
    others = [request for request in [*ALLOWED.values(), disclosure()] if not isinstance(request, rule.concerns)]
    assert len(others) >= 8
    assert [rule.check(request) for request in others] == [None] * len(others)


def test_rules_cannot_be_changed() -> None:
    rule = Incident()
    with pytest.raises(ValidationError, match="frozen"):
        rule.required = False  # type: ignore[misc]
    assert rule.required
