"""Suspensions of identification: any role may stop, lifting takes two people."""

from __future__ import annotations

import json

from sqlalchemy import insert, update

from facematch.errors import InvalidArgument
from facematch.governance import AuditAction, to_microseconds
from facematch.governance.names import check_text
from facematch.governance.policy import ResumeRequest
from facematch.governance.roles import check_other_person, permitted
from facematch.governance.suspensions import Lift, Suspension
from facematch.storage.schema import suspensions
from facematch.storage.sql import new_key
from facematch.watchlist.search_parameters import check_place
from facematch.watchlist.session import Session

__all__ = ["Suspensions"]


class Suspensions:
    """The suspensions of a watchlist; reach it as ``Watchlist.suspensions``.

    Args:
        session: The actor's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self) -> tuple[Suspension, ...]:
        """The suspensions that are not lifted, oldest first."""
        return self._session.configuration().suspensions

    def add(self, *, reason: str, site: str | None = None, zone: str | None = None) -> Suspension:
        """Suspend identification, everywhere or at one site or zone, from the next search of every process on.

        Every role may stop; the reason must name no person, since it is kept in the clear.

        Raises:
            InvalidArgument: A name or the reason is malformed.
            AuditError: The audit entry could not be written; nothing changed.
        """
        with self._session.operation(AuditAction.SUSPEND) as operation:
            check_text(reason, "reason")
            check_place(site, zone)
            with operation.write() as tx:
                result = tx.connection.execute(
                    insert(suspensions).values(
                        site=site, zone=zone, reason=reason, since=to_microseconds(tx.now), actor=tx.actor
                    )
                )
                number = new_key(result.inserted_primary_key)
                tx.begin_generation()
                tx.audit({"suspension": number, "site": site, "zone": zone, "reason": reason})
        return Suspension(number, site, zone, reason, tx.now, tx.actor, ())

    def lift(self, suspension_id: int) -> Lift:
        """Ask to lift a suspension, or agree to it; the policy says how many people it takes, at least two.

        Raises:
            SeparationOfDuties: The actor has asked already; it takes another person.
            InvalidArgument: There is no such suspension.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        with self._session.operation(AuditAction.RESUME) as operation, operation.write() as tx:
            standing = tx.governance.suspensions
            found = next((item for item in standing if item.suspension_id == suspension_id), None)
            if found is None:
                raise InvalidArgument(
                    f"there is no suspension {suspension_id!r}",
                    hint="Watchlist.suspensions.list() lists them with their numbers",
                )
            for person in found.resume_asked_by:
                check_other_person(person, tx.actor, "the second approval to lift a suspension")
            roles = tx.governance.roles
            still = [p for p in found.resume_asked_by if permitted(roles.get(p, ()), AuditAction.RESUME)]
            people = (*still, tx.actor)  # an actor who has lost the role meanwhile does not count
            policy = tx.policy.policy
            needed = policy.people_to_resume.count
            lifted = needed is None or len(people) >= needed
            change: dict[str, object] = {"resume_asked_by": json.dumps(people)}
            if lifted:
                policy.check(ResumeRequest(people=people))
                change |= {"lifted_by": tx.actor, "lifted_at": to_microseconds(tx.now)}
            tx.connection.execute(update(suspensions).where(suspensions.c.id == suspension_id).values(**change))
            tx.begin_generation()
            tx.audit({"suspension": suspension_id, "lifted": lifted, "people": list(people)})
        return Lift(suspension_id, lifted, people)
