"""The policy's decision on an alert."""

from __future__ import annotations

from facematch.errors import InvalidArgument
from facematch.governance.policy import AlertRequest
from facematch.watchlist.session import Session

__all__ = ["alert_refusal"]


def alert_refusal(session: Session, *, frames: int, cameras: int, policy_version: int) -> str | None:
    """Why a policy refuses an alert; see :meth:`facematch.watchlist.Watchlist.alert_refusal`."""
    versions = session.configuration().timeline.versions
    asked = next((version for version in versions if version.version == policy_version), None)
    if asked is None:
        raise InvalidArgument(
            f"the watchlist has no policy version {policy_version!r}",
            hint="Watchlist.policies.list() lists the versions; an answer names its own",
        )
    refusals = asked.policy.refusals(AlertRequest(frames=frames, cameras=cameras))
    return "; ".join(f"{refusal.rule}: {refusal.message}" for refusal in refusals) or None
