"""What a benchmark of indexes found, and the plain data that it is written as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["BatchFigures", "IndexBenchmark", "IndexFigures"]


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """How quickly an index answers a number of probes at once.

    Attributes:
        median_ms: Median time of a search in milliseconds, one after the other.
        median_ms_rested: The same of searches after a pause in which the processor has rested.
        ratio_vs_faiss_flat: Time of FAISS by time of the index; above 1, the index is quicker.
        gemm_share: Time of the bare matrix product by time of the index; 1: it costs nothing beside the product.
        turns: Turns that the medians are taken of.
    """

    median_ms: float
    median_ms_rested: float
    ratio_vs_faiss_flat: float
    gemm_share: float
    turns: int


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """What was measured of one index.

    Attributes:
        name: What it is called here.
        kind: Kind of index, as it says itself.
        details: What else it says of itself, such as its effort.
        build_seconds: How long it took to fill.
        total_bytes: Memory that it holds.
        recall_at_1: Share of the probes whose best result is as good as the true best, of those whose true best
            reaches the threshold of the trial.
        recall_measured_on: How many those are.
        recall_at_1_any: The same of mated and other probes alike, whatever they reach.
        recall_at_1_mated: The same of the mated probes, whatever they reach.
        recall_at_k: Share of the true ``k`` best that are found.
        batches: Figures by number of probes a search.
    """

    name: str
    kind: str
    details: Mapping[str, Any]
    build_seconds: float
    total_bytes: int
    recall_at_1: float
    recall_measured_on: int
    recall_at_1_any: float
    recall_at_1_mated: float
    recall_at_k: float
    batches: Mapping[int, BatchFigures]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        document: dict[str, Any] = {"index": self.kind}
        for batch, figures in self.batches.items():
            document[f"ratio_vs_faiss_flat_batch{batch}"] = figures.ratio_vs_faiss_flat
        for batch, figures in self.batches.items():
            document[f"median_ms_rested_batch{batch}"] = figures.median_ms_rested
        for batch, figures in self.batches.items():
            document[f"gemm_share_batch{batch}"] = figures.gemm_share
        for batch, figures in self.batches.items():
            document[f"median_ms_batch{batch}"] = figures.median_ms
        return document | {
            "recall_at_1": self.recall_at_1,
            "recall_measured_on": self.recall_measured_on,
            "recall_at_1_any": self.recall_at_1_any,
            "recall_at_1_mated": self.recall_at_1_mated,
            "recall_at_k": self.recall_at_k,
            "build_seconds": self.build_seconds,
            "index_bytes": self.total_bytes,
            "index_details": dict(self.details),
            "turns": {str(batch): figures.turns for batch, figures in self.batches.items()},
        }


@dataclass(frozen=True, slots=True)
class IndexBenchmark:
    """What :func:`measure` measured.

    Attributes:
        population: Name of the population.
        size: Templates in the gallery.
        dimension: Length of the vectors.
        k: Results a probe.
        rounds: Turns that were asked for.
        seed: Seed of the people.
        faiss_build_seconds: How long FAISS took to fill.
        faiss_bytes: Memory of FAISS's vectors.
        faiss_ms: Median time of FAISS in milliseconds by number of probes.
        gemm_ms: Median time of the bare matrix product in milliseconds by number of probes.
        indexes: Figures of each index; the first is what the result is about.
        peak_bytes: Most memory that the process had.
        load_before: Cores that other programs kept busy in the second before; above a few tenths, the figures are off.
        machine: What it was measured on.
        measured_at: When, ISO 8601 in UTC.
        threshold: The score from which recall counts; one stranger in a hundred reaches it.
    """

    population: str
    size: int
    dimension: int
    k: int
    rounds: int
    seed: int
    faiss_build_seconds: float
    faiss_bytes: int
    faiss_ms: Mapping[int, float]
    gemm_ms: Mapping[int, float]
    indexes: tuple[IndexFigures, ...]
    peak_bytes: int
    load_before: float
    machine: Mapping[str, Any]
    measured_at: str
    threshold: float

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data: the first index's figures at the top, those of others under their names."""
        first, *others = self.indexes
        return {
            **first.to_dict(),
            **{figures.name: figures.to_dict() for figures in others},
            "size": self.size,
            "dimension": self.dimension,
            "k": self.k,
            "population": self.population,
            "seed": self.seed,
            "rounds": self.rounds,
            "threshold": self.threshold,
            "faiss_flat_ms": {str(batch): value for batch, value in self.faiss_ms.items()},
            "gemm_ms": {str(batch): value for batch, value in self.gemm_ms.items()},
            "faiss_build_seconds": self.faiss_build_seconds,
            "faiss_bytes": self.faiss_bytes,
            "peak_bytes": self.peak_bytes,
            "load_before": self.load_before,
            "machine": dict(self.machine),
            "measured_at": self.measured_at,
        }
