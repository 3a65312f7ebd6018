"""Versions of a policy, effective-dated: the policy in force at any moment, also a past one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from facematch.errors import InvalidArgument, PolicyInvalid
from facematch.governance.names import check_name
from facematch.governance.policy.policy import Policy
from facematch.governance.time import to_utc

__all__ = ["PolicyVersion", "PolicyVersions"]


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """Version of a policy.

    Attributes:
        version: Number, from 1, in the order of setting.
        policy: The policy.
        effective_from: From when it rules, UTC; never before it was set, so the past stays as it was.
        set_at: When it was set, UTC.
        actor: Who set it.
        digest: Digest of the policy as it was set.

    Raises:
        InvalidArgument: A value is malformed, or the version would rule before it was set.
        PolicyInvalid: The digest is not the policy's.
    """

    version: int
    policy: Policy
    effective_from: datetime
    set_at: datetime
    actor: str
    digest: str

    def __post_init__(self) -> None:
        if self.version < 1:
            raise InvalidArgument(f"a policy version is counted from 1, got {self.version}", hint="count from 1")
        check_name(self.actor, "actor")
        for name in ("effective_from", "set_at"):
            object.__setattr__(self, name, to_utc(getattr(self, name), name))
        if self.effective_from < self.set_at:
            raise InvalidArgument(
                f"policy version {self.version} would rule from {self.effective_from.isoformat()}, before it was set",
                hint="let it rule from the present or a later moment: what ruled in the past cannot be changed",
            )
        if self.digest != self.policy.digest:
            raise PolicyInvalid(
                f"policy version {self.version} has the digest {self.policy.digest[:12]}, "
                f"and was set with {self.digest[:12]}",
                hint="the stored policy was changed; restore a backup",
            )

    def to_dict(self) -> dict[str, Any]:
        """The version as plain data, ready for JSON, with the whole policy."""
        return {
            "version": self.version,
            "title": self.policy.title,
            "digest": self.digest,
            "effective_from": self.effective_from.isoformat(),
            "set_at": self.set_at.isoformat(),
            "actor": self.actor,
            "document": self.policy.to_dict(),
        }


class PolicyVersions:
    """Versions of a policy by their effective dates.

    Args:
        versions: In any order; numbers must not repeat.

    Raises:
        InvalidArgument: Two versions have one number.
    """

    def __init__(self, versions: Iterable[PolicyVersion] = ()) -> None:
        self._versions = tuple(sorted(versions, key=lambda version: version.version))
        numbers = [version.version for version in self._versions]
        if len(set(numbers)) != len(numbers):
            raise InvalidArgument("two policy versions have the same number", hint="count them from 1")

    @property
    def versions(self) -> tuple[PolicyVersion, ...]:
        """All versions by number."""
        return self._versions

    def in_force(self, at: datetime) -> PolicyVersion | None:
        """Version in force at a moment: of those effective by then, the one that was set last.

        So a version that is set now takes the place of one that was set before and waits for its day.

        Args:
            at: The moment, timezone-aware.

        Returns:
            The version, or ``None`` before the first.

        Raises:
            InvalidArgument: ``at`` has no timezone.
        """
        moment = to_utc(at, "at")
        begun = (version for version in self._versions if version.effective_from <= moment)
        return max(begun, key=lambda version: version.version, default=None)

    def policy_at(self, at: datetime) -> Policy:
        """Policy in force at a moment; before the first version the empty one, which refuses everything.

        Raises:
            InvalidArgument: ``at`` has no timezone.
        """
        version = self.in_force(at)
        return Policy() if version is None else version.policy
