"""How many examples Hypothesis tries: ``FACEMATCH_HYPOTHESIS`` is ``dev`` (default), ``ci`` or ``nightly``."""

from __future__ import annotations

import os

from hypothesis import settings

__all__ = ["load_profile", "scaled"]

_PROFILES = {"dev": (50, 0.2), "ci": (100, 1.0), "nightly": (2000, 20.0)}
"""Examples of a test that names no number, and what the number of another is multiplied by."""
_DEFAULT, _SCALE = _PROFILES[os.environ.get("FACEMATCH_HYPOTHESIS", "dev")]


def load_profile() -> None:
    """Let tests that name no number of examples try as many as the chosen profile says."""
    settings.register_profile("chosen", max_examples=_DEFAULT)
    settings.load_profile("chosen")


def scaled(examples: int) -> int:
    """The number of examples to try where a whole check tries ``examples``; at least 1."""
    return max(1, round(examples * _SCALE))
