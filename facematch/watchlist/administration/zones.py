"""Where faces may be searched: camera zones that were opened on stated grounds, and suspensions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

from facematch.errors import InvalidArgument
from facematch.governance import AuditAction, AuditOutcome, check_site, from_microseconds, to_microseconds
from facematch.governance.names import check_name, check_text
from facematch.governance.policy import ResumeRequest, ZoneRequest
from facematch.governance.roles import check_other_person, permitted
from facematch.governance.zones import Zone
from facematch.storage.governance_state import Suspension
from facematch.storage.schema import suspensions, zones
from facematch.storage.subjects import new_key
from facematch.watchlist.session import Core

__all__ = ["OpenZone", "Zones", "resume", "suspend", "suspensions_of"]


@dataclass(frozen=True, slots=True)
class OpenZone:
    """A camera zone that is open.

    Attributes:
        zone: What it is and on which grounds people who pass are searched.
        opened_at: Since when, UTC.
        opened_by: Who opened it.
    """

    zone: Zone
    opened_at: datetime
    opened_by: str


class Zones:
    """The camera zones of a watchlist; reach it as ``Watchlist.zones``.

    Args:
        core: The open watchlist.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def list(self) -> tuple[OpenZone, ...]:
        """The zones that are open."""
        self._core.configuration()
        query = select(zones).where(zones.c.closed_at.is_(None)).order_by(zones.c.site, zones.c.zone)
        with self._core.database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(
            OpenZone(Zone.from_dict(json.loads(row.document)), from_microseconds(row.opened_at), row.opened_by)
            for row in rows
        )

    def open(self, zone: Zone) -> OpenZone:
        """Open a zone. Consent to enrollment does not cover passers-by, so a zone needs grounds of its own.

        Args:
            zone: Site, zone, capture basis, notice and assessment.

        Raises:
            PolicyRefused: The policy does not accept its capture basis.
            InvalidArgument: It is open already.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        core = self._core
        with core.operation(AuditAction.OPEN_ZONE), core.changing() as connection:
            now = core.now()
            standing = core.standing(connection)
            standing.policy(now).policy.check(ZoneRequest(zone=zone))
            if (zone.site, zone.zone) in standing.zones:
                raise InvalidArgument(
                    f"the zone {zone.zone!r} of site {zone.site!r} is open already",
                    hint="close it first to open it on other grounds",
                )
            document = zone.to_dict()
            connection.execute(
                insert(zones).values(
                    site=zone.site,
                    zone=zone.zone,
                    document=json.dumps(document, sort_keys=True),
                    opened_at=to_microseconds(now),
                    opened_by=core.actor,
                )
            )
            core.audit(connection, AuditAction.OPEN_ZONE, AuditOutcome.DONE, document, now=now)
        return OpenZone(zone, now, core.actor)

    def close(self, site: str, zone: str) -> None:
        """Close a zone; from the commit on no search names it.

        Raises:
            InvalidArgument: It is not open.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        core = self._core
        with core.operation(AuditAction.CLOSE_ZONE), core.changing() as connection:
            now = core.now()
            changed = connection.execute(
                update(zones)
                .where(zones.c.site == site, zones.c.zone == zone, zones.c.closed_at.is_(None))
                .values(closed_at=to_microseconds(now), closed_by=core.actor)
            ).rowcount
            if not changed:
                raise InvalidArgument(
                    f"the zone {zone!r} of site {site!r} is not open", hint="Watchlist.zones.list() shows which are"
                )
            core.audit(connection, AuditAction.CLOSE_ZONE, AuditOutcome.DONE, {"site": site, "zone": zone}, now=now)


def suspensions_of(core: Core) -> tuple[Suspension, ...]:
    """The suspensions that are not lifted; see :meth:`facematch.watchlist.Watchlist.suspensions`."""
    return core.configuration().suspensions


def suspend(core: Core, reason: str, site: str | None, zone: str | None) -> Suspension:
    """Suspend identification; see :meth:`facematch.watchlist.Watchlist.suspend`."""
    with core.operation(AuditAction.SUSPEND):
        check_text(reason, "reason")
        if site is not None:
            check_site(site)
        if zone is not None:
            check_name(zone, "a zone")
            if site is None:
                raise InvalidArgument("a zone belongs to a site", hint="name the site as well: site=...")
        with core.changing() as connection:
            now = core.now()
            result = connection.execute(
                insert(suspensions).values(
                    site=site, zone=zone, reason=reason, since=to_microseconds(now), actor=core.actor
                )
            )
            number = new_key(result.inserted_primary_key)
            details = {"suspension": number, "site": site, "zone": zone, "reason": reason}
            core.audit(connection, AuditAction.SUSPEND, AuditOutcome.DONE, details, now=now)
    return Suspension(number, site, zone, reason, now, core.actor, ())


def resume(core: Core, suspension_id: int) -> bool:
    """Ask to lift a suspension, or agree to it; see :meth:`facematch.watchlist.Watchlist.resume`."""
    with core.operation(AuditAction.RESUME), core.changing() as connection:
        now = core.now()
        standing = core.standing(connection)
        found = next((item for item in standing.suspensions if item.suspension_id == suspension_id), None)
        if found is None:
            raise InvalidArgument(
                f"there is no suspension {suspension_id!r}",
                hint="Watchlist.suspensions() lists them with their numbers",
            )
        for person in found.resume_asked_by:
            check_other_person(person, core.actor, "the second word on lifting a suspension")
        still = [p for p in found.resume_asked_by if permitted(standing.roles.get(p, ()), AuditAction.RESUME)]
        people = (*still, core.actor)  # who has lost the role meanwhile does not count
        policy = standing.policy(now).policy
        needed = policy.people_to_resume.count
        lifted = needed is None or len(people) >= needed
        change: dict[str, object] = {"resume_asked_by": json.dumps(people)}
        if lifted:
            policy.check(ResumeRequest(people=people))
            change |= {"lifted_by": core.actor, "lifted_at": to_microseconds(now)}
        connection.execute(update(suspensions).where(suspensions.c.id == suspension_id).values(**change))
        details = {"suspension": suspension_id, "lifted": lifted, "people": list(people)}
        core.audit(connection, AuditAction.RESUME, AuditOutcome.DONE, details, now=now)
    return lifted
