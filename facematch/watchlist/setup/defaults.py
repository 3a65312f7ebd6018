"""Defaults of an opening: an index of the wanted kind, the policy named, the user's login name."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from os import PathLike

from facematch import registry
from facematch.governance.policy import PROFILES, Policy
from facematch.protocols import VectorIndex
from facematch.settings import Settings

__all__ = ["index_factory", "login_name", "named_policy"]


def index_factory(
    index: str | Callable[[int], VectorIndex], memory_budget: int | None = None
) -> Callable[[int], VectorIndex]:
    """Factory of empty indexes of a given dimension.

    Args:
        index: Name of a registered kind, or something that makes one.
        memory_budget: Bytes that a registered kind may take; ``None`` for no limit.

    Raises:
        InvalidArgument: No index of that name is registered.
    """
    if callable(index):
        return index
    if index not in registry.available("facematch.indexes"):
        registry.load("facematch.indexes", index)  # raises, and says what is registered

    def make(dimension: int) -> VectorIndex:
        limit = {} if memory_budget is None else {"memory_budget": memory_budget}
        made: VectorIndex = registry.load("facematch.indexes", index)(dimension, **limit)
        return made

    return make


def named_policy(policy: Policy | str | PathLike[str] | None) -> Policy | None:
    """A policy, by itself, by the name of a packaged profile, or by the path of its document.

    Raises:
        PolicyInvalid: The document is malformed.
    """
    if policy is None or isinstance(policy, Policy):
        return policy
    return Policy.profile(policy) if isinstance(policy, str) and policy in PROFILES else Policy.load(policy)


def login_name(settings: Settings | None) -> str:
    """The actor where none is named: the settings' actor, else the login name."""
    if settings is not None and settings.actor is not None:
        return settings.actor
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid-{os.getuid()}"
