"""The states of a consent record and the transitions between them.

::

    REQUESTED ──▶ GIVEN ◀──▶ RENEWED
        │           │           │
        ▼           └─────┬─────┘
     REFUSED              ▼
              WITHDRAWN | REVOKED | EXPIRED | INVALIDATED

A renewed consent may be renewed again. Only GIVEN and RENEWED allow processing. The last four and REFUSED are final:
after a change of mind the subject gives a new record.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

__all__ = ["OPEN_STATES", "TRANSITIONS", "ConsentState"]


class ConsentState(StrEnum):
    """State of a consent record."""

    REQUESTED = "REQUESTED"
    """Asked for, not answered yet."""
    GIVEN = "GIVEN"
    """Given by the subject; allows processing."""
    REFUSED = "REFUSED"
    """The subject said no."""
    RENEWED = "RENEWED"
    """Given again before it ended; allows processing."""
    WITHDRAWN = "WITHDRAWN"
    """Ended by the subject."""
    REVOKED = "REVOKED"
    """Ended by the controller."""
    EXPIRED = "EXPIRED"
    """Ended by time."""
    INVALIDATED = "INVALIDATED"
    """Found out not to have been valid."""


OPEN_STATES: frozenset[ConsentState] = frozenset({ConsentState.GIVEN, ConsentState.RENEWED})
"""The states that allow processing."""

_ENDS = frozenset({ConsentState.WITHDRAWN, ConsentState.REVOKED, ConsentState.EXPIRED, ConsentState.INVALIDATED})
_NONE: frozenset[ConsentState] = frozenset()

TRANSITIONS: Mapping[ConsentState, frozenset[ConsentState]] = MappingProxyType(
    {
        ConsentState.REQUESTED: frozenset({ConsentState.GIVEN, ConsentState.REFUSED}),
        ConsentState.GIVEN: _ENDS | {ConsentState.RENEWED},
        ConsentState.RENEWED: _ENDS | {ConsentState.GIVEN, ConsentState.RENEWED},
        ConsentState.REFUSED: _NONE,
        ConsentState.WITHDRAWN: _NONE,
        ConsentState.REVOKED: _NONE,
        ConsentState.EXPIRED: _NONE,
        ConsentState.INVALIDATED: _NONE,
    }
)
"""The states that may follow each state."""
