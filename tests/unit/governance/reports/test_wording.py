from __future__ import annotations

import dataclasses

import pytest

from facematch.governance.policy import NOT_ENFORCED, ActionRequest, AlertRequest, MediaRequest, PrecisionRequest
from facematch.governance.reports import ModelFacts, Statements, TestedThreshold, decision_steps, human_review
from facematch.governance.reports.wording import test_sentence as sentence_of
from facematch.reporting import to_markdown
from tests.unit.governance.reports.support import BUILDERS, CALIBRATED, POLICY, access_copy, configured


def test_a_threshold_in_words() -> None:
    assert sentence_of(CALIBRATED) == (
        "The threshold was set so that at most 1 % of searches for people who are not on the list return somebody "
        "(FPIR). In the test of 2026-01-05, 1 of 600 such people were returned as a candidate (0.167 %); with 95 % "
        "confidence the rate is at most 0.79 %."
    )
    packed = TestedThreshold(0.36, "max", "FMR", 0.001, "LFW", "2026-01-01", 3000)
    assert sentence_of(packed) == (
        "The threshold comes with the model pack. It was set so that 0.1 % of comparisons of two different people "
        "reach it (FMR), tested with 3,000 comparisons of LFW (2026-01-01). How often a search of a whole list "
        "returns a wrong person was not tested, and grows with the list."
    )


def test_a_decision_in_words_names_the_threshold_the_reviewers_and_what_is_never_estimated() -> None:
    steps = decision_steps(configured().models, CALIBRATED, POLICY)
    assert "list of 512 numbers by the model w600k.onnx" in steps[0]
    assert "the mean of the 3 best scores" in steps[2]
    assert "at least 0.4123" in steps[3]
    assert human_review(POLICY) in steps[4]
    assert "never estimated" in steps[5]
    mean = decision_steps(configured().models, dataclasses.replace(CALIBRATED, rule="mean_template"), POLICY)
    assert "The score of a subject is the score of the mean of the subject's templates." in mean[2]
    unknown = decision_steps(ModelFacts(None, None, None), None, POLICY)
    assert unknown[0] == "A search begins with a picture. Each face in it is turned into a list of numbers."
    assert unknown[3] == "A subject whose score reaches the threshold in force becomes a candidate."


def test_review_by_people_is_stated_as_a_rule_once_it_is_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    assert human_review(POLICY).endswith(f": {NOT_ENFORCED}.")
    for request in (ActionRequest, AlertRequest, MediaRequest, PrecisionRequest):
        monkeypatch.setattr(request, "asked_by", ("facematch.alerts.review",))
    assert human_review(POLICY) == POLICY.reviewers.sentence()
    reports = [to_markdown(build(configured(), Statements())).replace("\\", "") for build in (*BUILDERS, access_copy)]
    assert [text for text in reports if "not enforced" in text.lower()] == []
    assert [text for text in reports if POLICY.reviewers.sentence() not in text] == []
