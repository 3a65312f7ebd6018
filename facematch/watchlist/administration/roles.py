"""Actors and their roles: who may do what on this watchlist.

facematch does not authenticate: the host application says who acts. What it enforces is that an actor without a role
may do nothing, and that two people are two different names.
"""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from facematch.errors import AccessDenied, InvalidArgument, SeparationOfDuties
from facematch.governance import AuditAction, to_microseconds
from facematch.governance.names import check_name
from facematch.governance.policy import RoleRequest
from facematch.governance.policy.separation import check_separation
from facematch.governance.roles import ActorRoles, Role, check_other_person
from facematch.storage.schema import actor_roles, actors
from facematch.watchlist.session import Session, Transaction

__all__ = ["Actors"]


class Actors:
    """The actors of a watchlist; reach it as ``Watchlist.actors``.

    Args:
        session: The actor's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self) -> tuple[ActorRoles, ...]:
        """Actors with a role and the roles that they hold, by name."""
        held = self._session.configuration().roles
        return tuple(ActorRoles(name, frozenset(roles)) for name, roles in sorted(held.items()) if roles)

    def grant(self, actor: str, *roles: Role | str) -> ActorRoles:
        """Give an actor roles; an unknown actor becomes known. Returns all roles that the actor then has.

        Raises:
            AccessDenied: Only an admin grants roles.
            SeparationOfDuties: The policy forbids one actor to hold these roles together, or the actor would grant
                them to themselves.
            InvalidArgument: There is no such role, or the name is malformed.
            AuditError: The audit entry could not be written; nothing changed.
        """
        with self._session.operation(AuditAction.GRANT_ROLE) as operation:
            name = check_name(actor, "actor")
            wanted = frozenset(_role(role) for role in roles)
            if not wanted:
                raise InvalidArgument("no role was named", hint=f"one of {', '.join(Role)}")
            with operation.write() as tx:
                _check_granter(tx, name, wanted)
                before = tx.governance.roles.get(name, frozenset())
                held = before | wanted
                check_separation(RoleRequest(roles=held), tx.policy.policy)
                moment = to_microseconds(tx.now)
                tx.connection.execute(
                    upsert(actors).values(name=name, created_at=moment).on_conflict_do_nothing(index_elements=["name"])
                )
                for role in sorted(wanted - before):
                    tx.connection.execute(
                        insert(actor_roles).values(actor=name, role=role.value, granted_by=tx.actor, granted_at=moment)
                    )
                tx.begin_generation()
                tx.audit({"actor": name, "roles": sorted(role.value for role in wanted)})
        return ActorRoles(name, held)

    def revoke(self, actor: str, *roles: Role | str) -> ActorRoles:
        """Take roles from an actor; without roles, all of them. Returns the roles that remain.

        Raises:
            AccessDenied: Only an admin takes roles.
            SeparationOfDuties: No actor would be left who may grant roles.
            InvalidArgument: There is no such role or actor.
            AuditError: The audit entry could not be written; nothing changed.
        """
        with self._session.operation(AuditAction.REVOKE_ROLE) as operation:
            name = check_name(actor, "actor")
            with operation.write() as tx:
                held = tx.governance.roles.get(name, frozenset())
                if not held:
                    raise InvalidArgument(f"{name!r} has no role", hint="Watchlist.actors.list() lists them")
                gone = frozenset(_role(role) for role in roles) if roles else held
                _check_owner(tx, gone & held)
                tx.connection.execute(
                    delete(actor_roles).where(
                        actor_roles.c.actor == name, actor_roles.c.role.in_([role.value for role in gone])
                    )
                )
                left = select(func.count()).where(actor_roles.c.role.in_([Role.OWNER.value, Role.ADMIN.value]))
                if tx.connection.execute(left).scalar_one() == 0:
                    raise SeparationOfDuties(
                        "no actor would be left who may grant roles", hint="grant another actor the role admin first"
                    )
                tx.begin_generation()
                tx.audit({"actor": name, "roles": sorted(role.value for role in gone)})
        return ActorRoles(name, held - gone)


def _check_granter(tx: Transaction, name: str, wanted: frozenset[Role]) -> None:
    if Role.OWNER in tx.governance.roles.get(tx.actor, frozenset()):
        return
    _check_owner(tx, wanted)
    check_other_person(name, tx.actor, "a grant of roles")


def _check_owner(tx: Transaction, concerned: frozenset[Role]) -> None:
    """Only an owner makes or unmakes an owner; an admin could otherwise become one alone."""
    if Role.OWNER in concerned and Role.OWNER not in tx.governance.roles.get(tx.actor, frozenset()):
        raise AccessDenied("only an owner grants or takes the role owner", hint="ask an owner to do it")


def _role(value: Role | str) -> Role:
    try:
        return Role(value)
    except ValueError:
        raise InvalidArgument(f"there is no role {value!r}", hint=f"one of {', '.join(Role)}") from None
