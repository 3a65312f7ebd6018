"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from facematch import __version__
from facematch.parallel import usable_cpus

__all__ = ["load", "machine_facts", "peak_memory"]


def machine_facts() -> dict[str, Any]:
    """Processor, cores, threads, and versions of what computes; no name of the machine or of its user."""
    import faiss

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[call-overload, index, unused-ignore]
    return {
        "cpu": _cpu_name(),
        "cores": usable_cpus(),
        "faiss_threads": int(faiss.omp_get_max_threads()),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas['version']}",
        "faiss": faiss.__version__,
        "faiss_compiled_for": faiss.get_compile_options().strip(),
        "facematch": __version__,
    }


def load(seconds: float = 1.0) -> float:
    """Cores that other programs keep busy while this one waits for so long; 0 where the system does not say.

    The system's own load average would count what this process did in the minute before, and threads of its libraries
    that go on looking for work are left out.
    """
    before, own = _busy_seconds(), time.process_time()
    time.sleep(seconds)
    after, own = _busy_seconds(), time.process_time() - own
    return 0.0 if before is None or after is None else round(max(after - before - own, 0.0) / seconds, 2)


def _busy_seconds() -> float | None:
    """Seconds that all cores together have been busy, from the first line of ``/proc/stat``; see proc(5)."""
    try:
        times = [int(field) for field in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = times
    return (user + nice + system + sum(interrupts_and_stolen)) / os.sysconf("SC_CLK_TCK")


def peak_memory() -> int:
    """Most memory that this process has had so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
