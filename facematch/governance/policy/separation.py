"""Separation of duties: roles that a policy lets no single actor hold together."""

from __future__ import annotations

from facematch.errors import SeparationOfDuties
from facematch.governance.policy.policy import Policy
from facematch.governance.policy.requests import RoleRequest

__all__ = ["check_separation"]


def check_separation(request: RoleRequest, policy: Policy) -> None:
    """Refuse a set of roles that the policy lets no single actor hold.

    Raises:
        SeparationOfDuties: The policy separates two of them, or does not say which it separates.
    """
    refusal = policy.separate_roles.check(request)
    if refusal is not None:
        raise SeparationOfDuties(refusal.message, hint=refusal.hint)
