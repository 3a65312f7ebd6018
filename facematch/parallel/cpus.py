"""Processors that this process may use."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

__all__ = ["usable_cpus"]

_CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = _CGROUP) -> int:
    """Processors that this process may use, at least 1.

    The smaller of the scheduler affinity and the container's CPU quota (``cpu.max`` of cgroup v2, ``cpu.cfs_*`` of
    v1), rounded up: a process in a two-processor container on a large host gets 2, not the host's number.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, affinity if quota is None else min(affinity, math.ceil(quota)))


@cache  # asked for with every search
def _quota(cgroup: Path) -> float | None:
    try:
        if (unified := cgroup / "cpu.max").is_file():
            limit, period = unified.read_text("ascii").split()[:2]
        else:
            limit = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text("ascii").strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text("ascii").strip()
        if limit in {"max", "-1"}:
            return None
        return int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
