"""Policies in the database: versioned, effective-dated, never changed; the history answers what ruled when."""

from __future__ import annotations

from datetime import datetime
from os import PathLike

import rfc8785
from sqlalchemy import Connection, insert

from facematch.errors import InvalidArgument
from facematch.governance import AuditAction, AuditOutcome, to_microseconds, to_utc
from facematch.governance.policy import Policy, PolicyVersion
from facematch.governance.roles import Role, check_separation
from facematch.storage.schema import policies
from facematch.storage.subjects import new_key
from facematch.watchlist.session import Core

__all__ = ["Policies", "add_policy"]


def add_policy(connection: Connection, policy: Policy, *, effective_from: datetime, now: datetime, actor: str) -> int:
    """Store a policy and return its version."""
    result = connection.execute(
        insert(policies).values(
            digest=policy.digest,
            document=rfc8785.dumps(policy.to_dict()).decode(),
            effective_from=to_microseconds(effective_from),
            set_at=to_microseconds(now),
            actor=actor,
        )
    )
    return new_key(result.inserted_primary_key)


class Policies:
    """The policies of a watchlist; reach it as ``Watchlist.policies``.

    Args:
        core: The open watchlist.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def current(self) -> PolicyVersion:
        """The policy in force now."""
        return self.at(self._core.now())

    def at(self, moment: datetime) -> PolicyVersion:
        """The policy that ruled, or will rule, at a moment.

        Args:
            moment: Timezone-aware.

        Raises:
            InvalidArgument: The moment has no timezone, or lies before the first policy.
        """
        when = to_utc(moment, "moment")
        found = self._core.configuration().timeline.in_force(when)
        if found is None:
            raise InvalidArgument(
                f"no policy ruled at {when.isoformat()}",
                hint="Watchlist.policies.history() says since when there is one",
            )
        return found

    def history(self) -> tuple[PolicyVersion, ...]:
        """All versions, oldest first."""
        return tuple(self._core.configuration().timeline.versions)

    def set(self, policy: Policy | str | PathLike[str], *, effective_from: datetime | None = None) -> PolicyVersion:
        """Put a policy in force, with the next search of every process.

        Args:
            policy: The policy, or the path of its YAML or TOML file.
            effective_from: From when on, not in the past; default now.

        Raises:
            PolicyInvalid: The document is malformed.
            SeparationOfDuties: An actor holds roles together that it separates; take one of them first.
            InvalidArgument: The moment lies in the past.
            AccessDenied: No role of the actor permits it.
            AuditError: The audit entry could not be written; nothing changed.
        """
        core = self._core
        with core.operation(AuditAction.SET_POLICY):
            wanted = policy if isinstance(policy, Policy) else Policy.load(policy)
            with core.changing() as connection:
                now = core.now()
                start = now if effective_from is None else to_utc(effective_from, "effective_from")
                if start < now:
                    raise InvalidArgument(
                        "a policy cannot rule the past", hint="leave effective_from out, or name a moment to come"
                    )
                for held in core.standing(connection).roles.values():
                    if Role.OWNER not in held:  # the first person has to be able to set it at all
                        check_separation(held, wanted)
                version = add_policy(connection, wanted, effective_from=start, now=now, actor=core.actor)
                details = {"version": version, "digest": wanted.digest, "effective_from": start.isoformat()}
                core.audit(connection, AuditAction.SET_POLICY, AuditOutcome.DONE, details, now=now)
        return PolicyVersion(
            version=version,
            policy=wanted,
            effective_from=start,
            set_at=now,
            actor=core.actor,
            digest=wanted.digest,
        )
