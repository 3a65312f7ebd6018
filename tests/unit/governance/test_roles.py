from __future__ import annotations

import pytest

from facematch.errors import AccessDenied, InvalidArgument, SeparationOfDuties
from facematch.governance import (
    PERMISSIONS,
    AuditAction,
    Policy,
    Role,
    check_other_person,
    check_permitted,
    permitted,
)
from facematch.governance.policy import RoleRequest
from facematch.governance.policy.separation import check_separation
from facematch.governance.roles import parse_roles

RETAIL = Policy.profile("retail-watchlist")
SINGLE = [role for role in Role if role is not Role.OWNER]

ALONE: dict[Role, set[str]] = {
    Role.ENROLLER: {"preview", "enroll", "record_consent", "renew", "receipt", "revoke"}
    | {"list_subjects", "count_templates", "read_consents"},
    Role.APPROVER: {"approve", "reject", "revoke", "invalidate", "list_subjects", "count_templates", "read_consents"},
    Role.OPERATOR: {"identify", "verify"},
    Role.REVIEWER: set(),
    Role.AUDITOR: {"check_erasure", "list_subjects", "count_templates", "read_consents"}
    | {"read_audit", "export_audit", "checkpoint", "report"},
    Role.PRIVACY_OFFICER: {"record_consent", "renew", "receipt", "revoke", "invalidate", "expire", "erase", "sweep"}
    | {"check_erasure", "restrict", "unrestrict", "complaint", "export_subject", "disclose"}
    | {"list_subjects", "count_templates", "read_consents", "read_audit", "export_audit", "checkpoint"}
    | {"prune_audit", "report", "resume", "close_zone"},
    Role.ADMIN: {"revoke", "invalidate", "expire", "erase", "sweep", "check_erasure", "list_subjects"}
    | {"count_templates", "report", "resume", "open_zone", "close_zone", "set_policy", "set_calibration"}
    | {"grant_role", "revoke_role", "create_watchlist", "rotate_key", "renew_templates"}
    | {"backup", "restore", "repair"},
}
"""What each role permits, written down a second time, by role instead of by action."""


@pytest.mark.parametrize("role", SINGLE)
def test_a_role_permits_its_own_and_stopping(role: Role) -> None:
    assert {action for action in PERMISSIONS if permitted([role], action)} == ALONE[role] | {"withdraw", "suspend"}


def test_an_owner_may_do_all_that_anybody_may() -> None:
    assert [action for action in PERMISSIONS if not permitted([Role.OWNER], action)] == []


@pytest.mark.parametrize("action", AuditAction)
def test_every_action_is_in_the_table_or_refused_to_all(action: AuditAction) -> None:
    allowed = {role for role in Role if permitted([role], action)}
    assert allowed == PERMISSIONS.get(action.value, frozenset())


def test_the_table_knows_every_action_of_the_audit_log() -> None:
    assert {action.value for action in AuditAction} - set(PERMISSIONS) == set()


def test_an_action_that_is_not_in_the_table_is_permitted_to_nobody() -> None:
    assert "sell" not in PERMISSIONS
    assert not permitted(Role, "sell")
    with pytest.raises(AccessDenied) as caught:
        check_permitted("ana", Role, "sell")
    assert caught.value.hint == "no role permits this action"


@pytest.mark.parametrize("roles", [[], ["king"], "admin", ["Admin"], ["operator"]])
def test_no_role_unknown_roles_and_other_roles_permit_nothing(roles: list[str]) -> None:
    assert not permitted(roles, "set_policy")
    assert not permitted(["king"], "withdraw")


def test_several_roles_permit_what_each_of_them_does() -> None:
    both = [Role.OPERATOR, Role.AUDITOR]
    assert permitted(both, "identify")
    assert permitted(both, AuditAction.IDENTIFY)
    assert permitted(both, "read_audit")
    assert not permitted(both, "enroll")


def test_a_refused_action_says_what_is_needed() -> None:
    check_permitted("ana", [Role.PRIVACY_OFFICER], "erase")
    with pytest.raises(AccessDenied) as caught:
        check_permitted("ana", [Role.OPERATOR, Role.ENROLLER], "erase")
    assert caught.value.message == "'ana' has the roles enroller, operator, and none permits 'erase'"
    assert caught.value.hint == "an admin can grant one of: admin, owner, privacy-officer"
    with pytest.raises(AccessDenied, match="'ana' has no role"):
        check_permitted("ana", [], "withdraw")


def test_roles_by_name() -> None:
    assert parse_roles(["admin", "privacy-officer"]) == {Role.ADMIN, Role.PRIVACY_OFFICER}
    with pytest.raises(InvalidArgument, match="no role 'king'") as caught:
        parse_roles(["admin", "king"])
    assert "privacy-officer" in (caught.value.hint or "")
    with pytest.raises(InvalidArgument, match="list of names"):
        parse_roles("admin")


@pytest.mark.parametrize(
    "roles",
    [{Role.ENROLLER, Role.APPROVER}, {Role.ADMIN, Role.AUDITOR, Role.OPERATOR}, {Role.OWNER}, {"admin", "auditor"}],
)
def test_the_strict_profile_separates_duties(roles: set[str]) -> None:
    with pytest.raises(SeparationOfDuties) as caught:
        check_separation(RoleRequest(roles=frozenset(Role(name) for name in roles)), RETAIL)
    assert caught.value.hint == "give one of the roles to another person"


def test_roles_that_are_not_separated_may_be_united() -> None:
    check_separation(RoleRequest(roles=frozenset({Role.ENROLLER, Role.OPERATOR})), RETAIL)
    check_separation(RoleRequest(roles=frozenset()), RETAIL)
    check_separation(RoleRequest(roles=frozenset({Role.OWNER})), Policy.profile("access-control"))


def test_a_policy_that_does_not_say_which_are_separated_lets_nobody_hold_a_role() -> None:
    with pytest.raises(SeparationOfDuties, match="does not set which roles are separated"):
        check_separation(RoleRequest(roles=frozenset({Role.OPERATOR})), Policy())


def test_two_parts_take_two_people() -> None:
    check_other_person("ana", "bob", "the approval")
    with pytest.raises(SeparationOfDuties, match="the approval needs another person than 'ana'") as caught:
        check_other_person("ana", "Ana", "the approval")
    assert caught.value.hint
