"""What a benchmark of the pipeline found, and the plain data that it is written as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["PipelineBenchmark", "Share", "Workload"]


@dataclass(frozen=True, slots=True)
class Workload:
    """Some pictures, and how long they take.

    Attributes:
        pictures: Pictures that are given at once; the peer is given one after the other.
        faces: Faces in all of them.
        median_ms: Median time for all of them, in milliseconds.
        single_thread_ms: The same with one thread.
        peer_ms: The same of the peer; ``None`` without one.
        ratio_vs_peer: Time of the peer by our time; above 1, ours is quicker.
        ratio_vs_peer_single_thread: The same where both have one thread.
        thread_scaling: Time with one thread by time with all.
        turns: Turns that the medians are taken of.
    """

    pictures: int
    faces: int
    median_ms: float
    single_thread_ms: float
    peer_ms: float | None
    ratio_vs_peer: float | None
    ratio_vs_peer_single_thread: float | None
    thread_scaling: float
    turns: int

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data, with rates."""
        seconds = self.median_ms / 1000
        return asdict(self) | {
            "faces_per_second": self.faces / seconds,
            "ms_per_picture": self.median_ms / self.pictures,
            "peer_faces_per_second": None if self.peer_ms is None else 1000 * self.faces / self.peer_ms,
        }


@dataclass(frozen=True, slots=True)
class Share:
    """Where the time of the picture of six people goes, as shares of the whole.

    Attributes:
        detector: Runs of the detector.
        embedder: Runs of the embedder.
        around_detection: Scaling, padding and channels before, boxes and suppression after it.
        alignment: Cutting the faces out.
        around_embedding: Channels and scale before, length after it.
    """

    detector: float
    embedder: float
    around_detection: float
    alignment: float
    around_embedding: float

    @property
    def overhead(self) -> float:
        """Everything but the two models."""
        return 1.0 - self.detector - self.embedder


@dataclass(frozen=True, slots=True)
class PipelineBenchmark:
    """What ``pipeline.measure_pipeline`` measured.

    Attributes:
        pack: Name and version of the model pack.
        runtime: What runs the models: a line for each.
        threads: Threads of the runs that are not single-threaded.
        peer: The library beside it; ``None`` without one.
        workloads: Figures by name.
        share: Where the time goes.
        embedder_multiplications: Multiplications with weights for one face.
        embedder_gflops: What the embedder reaches on one thread, two operations for each multiplication.
        product_gflops: What a large matrix product reaches on one thread, in the same turns.
        embedder_share_of_product: The one by the other: the median over the turns.
        peak_bytes: Most memory that the process had, the peer's models included.
        load_before: Cores that other programs kept busy in the second before.
        machine: What it was measured on.
        measured_at: When, ISO 8601 in UTC.
    """

    pack: str
    runtime: Mapping[str, str]
    threads: int
    peer: str | None
    workloads: Mapping[str, Workload]
    share: Share
    embedder_multiplications: int
    embedder_gflops: float
    product_gflops: float
    embedder_share_of_product: float
    peak_bytes: int
    load_before: float
    machine: Mapping[str, Any]
    measured_at: str

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data; ratios and shares of each workload also at the top."""
        document: dict[str, Any] = {"pack": self.pack, "runtime": dict(self.runtime), "peer": self.peer}
        for name, workload in self.workloads.items():
            document[f"ratio_vs_peer_{name}"] = workload.ratio_vs_peer
        for name, workload in self.workloads.items():
            document[f"ratio_vs_peer_{name}_single_thread"] = workload.ratio_vs_peer_single_thread
        for name, workload in self.workloads.items():
            document[f"thread_scaling_{name}"] = workload.thread_scaling
        return document | {
            "overhead_share": self.share.overhead,
            "embedder_share_of_product": self.embedder_share_of_product,
            "embedder_gflops": self.embedder_gflops,
            "product_gflops": self.product_gflops,
            "embedder_multiplications": self.embedder_multiplications,
            "threads": self.threads,
            "share": asdict(self.share),
            "workloads": {name: workload.to_dict() for name, workload in self.workloads.items()},
            "peak_bytes": self.peak_bytes,
            "load_before": self.load_before,
            "machine": dict(self.machine),
            "measured_at": self.measured_at,
        }
