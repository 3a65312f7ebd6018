"""Roles and the actions that they permit: one table, default deny, separation of duties.

A role permits what :data:`PERMISSIONS` lists and nothing else; an action that is missing there is permitted to no role.
Stopping is easy and starting again is not: every role may withdraw and suspend.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from facematch.errors import AccessDenied, InvalidArgument, SeparationOfDuties
from facematch.governance.names import same_name
from facematch.types import PlainResult

__all__ = [
    "PERMISSIONS",
    "ActorRoles",
    "Role",
    "check_other_person",
    "check_permitted",
    "parse_roles",
    "permitted",
]


class Role(StrEnum):
    """A role of an actor."""

    ENROLLER = "enroller"
    """Files consents and enrolls."""
    APPROVER = "approver"
    """Approves or rejects what an enroller prepared."""
    OPERATOR = "operator"
    """Searches."""
    REVIEWER = "reviewer"
    """Decides about alerts."""
    AUDITOR = "auditor"
    """Reads and exports the audit log."""
    PRIVACY_OFFICER = "privacy-officer"
    """Erases, restricts, discloses to subjects, and reads the audit log."""
    ADMIN = "admin"
    """Sets policies, roles, keys, zones and calibrations."""
    OWNER = "owner"
    """Holds all roles; for a set-up with a single person."""


_EVERY_ROLE: Final = frozenset(Role)


def _only(*roles: Role) -> frozenset[Role]:
    return frozenset({*roles, Role.OWNER})


_ENROLLER, _APPROVER, _OPERATOR = Role.ENROLLER, Role.APPROVER, Role.OPERATOR
_AUDITOR, _PRIVACY, _ADMIN = Role.AUDITOR, Role.PRIVACY_OFFICER, Role.ADMIN

PERMISSIONS: Final[Mapping[str, frozenset[Role]]] = MappingProxyType(
    {
        # stopping: open to all
        "withdraw": _EVERY_ROLE,
        "suspend": _EVERY_ROLE,
        # enrollment
        "preview": _only(_ENROLLER),
        "enroll": _only(_ENROLLER),
        "record_consent": _only(_ENROLLER, _PRIVACY),
        "renew": _only(_ENROLLER, _PRIVACY),
        "receipt": _only(_ENROLLER, _PRIVACY),
        "approve": _only(_APPROVER),
        "reject": _only(_APPROVER),
        # the end of consents and references
        "revoke": _only(_ENROLLER, _APPROVER, _PRIVACY, _ADMIN),
        "invalidate": _only(_APPROVER, _PRIVACY, _ADMIN),
        "expire": _only(_PRIVACY, _ADMIN),
        "erase": _only(_PRIVACY, _ADMIN),
        "sweep": _only(_PRIVACY, _ADMIN),
        "check_erasure": _only(_AUDITOR, _PRIVACY, _ADMIN),
        # searches
        "identify": _only(_OPERATOR),
        "verify": _only(_OPERATOR),
        # the rights of subjects
        "restrict": _only(_PRIVACY),
        "unrestrict": _only(_PRIVACY),
        "complaint": _only(_PRIVACY),
        "export_subject": _only(_PRIVACY),
        "disclose": _only(_PRIVACY),
        # oversight
        "list_subjects": _only(_ENROLLER, _APPROVER, _AUDITOR, _PRIVACY, _ADMIN),
        "count_templates": _only(_ENROLLER, _APPROVER, _AUDITOR, _PRIVACY, _ADMIN),
        "read_consents": _only(_ENROLLER, _APPROVER, _AUDITOR, _PRIVACY),
        "read_audit": _only(_AUDITOR, _PRIVACY),
        "export_audit": _only(_AUDITOR, _PRIVACY),
        "checkpoint": _only(_AUDITOR, _PRIVACY),
        "prune_audit": _only(_PRIVACY),
        "report": _only(_AUDITOR, _PRIVACY, _ADMIN),
        # running the watchlist
        "resume": _only(_PRIVACY, _ADMIN),
        "open_zone": _only(_ADMIN),
        "close_zone": _only(_PRIVACY, _ADMIN),
        "set_policy": _only(_ADMIN),
        "set_calibration": _only(_ADMIN),
        "grant_role": _only(_ADMIN),
        "revoke_role": _only(_ADMIN),
        "create_watchlist": _only(_ADMIN),
        "rotate_key": _only(_ADMIN),
        "renew_templates": _only(_ADMIN),
        "backup": _only(_ADMIN),
        "restore": _only(_ADMIN),
        "repair": _only(_ADMIN),
    }
)
"""The roles that permit each action, by the value of its
:class:`~facematch.governance.audit.AuditAction`."""


@dataclass(frozen=True, slots=True)
class ActorRoles(PlainResult):
    """An actor and the roles that it holds.

    Attributes:
        actor: Its name.
        roles: The roles; empty where the actor has none any more.
    """

    actor: str
    roles: frozenset[Role]


def parse_roles(names: Iterable[str]) -> frozenset[Role]:
    """Roles by name.

    Raises:
        InvalidArgument: A name is no role.
    """
    if isinstance(names, str):
        raise InvalidArgument("roles must be a list of names, got one text", hint='pass ["operator"]')
    known = {role.value: role for role in Role}
    found = []
    for name in names:
        role = known.get(name)
        if role is None:
            raise InvalidArgument(f"there is no role {name!r}", hint=f"one of: {', '.join(Role)}")
        found.append(role)
    return frozenset(found)


def permitted(roles: Iterable[str], action: str) -> bool:
    """Whether one of the roles permits an action. No role, an unknown role and an unknown action permit nothing.

    Args:
        roles: Roles, or their names.
        action: An :class:`~facematch.governance.audit.AuditAction`, or its value.
    """
    return not PERMISSIONS.get(str(action), frozenset()).isdisjoint(roles)


def check_permitted(actor: str, roles: Iterable[str], action: str) -> None:
    """Refuse an action that no role of the actor permits.

    Raises:
        AccessDenied: It is not permitted.
    """
    held = frozenset(roles)
    if permitted(held, action):
        return
    needed = sorted(PERMISSIONS.get(str(action), frozenset()))
    having = f"has the roles {', '.join(sorted(held))}" if held else "has no role"
    raise AccessDenied(
        f"{actor!r} {having}, and none permits {str(action)!r}",
        hint=f"an admin can grant one of: {', '.join(needed)}" if needed else "no role permits this action",
    )


def check_other_person(first: str, second: str, what: str) -> None:
    """Refuse that one person does both parts of something that takes two.

    Args:
        first: Who did the first part.
        second: Who would do the second.
        what: What the second part is, for the message, such as ``"the approval"``.

    Raises:
        SeparationOfDuties: The names may be one person's: they differ at most by case, form and white space.
    """
    if same_name(first, second):
        raise SeparationOfDuties(
            f"{what} needs another person than {first!r}", hint="ask another person who has the role for it"
        )
