"""For tests, also of plug-ins: an analyzer without models, synthetic pictures and consents, and contract checks.

A synthetic picture carries its faces as numbers in its first row of pixels, so it survives lossless files (PNG, BMP)
and nothing else. Nobody real is in it.
"""

from __future__ import annotations

from facematch.testing.contract import check_vector_index
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
    "SyntheticFace",
    "check_vector_index",
    "synthetic_consent",
    "synthetic_picture",
]
