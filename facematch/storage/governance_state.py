"""Governance state of the database at one generation: policies, roles, open zones, suspensions."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from facematch.errors import DatabaseCorrupt, FacematchError, Suspended
from facematch.governance import from_microseconds
from facematch.governance.policy import Policy, PolicyVersion, PolicyVersions
from facematch.governance.roles import Role
from facematch.governance.suspensions import Suspension
from facematch.storage.encryption import SubjectCipher
from facematch.storage.forks import watch
from facematch.storage.integrity.governance_mac import check_governance_mac
from facematch.storage.schema import actor_roles, policies, suspensions, zones
from facematch.storage.sql import generation_of

__all__ = ["GovernanceState", "GovernanceStateCache"]

_RESTORE = "restore the database from a backup"


@dataclass(frozen=True, slots=True)
class GovernanceState:
    """Governance state (policies, roles, zones, suspensions) at one database generation.

    Attributes:
        generation: The generation.
        timeline: The policies and from when on they rule.
        roles: Actor to roles.
        zones: Sites and zones that are open.
        suspensions: The suspensions that are not lifted.
    """

    generation: int
    timeline: PolicyVersions
    roles: dict[str, frozenset[Role]]
    zones: frozenset[tuple[str, str]]
    suspensions: tuple[Suspension, ...]

    def policy(self, now: datetime) -> PolicyVersion:
        """The policy that rules at a moment.

        Raises:
            DatabaseCorrupt: None ever did.
        """
        found = self.timeline.in_force(now)
        if found is None:
            if not self.timeline.versions:
                raise DatabaseCorrupt("the database has lost its policies", hint=_RESTORE)
            return self.timeline.versions[0]  # a clock that was put back does not leave the watchlist without a policy
        return found

    def check_not_suspended(self, site: str | None, zone: str | None) -> None:
        """Refuse where identification is suspended.

        Raises:
            Suspended: It is.
        """
        for suspension in self.suspensions:
            if suspension.concerns(site, zone):
                raise Suspended(
                    f"identification is suspended {suspension.where()} since {suspension.since.isoformat()}",
                    hint="two people together can lift it with Watchlist.suspensions.lift()",
                )


class GovernanceStateCache:
    """Reads the governance state of a generation once, and checks its MAC.

    Args:
        cipher: Knows the key of the MAC.
    """

    def __init__(self, cipher: SubjectCipher) -> None:
        self._cipher = cipher
        self._lock = threading.Lock()
        self._kept: GovernanceState | None = None
        watch(self)

    def before_fork(self) -> None:
        """Nothing is held open."""

    def after_fork_in_child(self, *, threads: bool) -> None:  # noqa: ARG002 - a value is kept whole or not at all
        """Replace the lock."""
        self._lock = threading.Lock()

    def at(self, connection: Connection) -> GovernanceState:
        """The governance state that the transaction of ``connection`` sees.

        Raises:
            DatabaseCorrupt: A table is damaged.
        """
        generation = generation_of(connection)
        with self._lock:
            if self._kept is not None and self._kept.generation == generation:
                return self._kept
        check_governance_mac(connection, self._cipher)
        made = _read(connection, generation)
        with self._lock:
            if self._kept is None or self._kept.generation <= generation:
                self._kept = made
        return made

    def forget(self) -> None:
        """Drop it; a transaction that changed a table and did not commit must not leave it behind."""
        with self._lock:
            self._kept = None


def _read(connection: Connection, generation: int) -> GovernanceState:
    try:
        versions = [
            PolicyVersion(
                version=row.version,
                policy=Policy.from_dict(json.loads(row.document)),
                effective_from=from_microseconds(row.effective_from),
                set_at=from_microseconds(row.set_at),
                actor=row.actor,
                digest=row.digest,
            )
            for row in connection.execute(select(policies).order_by(policies.c.version))
        ]
        roles: dict[str, set[Role]] = {}
        for row in connection.execute(select(actor_roles.c.actor, actor_roles.c.role)):
            roles.setdefault(row.actor, set()).add(Role(row.role))
        lifted = suspensions.c.lifted_at.is_(None)
        return GovernanceState(
            generation=generation,
            timeline=PolicyVersions(versions),
            roles={actor: frozenset(held) for actor, held in roles.items()},
            zones=frozenset(
                (row.site, row.zone)
                for row in connection.execute(select(zones.c.site, zones.c.zone).where(zones.c.closed_at.is_(None)))
            ),
            suspensions=tuple(
                Suspension(
                    row.id,
                    row.site,
                    row.zone,
                    row.reason,
                    from_microseconds(row.since),
                    row.actor,
                    tuple(json.loads(row.resume_asked_by)) if row.resume_asked_by else (),
                )
                for row in connection.execute(select(suspensions).where(lifted).order_by(suspensions.c.id))
            ),
        )
    except (ValueError, TypeError, FacematchError) as error:
        raise DatabaseCorrupt("a table of the watchlist's governance is damaged", hint=_RESTORE) from error
