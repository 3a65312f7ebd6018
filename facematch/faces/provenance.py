"""Provenance: what an analyzer's answers depend on, so that kept ones are taken for no others."""

from __future__ import annotations

from typing import Any

from facematch.faces.batching import BatchingDetector
from facematch.faces.detectors.fitting import SCALING_VERSION
from facematch.models.convert import CONVERTER_VERSION
from facematch.protocols import Analyzer

__all__ = ["describe_analysis", "describe_detector"]


def describe_detector(analyzer: Analyzer) -> dict[str, Any]:
    """Provenance of a detector: the detector's class, model digest and plain settings."""
    detector = getattr(analyzer, "detector", None)
    detector = detector.inner if isinstance(detector, BatchingDetector) else detector
    pack = getattr(analyzer, "pack", None)
    manifest = getattr(pack, "manifest", None)
    model = getattr(manifest, "detector", None)
    plain = vars(detector).items() if hasattr(detector, "__dict__") else ()
    part = type(analyzer if detector is None else detector)
    return {
        "class": f"{part.__module__}.{part.__qualname__}",
        "model": str(getattr(model, "sha256", "")),
        "settings": {name: value for name, value in plain if isinstance(value, str | int | float | bool)},
    }


def describe_analysis(analyzer: Analyzer) -> dict[str, Any]:
    """All that faces and embeddings depend on but the pictures: contract, detector, conversion, runtime."""
    runs = getattr(analyzer, "describe_runtime", None)
    return {
        "contract": analyzer.contract.digest,
        "detector": describe_detector(analyzer),
        "converter": CONVERTER_VERSION,
        "scaling": SCALING_VERSION,
        "runtime": {} if runs is None else runs(threads=False),
    }
