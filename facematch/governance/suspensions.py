"""Suspensions: standing orders that identification stops somewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from facematch.types import PlainResult

__all__ = ["Lift", "Suspension"]


@dataclass(frozen=True, slots=True)
class Suspension(PlainResult):
    """Suspension of identification, everywhere or at one site or zone.

    Attributes:
        suspension_id: Its number.
        site: The site; ``None`` for every site.
        zone: The zone of the site; ``None`` for all of it.
        reason: Why.
        since: From when on, UTC.
        actor: Who suspended.
        resume_asked_by: Who asked to lift it so far; the policy says how many people it takes, at least two.
    """

    suspension_id: int
    site: str | None
    zone: str | None
    reason: str
    since: datetime
    actor: str
    resume_asked_by: tuple[str, ...]

    def concerns(self, site: str | None, zone: str | None) -> bool:
        """Whether a search at ``site`` and ``zone`` is suspended; one that names no place is suspended by any."""
        if self.site is not None and site is not None and self.site != site:
            return False
        return self.zone is None or zone is None or self.zone == zone

    def where(self) -> str:
        """The place in words."""
        if self.site is None:
            return "everywhere"
        return f"at site {self.site!r}" + ("" if self.zone is None else f", zone {self.zone!r}")


@dataclass(frozen=True, slots=True)
class Lift(PlainResult):
    """Answer to a request to lift a suspension.

    Attributes:
        suspension_id: Its number.
        lifted: Whether it is lifted now.
        people: Actors who asked for it so far, oldest first.
    """

    suspension_id: int
    lifted: bool
    people: tuple[str, ...]
