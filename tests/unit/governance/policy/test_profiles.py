from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from facematch.errors import PolicyInvalid
from facematch.governance import Consent, Role
from facematch.governance.policy import PROFILES, EnrollmentRequest, Policy
from tests.unit.governance.policy.support import calibration, enrollment, media, quality, roles, search, zone
from tests.unit.governance.support import DAY, NOW, papers_in

OPEN = Policy.profile("access-control")
STRICT = Policy.profile("retail-watchlist")


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_survives_its_own_toml(name: str) -> None:
    policy = Policy.profile(name)
    again = Policy.from_text(policy.to_toml(), "toml")
    assert again == policy
    assert again.digest == policy.digest
    assert policy.title == name


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_sets_every_value(name: str) -> None:
    assert [rule.name for rule in Policy.profile(name).rules if None in rule.model_dump().values()] == []


def test_there_is_no_other_profile() -> None:
    with pytest.raises(PolicyInvalid, match="no profile 'anything-goes'") as caught:
        Policy.profile("anything-goes")
    assert caught.value.hint == "one of: access-control, retail-watchlist"
    with pytest.raises(PolicyInvalid):
        Policy.profile("../profiles/access-control")


def test_the_default_profile_lets_the_first_example_work(tmp_path: Path) -> None:
    record = Consent.given(**papers_in(tmp_path), sites=["store-12"])
    OPEN.check_enrollment(EnrollmentRequest(consent=record, now=NOW, actor="ana"))
    OPEN.check_search(
        search(purpose="site-access", zone=None, open_zones=frozenset(), gallery_subjects=1, calibration=None)
    )
    OPEN.check(quality("unmeasured"))
    OPEN.check(roles("owner"))
    assert OPEN.dual_control.required is False
    assert OPEN.gallery_limit.outgrown == "warn"


def test_the_default_profile_stands_on_explicit_consent() -> None:
    request = enrollment(lawful_basis="legal-obligation", impact_assessment="DPIA-7")
    assert [refusal.rule for refusal in OPEN.refusals(request)] == ["lawful_bases"]


def test_the_strict_profile_asks_two_people_an_incident_and_a_zone() -> None:
    assert STRICT.dual_control.required
    assert STRICT.incident.required
    assert STRICT.categories.required
    assert STRICT.zones.required
    assert (STRICT.reviewers.count, STRICT.reviewers.blind) == (2, True)
    assert STRICT.corroboration.frames == 3
    assert STRICT.validity.max_days == 365
    assert (STRICT.target_fpir.maximum, STRICT.target_fpir.required) == (0.01, True)
    assert STRICT.gallery_limit.outgrown == "refuse"
    assert (STRICT.report_age.max_days, STRICT.report_age.required) == (365, True)
    assert STRICT.separate_roles.pairs == ((Role.ADMIN, Role.AUDITOR), (Role.APPROVER, Role.ENROLLER))


def test_the_strict_profile_accepts_another_basis_only_with_an_assessment() -> None:
    assert STRICT.lawful_bases.allowed == ("explicit-consent", "legal-obligation", "legitimate-interest")
    assert STRICT.refusals(enrollment(lawful_basis="legitimate-interest", impact_assessment="LIA-7")) == ()


def test_the_strict_profile_needs_a_fresh_test() -> None:
    assert [r.rule for r in STRICT.refusals(search(calibration=None))] == ["target_fpir", "report_age"]
    old = search(calibration=calibration(), now=NOW + 365 * DAY)
    assert [r.rule for r in STRICT.refusals(old)] == ["report_age"]


@pytest.mark.parametrize("hour", [0, 1, 12, 23])
def test_the_strict_profile_deletes_media_by_midnight(hour: int) -> None:
    since = NOW.replace(hour=hour)
    midnight = NOW.replace(hour=0) + DAY
    assert STRICT.unconfirmed_media.deadline(since) == midnight
    assert STRICT.refusals(media(since=since, after=midnight - since - timedelta(microseconds=1))) == ()
    assert [r.rule for r in STRICT.refusals(media(since=since, after=midnight - since))] == ["unconfirmed_media"]


def test_the_default_profile_opens_zones_on_two_bases() -> None:
    assert OPEN.refusals(zone("consent")) == ()
    assert [r.rule for r in OPEN.refusals(zone("public-interest"))] == ["capture_bases"]
