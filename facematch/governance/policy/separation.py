"""Separation of duties: which roles a policy lets no single actor hold."""

from __future__ import annotations

from collections.abc import Iterable

from facematch.errors import SeparationOfDuties
from facematch.governance.policy.policy import Policy

__all__ = ["check_separation"]


def check_separation(roles: Iterable[str], policy: Policy) -> None:
    """Refuse a set of roles that the policy lets no single actor hold.

    Raises:
        SeparationOfDuties: The policy separates two of them, or does not say which it separates.
    """
    refusal = policy.separate_roles.refusal(frozenset(roles))
    if refusal is not None:
        raise SeparationOfDuties(refusal.message, hint=refusal.hint)
