from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from facematch.errors import InvalidArgument, PolicyInvalid
from facematch.governance.policy import Policy, PolicyVersion, PolicyVersions
from facematch.governance.policy.rules.enrollment import Validity
from tests.unit.governance.support import DAY, NOW

TICK = timedelta(microseconds=1)


def version(number: int, effective_from: datetime, **changes: Any) -> PolicyVersion:
    policy = Policy(title=f"v{number}", validity=Validity(max_days=number))
    values = {"set_at": NOW, "actor": "ana", "policy": policy, "digest": policy.digest}
    return PolicyVersion(version=number, effective_from=effective_from, **{**values, **changes})


FIRST, SECOND, PLANNED, CORRECTED = (
    version(1, NOW),
    version(2, NOW + 10 * DAY),
    version(5, NOW + 30 * DAY),
    version(4, NOW + 10 * DAY),
)
OVERTAKEN = version(3, NOW + 20 * DAY)
TIMELINE = PolicyVersions([PLANNED, FIRST, CORRECTED, OVERTAKEN, SECOND])


@pytest.mark.parametrize(
    ("at", "ruled"),
    [
        (NOW - TICK, None),
        (NOW, FIRST),
        (NOW + 10 * DAY - TICK, FIRST),
        (NOW + 10 * DAY, CORRECTED),
        (NOW + 20 * DAY, CORRECTED),  # set after the version that waited for this day, and in its place
        (NOW + 30 * DAY - TICK, CORRECTED),
        (NOW + 30 * DAY, PLANNED),
        (NOW + 9999 * DAY, PLANNED),
    ],
)
def test_what_ruled_at_a_moment(at: datetime, ruled: PolicyVersion | None) -> None:
    assert TIMELINE.in_force(at) is ruled
    assert TIMELINE.policy_at(at) == (Policy() if ruled is None else ruled.policy)


def test_a_version_that_comes_later_does_not_change_what_ruled_before() -> None:
    later = PolicyVersions([*TIMELINE.versions, version(6, NOW + 40 * DAY, set_at=NOW + 35 * DAY)])
    moments = [NOW + days * DAY for days in range(-2, 40)]
    assert [later.in_force(at) for at in moments] == [TIMELINE.in_force(at) for at in moments]


def test_the_moment_is_judged_in_utc() -> None:
    east = timezone(timedelta(hours=14))
    assert TIMELINE.in_force((NOW - TICK).astimezone(east)) is None
    assert TIMELINE.in_force(NOW.astimezone(east)) is FIRST
    with pytest.raises(InvalidArgument, match="timezone"):
        TIMELINE.in_force(NOW.replace(tzinfo=None))


def test_an_empty_timeline_refuses_everything() -> None:
    assert PolicyVersions().in_force(NOW) is None
    assert PolicyVersions().policy_at(NOW) == Policy()


def test_versions_are_listed_by_number() -> None:
    assert [entry.version for entry in TIMELINE.versions] == [1, 2, 3, 4, 5]


def test_numbers_do_not_repeat() -> None:
    with pytest.raises(InvalidArgument, match="same number"):
        PolicyVersions([FIRST, version(1, NOW + DAY)])


def test_no_policy_rules_before_it_was_set() -> None:
    with pytest.raises(InvalidArgument, match="before it was set") as caught:
        version(1, NOW - TICK)
    assert "cannot be changed" in (caught.value.hint or "")


def test_a_policy_that_was_changed_after_it_was_set_is_found() -> None:
    with pytest.raises(PolicyInvalid, match="was set with"):
        version(1, NOW, digest=Policy().digest)


@pytest.mark.parametrize(
    "change",
    [{"actor": ""}, {"set_at": NOW.replace(tzinfo=None)}, {"effective_from": NOW.replace(tzinfo=None)}, {"version": 0}],
)
def test_malformed_versions_are_refused(change: dict[str, Any]) -> None:
    policy = Policy()
    values: dict[str, Any] = {
        "version": 1,
        "policy": policy,
        "effective_from": NOW,
        "set_at": NOW,
        "actor": "ana",
        "digest": policy.digest,
    }
    assert PolicyVersion(**values).version == 1
    with pytest.raises(InvalidArgument):
        PolicyVersion(**{**values, **change})
