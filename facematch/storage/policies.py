"""SQL of policies."""

from __future__ import annotations

from datetime import datetime

import rfc8785
from sqlalchemy import Connection, insert

from facematch.governance import to_microseconds
from facematch.governance.policy import Policy
from facematch.storage.schema import policies
from facematch.storage.sql import new_key

__all__ = ["add_policy"]


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
