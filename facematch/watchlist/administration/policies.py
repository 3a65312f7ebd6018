"""Policies of a watchlist: versioned, effective-dated, never changed; the history answers what ruled when."""

from __future__ import annotations

from datetime import datetime
from os import PathLike

from facematch.errors import InvalidArgument
from facematch.governance import AuditAction, to_utc
from facematch.governance.policy import Policy, PolicyVersion, RoleRequest
from facematch.governance.policy.separation import check_separation
from facematch.governance.roles import Role
from facematch.storage.policies import add_policy
from facematch.watchlist.session import Session

__all__ = ["Policies"]


class Policies:
    """The policies of a watchlist; reach it as ``Watchlist.policies``.

    Args:
        session: The actor's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def current(self) -> PolicyVersion:
        """The policy in force now."""
        return self.at(self._session.resources.now())

    def at(self, moment: datetime) -> PolicyVersion:
        """The policy that ruled, or will rule, at a moment.

        Args:
            moment: Timezone-aware.

        Raises:
            InvalidArgument: The moment has no timezone, or lies before the first policy.
        """
        when = to_utc(moment, "moment")
        found = self._session.configuration().timeline.in_force(when)
        if found is None:
            raise InvalidArgument(
                f"no policy ruled at {when.isoformat()}",
                hint="Watchlist.policies.list() says since when there is one",
            )
        return found

    def list(self) -> tuple[PolicyVersion, ...]:
        """All versions, oldest first."""
        return tuple(self._session.configuration().timeline.versions)

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
        with self._session.operation(AuditAction.SET_POLICY) as operation:
            wanted = policy if isinstance(policy, Policy) else Policy.load(policy)
            with operation.write() as tx:
                start = tx.now if effective_from is None else to_utc(effective_from, "effective_from")
                if start < tx.now:
                    raise InvalidArgument(
                        "a policy cannot rule the past", hint="leave effective_from out, or name a moment to come"
                    )
                for held in tx.governance.roles.values():
                    if Role.OWNER not in held:  # the first person has to be able to set it at all
                        check_separation(RoleRequest(roles=held), wanted)
                version = add_policy(tx.connection, wanted, effective_from=start, now=tx.now, actor=tx.actor)
                tx.begin_generation()
                tx.audit({"version": version, "digest": wanted.digest, "effective_from": start.isoformat()})
        return PolicyVersion(
            version=version,
            policy=wanted,
            effective_from=start,
            set_at=tx.now,
            actor=tx.actor,
            digest=wanted.digest,
        )
