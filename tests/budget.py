"""The time a test may take: processor seconds of its process and the children it waited for, fair on a busy machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

__all__ = ["LIMIT_S", "held_to_the_limit"]

LIMIT_S = float(os.environ.get("FACEMATCH_TESTS_LIMIT_S", "5"))
"""Processor seconds that a test may take unless it is marked ``slow``; a fixture, which many share, twice as many."""


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
    if taken > limit_s and item.get_closest_marker("slow") is None:
        pytest.fail(
            f"the {what} took {taken:.1f} s of processor time, more than {limit_s:g} s: make it shorter, or mark it "
            "slow and leave a short variant of it (FACEMATCH_TESTS_LIMIT_S sets the limit)",
            pytrace=False,
        )


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
