"""Sessions that keep the time of their runs, to tell the models' share from everything else's."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from facematch.models import SessionOptions, samples_at_once
from facematch.protocols import Session
from facematch.types import FloatArray

__all__ = ["Clocked", "ClockedSessions"]


class Clocked:
    """A session that adds up what its runs take: a :class:`~facematch.protocols.Session`.

    Args:
        session: The session that really runs.

    Attributes:
        seconds: Time of all runs.
        runs: Their number.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.name, self.threads = session.name, session.threads
        self.input_shape, self.output_names = session.input_shape, session.output_names
        self.at_once = samples_at_once(session)
        self.seconds, self.runs = 0.0, 0

    def describe(self) -> str:
        """What really runs the model."""
        return self._session.describe()

    def run(self, values: NDArray[np.generic]) -> dict[str, FloatArray]:
        """Run the model and keep the time."""
        start = time.perf_counter()
        try:
            return self._session.run(values)
        finally:
            self.seconds += time.perf_counter() - start
            self.runs += 1


@dataclass(frozen=True)
class ClockedSessions(SessionOptions):
    """Session options whose sessions keep the time.

    Attributes:
        opened: The sessions so far, by the name of their model; options made of these share them.
    """

    opened: dict[str, list[Clocked]] = field(default_factory=dict, compare=False)

    def open(self, model: bytes, name: str) -> Session:
        """Load a model; see :meth:`SessionOptions.open`."""
        return self._clocked(super().open(model, name), name)

    def open_sharing(self, model: bytes, name: str) -> Session:
        """Load a model; see :meth:`SessionOptions.open_sharing`. Its parts are clocked together."""
        plain = SessionOptions(**{each.name: getattr(self, each.name) for each in fields(SessionOptions)})
        return self._clocked(plain.open_sharing(model, name), name)

    def _clocked(self, session: Session, name: str) -> Session:
        clocked = Clocked(session)
        self.opened.setdefault(name, []).append(clocked)
        return clocked

    def reset(self) -> None:
        """Begin anew."""
        for clocked in self._all():
            clocked.seconds, clocked.runs = 0.0, 0

    def seconds(self, name: str) -> float:
        """Time of all runs of a model since :meth:`reset`."""
        return sum(clocked.seconds for clocked in self.opened[name])

    def runs(self) -> int:
        """Number of runs of all models since :meth:`reset`."""
        return sum(clocked.runs for clocked in self._all())

    def _all(self) -> list[Clocked]:
        return [clocked for some in self.opened.values() for clocked in some]
