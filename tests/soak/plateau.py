"""What a process holds while it works, sampled, and whether it goes on growing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np


def resident() -> int:
    """Memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def handles() -> int:
    """Open files of this process."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - one number, often


class Plateau(threading.Thread):
    """Samples a quantity until it is told to end.

    Args:
        quantity: What is sampled.
        seconds: About how long it will run; some 400 samples are taken in that time.
    """

    def __init__(self, quantity: Callable[[], int], seconds: float) -> None:
        super().__init__(daemon=True)
        self.samples: list[int] = []
        self._quantity, self._pause = quantity, max(seconds / 400, 0.05)
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._pause):
            self.samples.append(self._quantity())

    def end(self) -> None:
        self._over.set()
        self.join()

    def assert_flat(self, factor: float, spare: int = 0) -> None:
        """The last third after warming up holds no more than ``factor`` times the first, and ``spare``."""
        warm = self.samples[len(self.samples) // 5 :]
        third = len(warm) // 3
        assert third >= 10
        first, last = float(np.median(warm[:third])), float(np.median(warm[-third:]))
        assert last <= factor * first + spare, f"{self._quantity.__name__} grew from {first:,.0f} to {last:,.0f}"
