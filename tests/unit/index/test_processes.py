"""Indexes in forked and spawned processes, and in one that ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("fork", "exact"),
        ("fork", "pq"),
        ("spawn", "exact"),
        ("spawn", "pq"),
        ("search_at_exit", "exact"),
        ("search_at_exit", "pq"),
        ("leave_while_building", "pq"),
    ],
)
def test_other_processes_search_and_end_in_peace(program: str, kind: str) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.unit.index.processes", program, kind]
    root = Path(__file__).parents[3]
    waiting = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    ended = subprocess.run(command, cwd=root, env=waiting, timeout=120, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done", "")
