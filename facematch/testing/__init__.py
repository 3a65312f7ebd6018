"""Test support, also for plug-ins: a fake analyzer, synthetic pictures and consents, a reference index, checks.

A synthetic picture carries its faces as numbers in its first row of pixels, so it survives lossless files (PNG, BMP)
and nothing else. It shows no real person.
"""

from __future__ import annotations

from facematch.testing.contract import check_vector_index
from facematch.testing.oracle import OracleIndex
from facematch.testing.synthetic import (
    FakeAnalyzer,
    ManualClock,
    SyntheticFace,
    synthetic_consent,
    synthetic_picture,
)

__all__ = [
    "FakeAnalyzer",
    "ManualClock",
    "OracleIndex",
    "SyntheticFace",
    "check_vector_index",
    "synthetic_consent",
    "synthetic_picture",
]
