"""Checks that the tests of every rule share."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from facematch.errors import PolicyInvalid
from facematch.governance.policy import Policy, Request, Rule


def case(value: object) -> str:
    """Name of a case."""
    return value.name if isinstance(value, Rule) else ""


def rules_of(module: ModuleType) -> set[type[Rule]]:
    """The rules of a policy that are defined in a module."""
    found = {type(rule) for rule in Policy().rules if type(rule).__module__ == module.__name__}
    assert found
    return found


def assert_accepts(rule: Rule, request: Request) -> None:
    """The rule judges the request and accepts it."""
    assert isinstance(request, rule.concerns)
    assert rule.check(request) is None


def assert_refuses(rule: Rule, request: Request, message: str, way_out: str) -> None:
    """The rule judges the request, refuses it in its own name and says the way out."""
    assert isinstance(request, rule.concerns)
    refusal = rule.check(request)
    assert refusal is not None
    assert (refusal.rule, refusal.message) == (rule.name, message)
    assert way_out in refusal.hint
    assert refusal.to_dict() == {"rule": rule.name, "message": message, "hint": refusal.hint}


def assert_malformed(kind: type[Rule], values: dict[str, Any], named: str) -> None:
    """The value is refused, and the error names its place."""
    with pytest.raises(PolicyInvalid) as caught:
        kind(**values)
    assert named in caught.value.message
    assert caught.value.hint
