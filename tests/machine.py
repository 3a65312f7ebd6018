"""The machine as tests see it: a home and a model cache of their own, and temporary files in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["base_folder", "leave", "move_in"]

_MEMORY = Path("/dev/shm")
_NEEDED_BYTES = 4 << 30
_KEPT_VARIABLES = {
    "FACEMATCH_SHARED",
    "FACEMATCH_REQUIRE_SHARED",
    "FACEMATCH_TESTS_ON_DISK",
    "FACEMATCH_TESTS_LIMIT_S",
    "FACEMATCH_HYPOTHESIS",
}


def base_folder() -> Path:
    """A new folder for temporary files: in memory where there is room, since a commit waits for a disk.

    ``FACEMATCH_TESTS_ON_DISK=1`` keeps it on the disk.
    """
    in_memory = (
        not os.environ.get("FACEMATCH_TESTS_ON_DISK")
        and _MEMORY.is_dir()
        and os.access(_MEMORY, os.W_OK)
        and shutil.disk_usage(_MEMORY).free > _NEEDED_BYTES
    )
    return Path(tempfile.mkdtemp(prefix="facematch-tests-", dir=_MEMORY if in_memory else None))


def move_in(folder: Path) -> None:
    """Give this process and its children an empty home: no model, setting or key of the user is seen by a test.

    How pip reaches its index is the machine's matter and stays as it is.
    """
    pip_settings = [Path.home() / ".config" / "pip" / "pip.conf", Path.home() / ".pip" / "pip.conf"]
    found = next((path for path in pip_settings if path.is_file()), None)
    if found is not None:
        os.environ.setdefault("PIP_CONFIG_FILE", str(found))
    for name in list(os.environ):
        if name.startswith("XDG_") or (name.startswith("FACEMATCH_") and name not in _KEPT_VARIABLES):
            del os.environ[name]
    os.environ["FACEMATCH_THREADS"] = "1"  # of ONNX Runtime and OpenVINO; see tests/__init__.py
    home = folder / "home"
    home.mkdir()
    os.environ["HOME"] = str(home)


def leave(folder: Path) -> None:
    """Remove the folder with everything in it."""
    shutil.rmtree(folder, ignore_errors=True)
