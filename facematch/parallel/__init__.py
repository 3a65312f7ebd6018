"""How many processors there are for this process, and how work is shared among them."""

from __future__ import annotations

from facematch.parallel.cpus import usable_cpus
from facematch.parallel.sharing import helpers, shared_out

__all__ = ["helpers", "shared_out", "usable_cpus"]
