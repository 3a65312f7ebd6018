from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from facematch.governance import Policy
from facematch.governance.reports import (
    AuditFacts,
    ComplaintFacts,
    ModelFacts,
    Party,
    Statements,
    SuspensionFacts,
    Tally,
    impact_input,
    observations,
)
from facematch.reporting import to_markdown
from tests.unit.governance.reports.support import CALIBRATED, CONSENTS, NOW, configured


def test_a_configuration_without_weaknesses_leaves_what_the_software_lacks() -> None:
    assert observations(configured()) == (
        "Error rates by group of people are not in the calibration: unequal errors would not be seen here.",
        ("The policy sets rules that are not enforced by this version: reviewers, precision, unconfirmed media."),
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"threshold": None}, "No tested threshold is known here"),
        ({"threshold": dataclasses.replace(CALIBRATED, error_kind="FMR")}, "tested for single comparisons only"),
        ({"searchable": 101}, "101 subjects are searchable; the threshold was tested with 100."),
        ({"threshold": dataclasses.replace(CALIBRATED, target=0.02)}, "was set for 2 %; the policy allows 1 % at most"),
        ({"roles": (("owner", ("ada",)), ("operator", ("bo",)))}, "ada may do everything (role owner)"),
        ({"roles": (("admin", ("ada",)),)}, "Fewer than two people have a role"),
        ({"rules": Policy.profile("access-control")}, "One person alone can enroll somebody"),
        ({"rules": Policy.profile("access-control")}, "lets one actor hold any roles together"),
        ({"rules": Policy.profile("access-control")}, "does not judge how old the test"),
        ({"rules": Policy.profile("access-control")}, "lets searches run without a tested threshold"),
        ({"rules": Policy.profile("access-control")}, "Searches need not name a zone"),
        (
            {"consents": dataclasses.replace(CONSENTS, sources=(Tally("live-capture", 11), Tally(None, 1)))},
            "1 consent record in force does not say where the pictures come from.",
        ),
        (
            {"consents": dataclasses.replace(CONSENTS, controllers=(Party(None, None, 2),))},
            "2 consent records in force name no controller.",
        ),
        (
            {"consents": dataclasses.replace(CONSENTS, sites=(Tally("every site", 2),))},
            "2 consent records in force cover every site.",
        ),
        ({"consents": dataclasses.replace(CONSENTS, overdue=3)}, "3 consent records past their time wait for a sweep."),
        ({"complaints": ComplaintFacts(1, 0, 0)}, "1 complaint not decided yet."),
        ({"suspensions": (SuspensionFacts(None, "everywhere", "r", NOW, "bo"),)}, "1 suspension in force."),
        ({"models": ModelFacts(None, None, None, problem="no such pack")}, "could not be loaded where this was made"),
        ({"audit": AuditFacts(1, "12" * 32, 0, 0, None, ())}, "The audit log has no signed checkpoint"),
    ],
)
def test_a_weakness_is_observed(changes: dict[str, Any], expected: str) -> None:
    assert [text for text in observations(configured(**changes)) if expected in text] != []
    assert [text for text in observations(configured()) if expected in text] == []
    assert expected in to_markdown(impact_input(configured(**changes), Statements())).replace("\\", "")


def test_the_impact_input_plans_with_the_tested_bound_and_says_so() -> None:
    text = to_markdown(impact_input(configured(searchable=50), Statements()))
    assert f"{100 * (1 - (1 - 0.0079) ** 0.5):.3g} %" == "0.396 %"
    assert "For planning only, with 50 searchable subjects as now: up to 0.396 % of searches" in text
    assert ("930", "answered searches in the log") in impact_input(configured(), Statements()).tiles
