"""ONNX Runtime, told to report nothing before it is loaded; every module of facematch gets it from here.

Its official builds since 1.29 send the program's path, the machine's description and a lasting device identifier to
their maker, from the moment of the import. A program that looks at faces must not do that unasked.
"""

from __future__ import annotations

from typing import Final

from facematch.settings import forbid_telemetry

forbid_telemetry()

import onnxruntime  # noqa: E402 - it begins to report with its import

onnxruntime.disable_telemetry_events()  # for a program that had loaded it before facematch

__all__ = ["RUNTIME_ERRORS", "onnxruntime"]

RUNTIME_ERRORS: Final[tuple[type[Exception], ...]] = (
    *(
        v
        for v in vars(onnxruntime.capi.onnxruntime_pybind11_state).values()
        if isinstance(v, type) and issubclass(v, Exception)
    ),
    RuntimeError,
    ValueError,
    TypeError,
)
"""ONNX Runtime's errors have no common base below ``Exception``."""
