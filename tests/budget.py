"""The time a test may take: processor seconds of its process and the children it waited for, fair on a busy machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

__all__ = ["LIMIT_S", "held_to_the_limit"]

LIMIT_S = float(os.environ.get("FACEMATCH_TESTS_LIMIT_S", "8"))
"""Processor seconds that a test may take unless it is marked ``slow``; a fixture, which many share, twice as many.

They are seconds of a machine that does the work of :func:`_slowdown` in ``_WORK_S``; a slower one is given more.
"""
_WORK_S = 0.1


@contextmanager
def held_to_the_limit(item: pytest.Item, what: str, limit_s: float) -> Iterator[None]:
    """Fail a test of which a part took longer than its limit, unless it is marked ``slow``.

    Args:
        item: The test.
        what: The part that is measured, for the message.
        limit_s: Processor seconds that it may take.
    """
    before = _processor_seconds()
    yield
    taken = _processor_seconds() - before
    if taken > limit_s and item.get_closest_marker("slow") is None and taken > limit_s * _slowdown():
        pytest.fail(
            f"the {what} took {taken:.1f} s of processor time, more than {limit_s:g} s: make it shorter, or mark it "
            "slow and leave a short variant of it (FACEMATCH_TESTS_LIMIT_S sets the limit)",
            pytrace=False,
        )


def _slowdown() -> float:
    """How many times longer than ``_WORK_S`` this machine takes now for a fixed piece of work; at least 1."""
    begun, total = time.process_time(), 0
    for number in range(2_000_000):
        total += number * number % 7
    return max(1.0, (time.process_time() - begun) / _WORK_S)


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
