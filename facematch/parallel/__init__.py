"""Processors of this process, and work that is shared among them."""

from __future__ import annotations

from facematch.parallel.cpus import usable_cpus
from facematch.parallel.sharing import helpers, shared_out

__all__ = ["helpers", "shared_out", "usable_cpus"]
