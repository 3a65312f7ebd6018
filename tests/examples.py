"""How many examples Hypothesis tries: ``FACEMATCH_HYPOTHESIS`` is ``dev`` (default), ``ci`` or ``nightly``."""

from __future__ import annotations

import os

from hypothesis import settings

__all__ = ["load_profile", "scaled"]

_SCALES = {"dev": 0.4, "ci": 1.0, "nightly": 20.0}
_CHOSEN = os.environ.get("FACEMATCH_HYPOTHESIS", "dev")


def load_profile() -> None:
    """Let tests that name no number of examples try as many as the chosen profile says: 40, 100 or 2000.

    Raises:
        KeyError: There is no such profile.
    """
    for name, scale in _SCALES.items():
        settings.register_profile(name, max_examples=round(100 * scale))
    settings.load_profile(_CHOSEN)


def scaled(examples: int) -> int:
    """The number of examples to try where a whole check tries ``examples``; at least 1."""
    return max(1, round(examples * _SCALES[_CHOSEN]))
