"""Which roles one actor may not hold together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from facematch.governance.policy.requests import RoleRequest
from facematch.governance.policy.rules.base import Refusal, Rule, unset
from facematch.governance.roles import Role

__all__ = ["SeparateRoles"]


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
    """The separation of duties.

    Attributes:
        pairs: Pairs of roles that one actor may not unite; an owner unites them all. ``None`` refuses every role.
    """

    name: ClassVar[str] = "separate_roles"
    concerns: ClassVar[tuple[type, ...]] = (RoleRequest,)

    pairs: Annotated[tuple[tuple[Role, Role], ...], AfterValidator(_sorted_pairs)] | None = None

    def refusal(self, roles: Iterable[str]) -> Refusal | None:
        """Why one actor may not hold these roles; ``None`` where they may."""
        if self.pairs is None:
            return unset(self, "which roles are separated")
        held = frozenset(roles)
        for first, second in self.pairs:
            if Role.OWNER in held or {first, second} <= held:
                who = "an owner" if Role.OWNER in held else "one actor"
                return self.refuse(
                    f"{who} may not be {first} and {second} at once", "give one of the roles to another person"
                )
        return None

    def check(self, request: object) -> Refusal | None:
        """Refuses roles that the policy separates."""
        return self.refusal(request.roles) if isinstance(request, RoleRequest) else None

    def sentence(self) -> str:
        """What the rule says."""
        if self.pairs is None:
            return "Nobody may hold a role, because the policy does not say which are separated."
        if not self.pairs:
            return "One actor may hold any roles together."
        return "One actor may not be both: " + "; ".join(f"{first} and {second}" for first, second in self.pairs) + "."
