"""Side-by-side timing, as the package itself does it, under the name that the benchmarks know."""

from facematch.benchmark.timing import median_ratio

__all__ = ["median_ratio"]
