"""Roles: everything that an actor has no role for is refused, audited, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import AccessDenied, InvalidArgument, SeparationOfDuties
from facematch.governance import AuditAction
from facematch.governance.policy import Policy
from facematch.governance.roles import PERMISSIONS, Role
from facematch.governance.zones import Zone
from facematch.testing import FakeAnalyzer
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, open_bench, picture, roles_of

ZONE = Zone(site="store-12", zone="door", capture_basis="legitimate-interest", notice_id="n-7", assessment_ref="dpia-7")


@pytest.fixture
def bob(bench: Bench) -> Iterator[Watchlist]:
    """The same watchlist, used by somebody who has no role."""
    url = f"sqlite:///{bench.path}"
    with Watchlist.open(url, actor="bob", analyzer=FakeAnalyzer(), clock=bench.clock) as watchlist:
        yield watchlist


def _calls(bench: Bench, folder: Path) -> dict[str, Callable[[Watchlist], Any]]:
    """A call for each action, made by whoever uses the watchlist."""
    (folder / "evidence").write_text("signed again")
    other = bench.consent("t")
    return {
        "withdraw": lambda w: w.withdraw("s", reason="left"),
        "suspend": lambda w: w.suspensions.add(reason="a fault", site="elsewhere"),
        "preview": lambda w: w.preview_enrollment(picture(1)),
        "enroll": lambda w: w.enroll("t", picture(2), consent=other),
        "record_consent": lambda w: w.consents.record(bench.consent("u")),
        "renew": lambda w: w.consents.renew("s", valid_for=timedelta(days=9), evidence=folder / "evidence"),
        "receipt": lambda w: w.consents.receipt("s"),
        "approve": lambda w: w.approvals.approve(1),
        "reject": lambda w: w.approvals.reject(1, reason="no"),
        "revoke": lambda w: w.consents.revoke("s", reason="left"),
        "invalidate": lambda w: w.consents.invalidate("s", reason="left"),
        "erase": lambda w: w.erase("s", reason="left"),
        "sweep": lambda w: w.apply_retention(),
        "check_erasure": lambda w: w.verify_erasure({}),
        "identify": lambda w: w.identify(picture(1), purpose=PURPOSE, site=SITE),
        "verify": lambda w: w.verify("s", picture(1), purpose=PURPOSE, site=SITE),
        "unrestrict": lambda w: w.rights.decide_complaint(1, upheld=False),
        "complaint": lambda w: w.rights.open_complaint("s", ground="not me"),
        "export_subject": lambda w: w.rights.export("s", folder / "export.zip"),
        "disclose": lambda w: w.rights.disclose("s", recipient="police", reason="asked"),
        "list_subjects": lambda w: w.subjects.list(),
        "count_templates": lambda w: w.subjects.count_templates(),
        "read_consents": lambda w: w.consents.list("s"),
        "read_audit": lambda w: w.audit.entries(),
        "export_audit": lambda w: w.audit.export(folder / "audit"),
        "checkpoint": lambda w: w.audit.checkpoint(),
        "resume": lambda w: w.suspensions.lift(1),
        "open_zone": lambda w: w.zones.open(ZONE),
        "close_zone": lambda w: w.zones.close("store-12", "door"),
        "set_policy": lambda w: w.policies.set(Policy.profile("access-control")),
        "set_calibration": lambda w: w.set_calibration(folder / "calibration.json"),
        "grant_role": lambda w: w.actors.grant("eve", "owner"),
        "revoke_role": lambda w: w.actors.revoke("ana"),
        "rotate_key": lambda w: w.keys.rotate(),
        "renew_templates": lambda w: w.keys.renew_templates(),
        "backup": lambda w: w.backup(folder / "backup"),
        "restore": lambda w: w.restore(folder / "backup"),
    }


NOT_CALLED = {"expire", "restrict", "prune_audit", "report", "create_watchlist", "repair"}
"""Steps of other calls, or what other tests call."""


def test_the_calls_of_this_test_are_all_there_are(bench: Bench, tmp_path: Path) -> None:
    assert set(_calls(bench, tmp_path)) | NOT_CALLED == set(PERMISSIONS) == {action.value for action in AuditAction}


def test_an_actor_without_a_role_may_do_nothing_at_all(bench: Bench, bob: Watchlist, tmp_path: Path) -> None:
    bench.enroll("s", 1)
    before = bench.watchlist._session.resources.snapshot().generation
    refused = []
    for action, call in _calls(bench, tmp_path).items():
        with pytest.raises(AccessDenied, match="'bob' has no role"):
            call(bob)
        entry = bench.last()
        refused.append((entry.actor, entry.outcome, entry.details["code"]))
        assert entry.action == action
    assert refused == [("bob", "refused", "access_denied")] * len(refused)
    assert bench.watchlist._session.resources.snapshot().generation == before
    assert bench.found(1) == ["s"]
    assert not (tmp_path / "backup").exists()
    assert not (tmp_path / "export.zip").exists()


@pytest.mark.parametrize("role", list(Role))
def test_a_role_permits_what_the_table_says_and_nothing_else(
    bench: Bench, bob: Watchlist, tmp_path: Path, role: Role
) -> None:
    bench.enroll("s", 1)
    bench.watchlist.actors.grant("bob", role)
    denied = set()
    for action, call in _calls(bench, tmp_path).items():
        if role in PERMISSIONS[action]:
            continue  # what is permitted is another test's matter
        with pytest.raises(AccessDenied, match=f"'bob' has the roles {role}"):
            call(bob)
        denied.add(action)
    permitted = {action for action, roles in PERMISSIONS.items() if role in roles}
    assert denied == set(PERMISSIONS) - NOT_CALLED - permitted
    assert bench.found(1) == ["s"]
    if role is not Role.OWNER:
        assert len(denied) >= 15


@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_stop(bench: Bench, bob: Watchlist, role: Role) -> None:
    bench.enroll("s", 1)
    bench.watchlist.actors.grant("bob", role)
    bob.withdraw("s", reason="asked at the desk")
    assert bob.suspensions.add(reason="a fault").site is None


def test_a_grant_and_its_end_are_seen_by_the_next_call_of_another_handle(bench: Bench, bob: Watchlist) -> None:
    bench.enroll("s", 1)
    assert bench.watchlist.actors.grant("bob", "operator").roles == {Role.OPERATOR}
    assert [c.subject_id for c in bob.identify(picture(1), purpose=PURPOSE, site=SITE).candidates] == ["s"]
    assert bench.watchlist.actors.revoke("bob").roles == frozenset()
    with pytest.raises(AccessDenied):
        bob.identify(picture(1), purpose=PURPOSE, site=SITE)
    assert roles_of(bench.watchlist) == {"ana": frozenset({Role.OWNER})}


def test_grants_add_up_and_are_taken_one_by_one(bench: Bench) -> None:
    actors = bench.watchlist.actors
    actors.grant("bob", "operator")
    assert actors.grant("bob", Role.AUDITOR, "operator").roles == {Role.OPERATOR, Role.AUDITOR}
    assert actors.revoke("bob", "operator").roles == {Role.AUDITOR}
    entries = [(e.action, dict(e.details)) for e in bench.entries()]
    assert entries == [
        ("grant_role", {"actor": "bob", "roles": ["operator"]}),
        ("grant_role", {"actor": "bob", "roles": ["auditor", "operator"]}),
        ("revoke_role", {"actor": "bob", "roles": ["operator"]}),
    ]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda a: a.grant("bob", "boss"), InvalidArgument),
        (lambda a: a.grant("bob"), InvalidArgument),
        (lambda a: a.grant("", "operator"), InvalidArgument),
        (lambda a: a.revoke("bob"), InvalidArgument),
        (lambda a: a.revoke("ana"), SeparationOfDuties),
        (lambda a: a.revoke("ana", "owner"), SeparationOfDuties),
    ],
)
def test_what_cannot_be_granted_or_taken_changes_nothing(
    bench: Bench, call: Callable[[Any], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call(bench.watchlist.actors)
    assert roles_of(bench.watchlist) == {"ana": frozenset({Role.OWNER})}
    assert bench.last().outcome == "refused"


def test_the_owner_may_go_once_there_is_an_admin(bench: Bench, bob: Watchlist) -> None:
    bench.watchlist.actors.grant("bob", "admin")
    bench.watchlist.actors.revoke("ana")
    with pytest.raises(AccessDenied):
        bench.watchlist.actors.grant("ana", "owner")
    assert bob.actors.grant("ana", "operator").roles == {Role.OPERATOR}
    with pytest.raises(SeparationOfDuties):
        bob.actors.revoke("bob")


def test_roles_that_the_policy_separates_are_not_granted_together(tmp_path: Path) -> None:
    with open_bench(tmp_path / "a.db", policy="retail-watchlist") as bench:
        bench.watchlist.actors.grant("bob", "enroller")
        for roles in (["approver"], ["owner"]):
            with pytest.raises(SeparationOfDuties):
                bench.watchlist.actors.grant("bob", *roles)
        with pytest.raises(SeparationOfDuties):
            bench.watchlist.actors.grant("eve", "admin", "auditor")
        assert roles_of(bench.watchlist)["bob"] == {Role.ENROLLER}
        assert "eve" not in roles_of(bench.watchlist)
