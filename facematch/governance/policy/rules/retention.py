"""How long data is kept."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, ClassVar, Final

from pydantic import Field

from facematch.governance.policy.requests import KeepRequest, Kept, PruneRequest
from facematch.governance.policy.rules.base import Flag, Refusal, Rule, unset

__all__ = ["MIN_AUDIT_DAYS", "Retention"]

MIN_AUDIT_DAYS: Final = 183
"""Six months: the least that audit entries are kept."""

_MOST_DAYS: Final = 3660


class Retention(Rule):
    """When data has to go, and when audit entries may.

    Attributes:
        erase_after_end_days: Days from the end of the consent until the reference is erased; 0 erases at once.
        pending_days: Days until an enrollment that nobody approved is erased.
        unconfirmed_media_hours: Hours until the media of an alert that nobody confirmed is deleted.
        unconfirmed_media_midnight: Whether it goes at the next midnight in UTC, where that comes first.
        audit_days: Days that audit entries keep their content, at least 183; ``None`` refuses to prune.
    """

    name: ClassVar[str] = "retention"
    concerns: ClassVar[tuple[type, ...]] = (KeepRequest, PruneRequest)

    erase_after_end_days: Annotated[int, Field(strict=True, ge=0, le=_MOST_DAYS)] = 0
    pending_days: Annotated[int, Field(strict=True, ge=0, le=_MOST_DAYS)] = 0
    unconfirmed_media_hours: Annotated[int, Field(strict=True, ge=0, le=24 * _MOST_DAYS)] = 0
    unconfirmed_media_midnight: Flag = True
    audit_days: Annotated[int, Field(strict=True, ge=MIN_AUDIT_DAYS, le=10 * _MOST_DAYS)] | None = None

    def deadline(self, kept: Kept, since: datetime) -> datetime:
        """The moment from which something may be kept no longer.

        Args:
            kept: What is kept.
            since: When its time began, timezone-aware; see :class:`KeepRequest`.
        """
        if kept == "reference":
            return since + timedelta(days=self.erase_after_end_days)
        if kept == "pending":
            return since + timedelta(days=self.pending_days)
        end = since + timedelta(hours=self.unconfirmed_media_hours)
        if not self.unconfirmed_media_midnight:
            return end
        day = since.astimezone(UTC).date() + timedelta(days=1)
        return min(end, datetime.combine(day, time(), UTC))

    def check(self, request: object) -> Refusal | None:
        """Refuses to keep what is past its deadline, and to prune audit entries that are too young."""
        if isinstance(request, KeepRequest):
            deadline = self.deadline(request.kept, request.since)
            if request.now < deadline:
                return None
            return self.refuse(
                f"{request.kept} data had to go at {deadline.isoformat(timespec='seconds')}", "run the sweep"
            )
        if not isinstance(request, PruneRequest):
            return None
        if self.audit_days is None:
            return unset(self, "audit_days")
        latest = request.now - timedelta(days=self.audit_days)
        if request.before <= latest:
            return None
        return self.refuse(
            f"audit entries are kept {self.audit_days} days", f"prune before {latest.isoformat(timespec='seconds')}"
        )

    def sentence(self) -> str:
        """What the rule says."""
        midnight = " or at midnight UTC" if self.unconfirmed_media_midnight else ""
        audit = "are never pruned" if self.audit_days is None else f"are kept {self.audit_days} days"
        return (
            f"References are erased {self.erase_after_end_days} days after the consent ended, pending enrollments "
            f"after {self.pending_days} days, media of unconfirmed alerts after "
            f"{self.unconfirmed_media_hours} hours{midnight}; audit entries {audit}."
        )
