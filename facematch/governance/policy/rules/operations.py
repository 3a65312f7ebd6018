"""Rules of operation: lifting of suspensions, retention, separation of duties."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field

from facematch.governance.names import same_name
from facematch.governance.policy.requests import KeepRequest, Kept, ResumeRequest, RoleRequest
from facematch.governance.policy.rules.base import Refusal, Rule, unset
from facematch.governance.roles import Role

__all__ = ["MIN_AUDIT_DAYS", "PeopleToResume", "Retention", "SeparateRoles"]


class PeopleToResume(Rule):
    """Number of people who have to agree to lift a suspension.

    Attributes:
        count: Distinct people, from 2: no policy lets one person do it. ``None`` refuses to resume.
    """

    concerns: ClassVar[tuple[type, ...]] = (ResumeRequest,)

    count: Annotated[int, Field(strict=True, ge=2, le=10)] | None = None

    def check(self, request: object) -> Refusal | None:
        """Refuses to lift a suspension that too few people agreed to lift."""
        if not isinstance(request, ResumeRequest):
            return None
        if self.count is None:
            return unset(self, "a number of people")
        people: list[str] = []
        for person in request.people:
            if not any(same_name(person, other) for other in people):
                people.append(person)
        if len(people) >= self.count:
            return None
        return self.refuse(
            f"{len(people)} of {self.count} distinct people agreed to resume",
            "let another person agree",
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        if self.count is None:
            return "A suspension cannot be lifted, because the policy sets no number of people."
        return f"Lifting a suspension takes {self.count} distinct people."


MIN_AUDIT_DAYS: Final = 183
"""Shortest retention of audit entries, in days: six months."""

_MOST_DAYS: Final = 3660


class Retention(Rule):
    """Retention periods of references, pending enrollments and audit entries.

    Attributes:
        erase_after_end_days: Days from the end of the consent until the reference is erased; 0 erases at once.
        pending_days: Days until an enrollment that was not approved is erased.
        audit_days: Days that audit entries keep their content, at least 183; ``None`` keeps it for good.
    """

    concerns: ClassVar[tuple[type, ...]] = (KeepRequest,)

    erase_after_end_days: Annotated[int, Field(strict=True, ge=0, le=_MOST_DAYS)] = 0
    pending_days: Annotated[int, Field(strict=True, ge=0, le=_MOST_DAYS)] = 0
    audit_days: Annotated[int, Field(strict=True, ge=MIN_AUDIT_DAYS, le=10 * _MOST_DAYS)] | None = None

    def deadline(self, kept: Kept, since: datetime) -> datetime:
        """Moment from which a reference or pending enrollment may be kept no longer.

        Args:
            kept: What is kept.
            since: When its time began, timezone-aware; see :class:`KeepRequest`.
        """
        return since + timedelta(days=self.erase_after_end_days if kept == "reference" else self.pending_days)

    def prune_before(self, now: datetime) -> datetime | None:
        """Moment before which audit entries lose their content; ``None`` where they keep it for good.

        Args:
            now: The moment, timezone-aware.
        """
        return None if self.audit_days is None else now - timedelta(days=self.audit_days)

    def check(self, request: object) -> Refusal | None:
        """Refuses to keep what is past its deadline."""
        if not isinstance(request, KeepRequest):
            return None
        deadline = self.deadline(request.kept, request.since)
        if request.now < deadline:
            return None
        return self.refuse(
            f"{request.kept} data had to go at {deadline.isoformat(timespec='seconds')}", "apply the retention"
        )

    def sentence(self) -> str:
        """Statement of the rule."""
        audit = "are never pruned" if self.audit_days is None else f"are kept {self.audit_days} days"
        return (
            f"References are erased {self.erase_after_end_days} days after the consent ended, pending enrollments "
            f"after {self.pending_days} days; audit entries {audit}."
        )


def _sorted_pairs(pairs: tuple[tuple[Role, Role], ...]) -> tuple[tuple[Role, Role], ...]:
    ordered = []
    for first, second in pairs:
        if first is second or Role.OWNER in {first, second}:
            raise ValueError("a pair names two different roles; owner is never one, as it is all of them")
        ordered.append((min(first, second), max(first, second)))
    if len(set(ordered)) != len(ordered):
        raise ValueError("pairs must not repeat")
    return tuple(sorted(ordered))


class SeparateRoles(Rule):
    """Separation of duties.

    Attributes:
        pairs: Pairs of roles that one actor may not unite; an owner unites them all. ``None`` refuses every role.
    """

    concerns: ClassVar[tuple[type, ...]] = (RoleRequest,)

    pairs: Annotated[tuple[tuple[Role, Role], ...], AfterValidator(_sorted_pairs)] | None = None

    def check(self, request: object) -> Refusal | None:
        """Refuses roles that the policy separates."""
        if not isinstance(request, RoleRequest):
            return None
        if self.pairs is None:
            return unset(self, "which roles are separated")
        held = request.roles
        for first, second in self.pairs:
            if Role.OWNER in held or {first, second} <= held:
                who = "an owner" if Role.OWNER in held else "one actor"
                return self.refuse(
                    f"{who} may not be {first} and {second} at once", "give one of the roles to another person"
                )
        return None

    def sentence(self) -> str:
        """Statement of the rule."""
        if self.pairs is None:
            return "No actor may hold a role, because the policy does not say which are separated."
        if not self.pairs:
            return "One actor may hold any roles together."
        return "One actor may not be both: " + "; ".join(f"{first} and {second}" for first, second in self.pairs) + "."
