from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from facematch.errors import ConsentError, InvalidArgument, PolicyInvalid, PolicyRefused
from facematch.governance import Role
from facematch.governance.policy import Policy, Refusal, Request, Rule
from facematch.governance.policy.rules import alerts as on_alerts
from facematch.governance.policy.rules import enrollment as on_enrollment
from facematch.governance.policy.rules import operations, scope, threshold
from tests.unit.governance.policy.support import (
    ALLOWED,
    action,
    alert,
    approval,
    calibration,
    disclosure,
    enrollment,
    keep,
    media,
    precision,
    quality,
    resume,
    roles,
    search,
    without_attestation,
    zone,
)
from tests.unit.governance.support import DAY, NOW

RETAIL = Policy.profile("retail-watchlist")
STRICT = RETAIL.model_copy(update={"sites": scope.Sites(allowed=("store-12",))})
"""The strict profile, narrowed to one site, so that each of its rules has something to refuse."""

EVERY = {**ALLOWED, "disclosure": disclosure()}

ONLY_THIS_RULE: dict[str, tuple[Request, Rule | None]] = {
    "lawful_bases": (
        enrollment(lawful_basis="vital-interest", impact_assessment="DPIA-7"),
        on_enrollment.LawfulBases(allowed=("vital-interest",)),
    ),
    "purposes": (enrollment(purposes=["advertising"]), scope.Purposes(allowed=("*",))),
    "sites": (enrollment(sites=["store-13"]), scope.Sites(allowed=("*",))),
    "zones": (search(zone=None), scope.Zones(required=False)),
    "categories": (enrollment(category="staff"), on_enrollment.Categories(allowed=("*",))),
    "incident": (enrollment(incident_id=None), on_enrollment.Incident(required=False)),
    "validity": (enrollment(366 * DAY), on_enrollment.Validity(max_days=730)),
    "adults": (without_attestation(), None),
    "vulnerable": (enrollment(vulnerable=True), None),
    "sources": (enrollment(source="staff-record"), on_enrollment.Sources(allowed=("staff-record",))),
    "quality": (quality("unmeasured"), on_enrollment.Quality(gate="where-measured")),
    "dual_control": (approval("ana"), on_enrollment.DualControl(required=False)),
    "recipients": (disclosure("police"), scope.Recipients(allowed=("police",))),
    "capture_bases": (zone("consent"), scope.CaptureBases(allowed=("consent",))),
    "target_fpir": (search(calibration=calibration(target_fpir=0.02)), threshold.TargetFpir(maximum=0.02)),
    "gallery_limit": (search(gallery_subjects=201), threshold.GalleryLimit(max_subjects=999, outgrown="warn")),
    "report_age": (search(calibration=calibration(measured_at=date(2025, 2, 28))), threshold.ReportAge(required=False)),
    "corroboration": (alert(2), on_alerts.Corroboration(frames=2)),
    "reviewers": (action("ana"), on_alerts.Reviewers(count=1)),
    "precision": (precision(15, 5), on_alerts.Precision(minimum=0.5)),
    "unconfirmed_media": (
        media(after=timedelta(hours=13)),
        on_alerts.UnconfirmedMedia(max_hours=24, by_midnight=False),
    ),
    "people_to_resume": (resume("ana", "bob"), operations.PeopleToResume(count=2)),
    "retention": (keep("pending", after=8 * DAY), operations.Retention(pending_days=9)),
    "separate_roles": (roles("admin", "auditor"), operations.SeparateRoles(pairs=())),
}
"""A request that the strict policy refuses by one rule alone, and a value of that rule that allows it."""


@pytest.mark.parametrize("kind", EVERY)
def test_an_empty_policy_refuses_everything(kind: str) -> None:
    with pytest.raises(PolicyRefused) as caught:
        Policy().check(EVERY[kind])
    assert caught.value.hint


@pytest.mark.parametrize(("text", "kind"), [("", "toml"), ("", "yaml"), ("# nothing\n", "yaml"), ("{}", "json")])
def test_an_empty_document_is_the_empty_policy(text: str, kind: str) -> None:
    assert Policy.from_text(text, kind) == Policy()


def test_every_default_is_the_strictest() -> None:
    assert Policy().to_dict() == {
        "schema_version": 1,
        "title": "untitled",
        "lawful_bases": {"allowed": []},
        "purposes": {"allowed": []},
        "sites": {"allowed": []},
        "zones": {"required": True},
        "categories": {"allowed": [], "required": True},
        "incident": {"required": True},
        "validity": {"max_days": 0},
        "sources": {"allowed": [], "required": True},
        "quality": {"overrides": False},
        "dual_control": {"required": True},
        "recipients": {"allowed": []},
        "capture_bases": {"allowed": []},
        "target_fpir": {"maximum": 0.0, "required": True},
        "gallery_limit": {"max_subjects": 0, "outgrown": "refuse"},
        "report_age": {"required": True, "max_days": 0},
        "corroboration": {"two_cameras": False},
        "reviewers": {"blind": True},
        "precision": {"min_decided": 1},
        "unconfirmed_media": {"max_hours": 0, "by_midnight": True},
        "retention": {
            "erase_after_end_days": 0,
            "pending_days": 0,
        },
    }


def test_the_requests_above_are_of_every_kind() -> None:
    assert {type(request) for request in EVERY.values()} == set(get_args(Request))


@pytest.mark.parametrize("kind", ALLOWED)
def test_the_strict_profile_allows_what_fits(kind: str) -> None:
    assert STRICT.refusals(ALLOWED[kind]) == ()
    STRICT.check(ALLOWED[kind])


def test_every_rule_is_tried_alone() -> None:
    assert [rule.name for rule in Policy().rules] == list(ONLY_THIS_RULE)


@pytest.mark.parametrize("name", [name for name in ONLY_THIS_RULE if name != "people_to_resume"])
def test_the_removal_of_a_rule_would_be_noticed(name: str) -> None:
    request, _ = ONLY_THIS_RULE[name]
    with pytest.raises(PolicyRefused) as caught:
        STRICT.check(request)
    assert caught.value.rule == name
    assert [refusal.rule for refusal in STRICT.refusals(request)] == [name]


def test_the_removal_of_the_rule_on_resuming_would_be_noticed() -> None:
    three = STRICT.model_copy(update={"people_to_resume": operations.PeopleToResume(count=3)})
    assert [refusal.rule for refusal in three.refusals(resume("ana", "bob"))] == ["people_to_resume"]


@pytest.mark.parametrize("name", [name for name, (_, looser) in ONLY_THIS_RULE.items() if looser is not None])
def test_a_looser_value_of_that_rule_allows_the_request(name: str) -> None:
    request, looser = ONLY_THIS_RULE[name]
    assert STRICT.model_copy(update={name: looser}).refusals(request) == ()


@pytest.mark.parametrize("name", ["adults", "vulnerable"])
def test_no_policy_can_loosen_what_protects_people(name: str) -> None:
    request, _ = ONLY_THIS_RULE[name]
    assert [refusal.rule for refusal in Policy.profile("access-control").refusals(request)] == [name]
    with pytest.raises(PolicyInvalid):
        Policy.from_dict({name: {"required": False}})


def test_all_refusals_are_listed_at_once() -> None:
    request = enrollment(366 * DAY, category=None, incident_id=None, vulnerable=True)
    with pytest.raises(PolicyRefused) as caught:
        STRICT.check_enrollment(request)
    error = caught.value
    assert [refusal.rule for refusal in STRICT.refusals(request)] == [
        "categories",
        "incident",
        "validity",
        "vulnerable",
    ]
    assert error.rule == "categories"
    assert error.message == (
        f"the policy 'retail-watchlist' ({STRICT.digest[:12]}) refuses the enrollment: "
        "categories: the enrollment names no category; "
        "allowed: barred-after-assault, barred-after-theft, barred-after-threat, court-order; "
        "incident: the enrollment names no incident; "
        "validity: the consent lasts 366 days, at most 365 are allowed; "
        "vulnerable: the subject is marked as a vulnerable person"
    )
    assert error.hint is not None
    assert error.hint.count("; ") >= 3
    assert isinstance(error, ConsentError)
    assert error.code == "policy_refused"


def test_a_search_is_refused_in_the_same_way() -> None:
    with pytest.raises(PolicyRefused, match="refuses the search: zones: a search must name a zone") as caught:
        STRICT.check_search(search(zone=None))
    assert caught.value.rule == "zones"


def test_a_hint_that_two_rules_share_is_given_once() -> None:
    with pytest.raises(PolicyRefused) as caught:
        Policy().check_search(search())
    hints = (caught.value.hint or "").split("; ")
    assert len(hints) == len(set(hints))


def test_a_request_that_no_rule_concerns_is_refused() -> None:
    @dataclass(frozen=True)
    class Whim:
        what: str

    whim: Any = Whim("why not")
    open_policy = Policy.profile("access-control")
    assert [refusal.rule for refusal in open_policy.refusals(whim)] == ["policy"]
    with pytest.raises(PolicyRefused, match="no rule concerns a Whim"):
        open_policy.check(whim)


def test_an_approval_is_asked_all_rules_of_enrollment() -> None:
    request = approval()
    concerned = {rule.name for rule in STRICT.rules if isinstance(request, rule.concerns)}
    asked = {rule.name for rule in STRICT.rules if isinstance(enrollment(), rule.concerns)}
    assert concerned == asked | {"dual_control"}


def test_a_policy_cannot_be_changed() -> None:
    policy = Policy()
    with pytest.raises(ValidationError, match="frozen"):
        policy.title = "other"  # type: ignore[misc]


def test_every_rule_is_described_in_a_sentence() -> None:
    for policy in (Policy(), STRICT, Policy.profile("access-control")):
        told = policy.describe()
        assert [line.rule for line in told] == [rule.name for rule in policy.rules]
        assert [line for line in told if not line.value or not line.sentence.endswith(".")] == []
        assert len({line.sentence for line in told}) == len(told)


def test_a_description_shows_the_values() -> None:
    told = {line.rule: line for line in STRICT.describe()}
    assert told["validity"].value == "max_days = 365"
    assert told["validity"].sentence == "A consent lasts at most 365 days, and so does each renewal."
    assert told["recipients"].value == "allowed = []"
    assert told["separate_roles"].value == "pairs = [[admin, auditor], [approver, enroller]]"
    assert told["adults"].value == "always"
    assert {line.rule: line.value for line in Policy().describe()}["people_to_resume"] == "not set"


def test_names_of_rules_are_the_names_of_their_tables() -> None:
    policy = Policy()
    assert [getattr(policy, rule.name) for rule in policy.rules] == list(policy.rules)
    assert {"lawful_bases", "gallery_limit", "report_age", "people_to_resume"} < {rule.name for rule in policy.rules}
    assert [rule.concerns for rule in policy.rules if not rule.concerns] == []


def test_requests_need_a_timezone() -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(InvalidArgument, match="timezone"):
        search(now=naive)


def test_a_refusal_is_plain_data() -> None:
    assert Refusal("zones", "m", "h").to_dict() == {"rule": "zones", "message": "m", "hint": "h"}
    assert Role.OWNER in Role
