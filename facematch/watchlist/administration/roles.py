"""Actors and their roles: who may do what on this watchlist.

facematch does not authenticate: the host application says who acts. What it enforces is that an actor without a role
may do nothing, and that two people are two different names.
"""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from facematch.errors import AccessDenied, InvalidArgument, SeparationOfDuties
from facematch.governance import AuditAction, AuditOutcome, to_microseconds
from facematch.governance.names import check_name
from facematch.governance.roles import Role, check_other_person, check_separation
from facematch.storage.governance_state import GovernanceState
from facematch.storage.schema import actor_roles, actors
from facematch.watchlist.session import Core

__all__ = ["Actors"]


class Actors:
    """The actors of a watchlist; reach it as ``Watchlist.actors``.

    Args:
        core: The open watchlist.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def roles(self) -> dict[str, frozenset[Role]]:
        """The roles of every actor who has any, by name."""
        return dict(self._core.configuration().roles)

    def grant(self, actor: str, *roles: Role | str) -> frozenset[Role]:
        """Give an actor roles; an unknown actor becomes known. Returns all roles that the actor then has.

        Raises:
            AccessDenied: Only an admin grants roles.
            SeparationOfDuties: The policy forbids one actor to hold these roles together, or the actor would grant
                them to themselves.
            InvalidArgument: There is no such role, or the name is malformed.
            AuditError: The audit entry could not be written; nothing changed.
        """
        core = self._core
        with core.operation(AuditAction.GRANT_ROLE):
            name = check_name(actor, "actor")
            wanted = frozenset(_role(role) for role in roles)
            if not wanted:
                raise InvalidArgument("no role was named", hint=f"one of {', '.join(Role)}")
            with core.changing() as connection:
                now = core.now()
                standing = core.standing(connection)
                self._check_granter(standing, name, wanted)
                held = standing.roles.get(name, frozenset()) | wanted
                check_separation(held, standing.policy(now).policy)
                moment = to_microseconds(now)
                connection.execute(
                    upsert(actors).values(name=name, created_at=moment).on_conflict_do_nothing(index_elements=["name"])
                )
                for role in sorted(wanted - standing.roles.get(name, frozenset())):
                    connection.execute(
                        insert(actor_roles).values(
                            actor=name, role=role.value, granted_by=core.actor, granted_at=moment
                        )
                    )
                details = {"actor": name, "roles": sorted(role.value for role in wanted)}
                core.audit(connection, AuditAction.GRANT_ROLE, AuditOutcome.DONE, details, now=now)
        return held

    def revoke(self, actor: str, *roles: Role | str) -> frozenset[Role]:
        """Take roles from an actor; without roles, all of them. Returns the roles that remain.

        Raises:
            AccessDenied: Only an admin takes roles.
            SeparationOfDuties: Nobody would be left who may grant roles.
            InvalidArgument: There is no such role or actor.
            AuditError: The audit entry could not be written; nothing changed.
        """
        core = self._core
        with core.operation(AuditAction.REVOKE_ROLE):
            name = check_name(actor, "actor")
            with core.changing() as connection:
                now = core.now()
                standing = core.standing(connection)
                held = standing.roles.get(name, frozenset())
                if not held:
                    raise InvalidArgument(f"{name!r} has no role", hint="Watchlist.actors.roles() lists them")
                gone = frozenset(_role(role) for role in roles) if roles else held
                self._check_owner(standing, gone & held)
                connection.execute(
                    delete(actor_roles).where(
                        actor_roles.c.actor == name, actor_roles.c.role.in_([role.value for role in gone])
                    )
                )
                left = select(func.count()).where(actor_roles.c.role.in_([Role.OWNER.value, Role.ADMIN.value]))
                if connection.execute(left).scalar_one() == 0:
                    raise SeparationOfDuties(
                        "nobody would be left who may grant roles", hint="grant another actor the role admin first"
                    )
                details = {"actor": name, "roles": sorted(role.value for role in gone)}
                core.audit(connection, AuditAction.REVOKE_ROLE, AuditOutcome.DONE, details, now=now)
        return held - gone

    def _check_granter(self, standing: GovernanceState, name: str, wanted: frozenset[Role]) -> None:
        if Role.OWNER in standing.roles.get(self._core.actor, frozenset()):
            return
        self._check_owner(standing, wanted)
        check_other_person(name, self._core.actor, "a grant of roles")

    def _check_owner(self, standing: GovernanceState, concerned: frozenset[Role]) -> None:
        """Only an owner makes or unmakes an owner; an admin could otherwise become one alone."""
        if Role.OWNER in concerned and Role.OWNER not in standing.roles.get(self._core.actor, frozenset()):
            raise AccessDenied("only an owner grants or takes the role owner", hint="ask an owner to do it")


def _role(value: Role | str) -> Role:
    try:
        return Role(value)
    except ValueError:
        raise InvalidArgument(f"there is no role {value!r}", hint=f"one of {', '.join(Role)}") from None
