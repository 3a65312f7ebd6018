"""The pipeline beside the libraries that a user would otherwise take, on the same weights and pictures."""

from __future__ import annotations

from facematch.benchmark.pipeline.measure import measure_pipeline

__all__ = ["measure_pipeline"]
