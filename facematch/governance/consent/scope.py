"""Validity and scope of consent records, and the states of their subjects: the one definition of each.

Times are whole microseconds since 1970-01-01T00:00:00Z. The gallery applies the same rules to NumPy columns
(:meth:`facematch.gallery.snapshot.Snapshot.scope`); a property test holds that both agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, Literal, Protocol

from facematch.governance.consent.states import OPEN_STATES

__all__ = ["OPEN_STATE_NAMES", "ConsentStatus", "SubjectState", "covers", "in_force", "overlaps", "subject_state"]

OPEN_STATE_NAMES: Final = frozenset(state.value for state in OPEN_STATES)
"""Names of the states that allow processing."""

SubjectState = Literal["active", "pending", "expired", "withdrawn", "restricted", "requested"]
"""State of a subject for a search; see :attr:`facematch.types.SubjectRecord.state`."""


class ConsentStatus(Protocol):
    """Facts of a consent record that a subject's state depends on."""

    @property
    def is_open(self) -> bool:
        """Whether the record's state allows processing."""
        ...

    @property
    def valid_from(self) -> int:
        """Begin of validity, microseconds."""
        ...

    @property
    def valid_until(self) -> int:
        """End of validity, microseconds; 0 where consent was never given."""
        ...

    @property
    def active_templates(self) -> int:
        """Number of approved templates that stand on the record."""
        ...


def in_force(*, is_open: bool, valid_from: int, valid_until: int, moment: int) -> bool:
    """Whether a record allows processing at a moment: in an open state, begun, and not ended."""
    return is_open and valid_from <= moment < valid_until


def covers(
    purposes: Collection[str],
    sites: Collection[str],
    zones: Collection[str],
    *,
    purpose: str,
    site: str | None,
    zone: str | None,
) -> bool:
    """Whether a record's scope covers a search.

    A record without sites covers every site and searches without one; a record with sites covers only searches that
    name one of them. The same holds for zones.
    """
    return purpose in purposes and (not sites or site in sites) and (not zones or zone in zones)


def overlaps(
    purposes: Collection[str], sites: Collection[str], other_purposes: Collection[str], other_sites: Collection[str]
) -> bool:
    """Whether some search could reach records of both scopes."""
    together = not sites or not other_sites or not set(sites).isdisjoint(other_sites)
    return together and not set(purposes).isdisjoint(other_purposes)


def subject_state(records: Iterable[ConsentStatus], moment: int, *, restricted: bool) -> SubjectState:
    """The state of a subject.

    Args:
        records: The subject's consent records.
        moment: Microseconds.
        restricted: Whether the reference is contested.
    """
    found = list(records)
    if restricted:
        return "restricted"
    still_open = [item for item in found if item.is_open]
    current = [item for item in still_open if _in_force(item, moment)]
    if any(item.active_templates for item in current):
        return "active"
    if current or any(moment < item.valid_from for item in still_open):
        return "pending"
    if still_open:
        return "expired"
    return "withdrawn" if any(item.valid_until for item in found) else "requested"


def _in_force(record: ConsentStatus, moment: int) -> bool:
    return in_force(is_open=record.is_open, valid_from=record.valid_from, valid_until=record.valid_until, moment=moment)
