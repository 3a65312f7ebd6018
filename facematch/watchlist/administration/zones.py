"""Camera zones: opened on stated grounds, since consent to enrollment does not cover passers-by."""

from __future__ import annotations

import json

from sqlalchemy import insert, select, update

from facematch.errors import InvalidArgument
from facematch.governance import AuditAction, from_microseconds, to_microseconds
from facematch.governance.policy import ZoneRequest
from facematch.governance.zones import OpenZone, Zone
from facematch.storage.schema import zones
from facematch.watchlist.session import Session

__all__ = ["Zones"]


class Zones:
    """The camera zones of a watchlist; reach it as ``Watchlist.zones``.

    Args:
        session: The actor's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self) -> tuple[OpenZone, ...]:
        """The zones that are open, by site and name."""
        query = select(zones).where(zones.c.closed_at.is_(None)).order_by(zones.c.site, zones.c.zone)
        with self._session.inspection() as (connection, _):
            rows = connection.execute(query).all()
        return tuple(
            OpenZone(Zone.from_dict(json.loads(row.document)), from_microseconds(row.opened_at), row.opened_by)
            for row in rows
        )

    def open(self, zone: Zone) -> OpenZone:
        """Open a zone on grounds of its own.

        Args:
            zone: Site, zone, capture basis, notice and assessment.

        Raises:
            PolicyRefused: The policy does not accept its capture basis.
            InvalidArgument: It is open already.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        with self._session.operation(AuditAction.OPEN_ZONE) as operation, operation.write() as tx:
            tx.policy.policy.check(ZoneRequest(zone=zone))
            if (zone.site, zone.zone) in tx.governance.zones:
                raise InvalidArgument(
                    f"the zone {zone.zone!r} of site {zone.site!r} is open already",
                    hint="close it first to open it on other grounds",
                )
            document = zone.to_dict()
            tx.connection.execute(
                insert(zones).values(
                    site=zone.site,
                    zone=zone.zone,
                    document=json.dumps(document, sort_keys=True),
                    opened_at=to_microseconds(tx.now),
                    opened_by=tx.actor,
                )
            )
            tx.begin_generation()
            tx.audit(document)
        return OpenZone(zone, tx.now, tx.actor)

    def close(self, site: str, zone: str) -> None:
        """Close a zone; from the commit on no search names it.

        Raises:
            InvalidArgument: It is not open.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        with self._session.operation(AuditAction.CLOSE_ZONE) as operation, operation.write() as tx:
            changed = tx.connection.execute(
                update(zones)
                .where(zones.c.site == site, zones.c.zone == zone, zones.c.closed_at.is_(None))
                .values(closed_at=to_microseconds(tx.now), closed_by=tx.actor)
            ).rowcount
            if not changed:
                raise InvalidArgument(
                    f"the zone {zone!r} of site {site!r} is not open", hint="Watchlist.zones.list() shows which are"
                )
            tx.begin_generation()
            tx.audit({"site": site, "zone": zone})
