"""A model whose samples are independent of one another: each is run by itself, and they are shared among threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InferenceError
from facematch.parallel import helpers, shared_out
from facematch.protocols import Session
from facematch.types import FloatArray

__all__ = ["SharingSession"]

_AT_ONCE: Final = 32


class SharingSession:
    """A model that gives each sample to one thread: a :class:`~facematch.protocols.Session`.

    Threads that work on one sample together wait for each other at every layer; threads with samples of their own do
    not, and what a layer leaves is still in the processor's cache when the next one reads it.

    Args:
        alone: The model, in runs of one thread.
        together: The model once more, in runs of all threads, for one sample, or up to a quarter as many as there are
            threads. ``None`` where there is one thread.
        head: What is run on the results of all samples at once; see
            :func:`~facematch.models.convert.splitting.split_head`.

    Attributes:
        at_once: Samples that are best run at once.
    """

    def __init__(self, alone: Session, *, together: Session | None = None, head: Session | None = None) -> None:
        self._alone, self._together, self._head = alone, together, head
        self.name = alone.name
        self.threads = alone.threads if together is None else together.threads
        self.input_shape: tuple[int | str, ...] = ("batch", *alone.input_shape[1:])
        self.output_names = alone.output_names if head is None else head.output_names
        self.at_once = _AT_ONCE

    def describe(self) -> str:
        """Runtime that runs the model."""
        return self._alone.describe()

    def run(self, values: NDArray[np.generic]) -> dict[str, FloatArray]:
        """Run the model; see :meth:`~facematch.protocols.Session.run`."""
        if not len(values):
            raise InferenceError(f"{self.name} was given no sample", hint="give it one or more")
        answers: list[dict[str, FloatArray]] = [{} for _ in values]
        threads = min(self.threads, helpers() + 1)
        few = len(values) == 1 or 4 * len(values) <= threads
        session = self._together if few and self._together is not None else self._alone

        def work(samples: Iterator[int]) -> None:
            for sample in samples:
                answers[sample] = session.run(values[sample : sample + 1])

        wanted = 1 if session is self._together else min(threads, len(values))
        shared_out(range(len(values)), work, wanted=wanted)
        outputs = {name: np.concatenate([np.atleast_1d(answer[name]) for answer in answers]) for name in answers[0]}
        if self._head is None:
            return outputs
        (between,) = outputs.values()
        return self._head.run(between)
