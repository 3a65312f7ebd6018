"""Self-measurement: how fast this machine searches a gallery and analyzes pictures, on equal answers.

Both sides of a measurement run in one process, turn by turn, and a ratio is the median of the ratios within a turn, so
that what else the machine does weighs on both alike. Libraries keep threads awake for some 30 ms after a call; each
side begins with a pause in which they go to sleep, and with a call that is not counted, which wakes the processor.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InferenceError, InvalidArgument, VectorIndexError
from facematch.faces import FaceAnalyzer
from facematch.imaging import decode_pixels
from facematch.index.approximate import ApproximateIndex
from facematch.index.exact import ExactIndex
from facematch.models import SessionOptions
from facematch.parallel import usable_cpus
from facematch.protocols import Progress, VectorIndex
from facematch.settings import Use
from facematch.types import Face, FloatArray, Image

__all__ = ["Measurement", "Times", "measure_index", "measure_pipeline"]

_BATCHES: Final = (1, 64)
_PROBES: Final = 256
_NOISE: Final = 0.75
"""Length of the noise in a mated probe, whose cosine with its template is about 0.8."""
_PAUSE: Final = 0.05
_SIDE: Final = 250
"""Pixels of a picture of one person, as those of LFW have."""
_LEAST_IOU: Final = 0.99
_LEAST_COSINE: Final = 0.999


@dataclass(frozen=True, slots=True)
class Times:
    """Times of one workload.

    Attributes:
        workload: The workload.
        median_ms: Median time in milliseconds.
        reference_ms: The same of the reference.
        ratio: Time of the reference by time of facematch, the median over the turns; above 1, facematch is quicker.
    """

    workload: str
    median_ms: float
    reference_ms: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """Result of a self-measurement.

    Attributes:
        of: What was measured, as plain data.
        reference: What it is compared with.
        rounds: Turns.
        times: Times by workload.
    """

    of: Mapping[str, Any]
    reference: str
    rounds: int
    times: tuple[Times, ...]

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return asdict(self)


def measure_index(
    size: int = 100_000,
    dimension: int = 128,
    *,
    k: int = 10,
    rounds: int = 7,
    approximate: bool = False,
    progress: Progress | None = None,
) -> Measurement:
    """Time the exact index beside FAISS's ``IndexFlatIP``, after a comparison of their answers.

    The gallery holds random directions; half of the probes resemble one of its vectors each.

    Args:
        size: Templates in the gallery, at least 1.
        dimension: Length of the vectors, at least 2.
        k: Results a probe, 1 to ``size``.
        rounds: Turns, at least 1.
        approximate: Whether to measure the approximate index, too; it learns its codes first.
        progress: Called with turns done and turns in all.

    Raises:
        InvalidArgument: An argument is out of its range.
        VectorIndexError: The exact index gives another answer than FAISS, beyond rounding and ties.
    """
    import faiss

    if dimension < 2 or not 1 <= k <= size or rounds < 1:
        raise InvalidArgument(
            f"{k} results of {size:,} vectors of {dimension} numbers, in {rounds} rounds",
            hint="ask for 1 result or more, and at most as many as there are vectors, in 1 round or more",
        )
    rng = np.random.default_rng(0)
    vectors = _unit(rng.standard_normal((size, dimension), dtype=np.float32))
    probes = _unit(rng.standard_normal((_PROBES, dimension), dtype=np.float32))
    probes[::2] = _unit(vectors[rng.integers(size, size=_PROBES // 2)] + _NOISE * probes[::2])
    flat = faiss.IndexFlatIP(dimension)
    flat.add(vectors)
    indexes: dict[str, VectorIndex] = {"exact": ExactIndex(dimension)}
    if approximate:
        indexes["approximate"] = ApproximateIndex(dimension, exact_below=0, background=False)
    for index in indexes.values():
        index.add(np.arange(size, dtype=np.int64), vectors)
        if isinstance(index, ApproximateIndex):
            index.rebuild()
    slack = 2.0 * dimension * 2.0**-24  # what float32 products of unit vectors can be off at most
    truth = _scores(vectors, probes, flat.search(probes, k)[1])
    found = {name: _scores(vectors, probes, index.search(probes, k)[1]) for name, index in indexes.items()}
    if not bool((np.abs(found["exact"] - truth) <= slack).all()):
        raise VectorIndexError("the exact index and FAISS find different vectors", hint="a defect of one of them")
    works: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        f"{name}, {batch} probe{'s' if batch > 1 else ''}": (
            lambda index=index, part=probes[:batch]: index.search(part, k),  # type: ignore[misc]
            lambda part=probes[:batch]: flat.search(part, k),  # type: ignore[misc]
        )
        for name, index in indexes.items()
        for batch in _BATCHES
    }
    of = {
        "size": size,
        "dimension": dimension,
        "k": k,
        "kinds": {name: index.stats().kind for name, index in indexes.items()},
        "recall_at_1": {  # of the mated probes
            name: float((own[::2, 0] >= truth[::2, 0] - slack).mean()) for name, own in found.items()
        },
    }
    return Measurement(of, "FAISS IndexFlatIP", rounds, _times(works, rounds, progress))


def measure_pipeline(
    name_or_folder: str | Path,
    options: SessionOptions,
    *,
    use: Use | None = None,
    rounds: int = 7,
    progress: Progress | None = None,
) -> Measurement:
    """Time a pack's pipeline on all threads beside the same on one thread, after a comparison of their faces.

    Args:
        name_or_folder: A bundled pack's name, or a folder.
        options: What runs the models, in what precision, on how many threads.
        use: What the models are used for.
        rounds: Turns, at least 1.
        progress: Called with turns done and turns in all.

    Raises:
        InvalidArgument: ``rounds`` is below 1.
        InferenceError: The pack finds no face in a picture of six people, or other faces on one thread than on all.
    """
    if rounds < 1:
        raise InvalidArgument(f"{rounds} rounds", hint="measure 1 round or more")
    analyzer, single = (
        FaceAnalyzer.from_pack(name_or_folder, use=use, sessions=each) for each in (options, options.in_threads(1))
    )
    works: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {}
    faces: dict[str, int] = {}
    for name, pictures in _pictures(analyzer).items():
        found = [face for some in analyzer.analyze(pictures) for face in some]
        _check_same(found, [face for some in single.analyze(pictures) for face in some], name)
        faces[name] = len(found)
        works[name] = (
            lambda pictures=pictures: analyzer.analyze(pictures),  # type: ignore[misc]
            lambda pictures=pictures: single.analyze(pictures),  # type: ignore[misc]
        )
    assert analyzer.pack is not None
    manifest, threads = analyzer.pack.manifest, options.threads or usable_cpus()
    of = {
        "pack": f"{manifest.name} {manifest.version}",
        "runtime": analyzer.describe_runtime(),
        "threads": threads,
        "faces": faces,
    }
    return Measurement(of, "one thread", rounds, _times(works, rounds, progress))


def _times(
    works: Mapping[str, tuple[Callable[[], object], Callable[[], object]]], rounds: int, progress: Progress | None
) -> tuple[Times, ...]:
    """Times of pairs of facematch and reference; each turn reverses the order, and the first one warms up."""
    times: list[Times] = []
    for number, (name, sides) in enumerate(works.items()):
        seconds: list[list[float]] = [[], []]
        for turn in range(rounds + 1):
            for side in (0, 1) if turn % 2 else (1, 0):
                time.sleep(_PAUSE)
                sides[side]()
                began = time.perf_counter()
                sides[side]()
                seconds[side].append(time.perf_counter() - began)
            if progress is not None:
                progress(number * (rounds + 1) + turn + 1, len(works) * (rounds + 1))
        ours, theirs = seconds[0][1:], seconds[1][1:]
        ratio = statistics.median(their / own for own, their in zip(ours, theirs, strict=True))
        times.append(Times(name, 1000 * statistics.median(ours), 1000 * statistics.median(theirs), ratio))
    return tuple(times)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _scores(vectors: FloatArray, probes: FloatArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(Q, k)`` scores of the rows ``(Q, k)`` in float64, highest first; ``-inf`` for row -1 and repeated rows."""
    scores = np.einsum("qkd,qd->qk", vectors[rows].astype(np.float64), probes.astype(np.float64))
    ordered = np.sort(rows, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1, keepdims=True)
    return np.asarray(-np.sort(-np.where((rows < 0) | repeated, -np.inf, scores), axis=1))


def _pictures(analyzer: FaceAnalyzer) -> dict[str, list[Image]]:
    """Pictures to measure with: the one of six people that insightface carries, and a square around each face."""
    group = decode_pixels(str(resources.files("insightface") / "data" / "images" / "t1.jpg"))
    (faces,) = analyzer.detect([group])
    if not faces:
        raise InferenceError("the pack finds no face in a picture of six people", hint="there is nothing to measure")
    height, width = group.shape[:2]
    portraits = []
    for face in faces:
        left = round(min(max((face.box.x1 + face.box.x2 - _SIDE) / 2, 0), width - _SIDE))
        top = round(min(max((face.box.y1 + face.box.y2 - _SIDE) / 2, 0), height - _SIDE))
        portraits.append(group[top : top + _SIDE, left : left + _SIDE].copy())
    return {"a portrait": portraits[:1], "portraits": portraits, "a group": [group]}


def _check_same(faces: Sequence[Face], others: Sequence[Face], name: str) -> None:
    same = len(faces) == len(others) and all(
        face.box.iou(other.box) >= _LEAST_IOU
        and face.embedding is not None
        and other.embedding is not None
        and float(face.embedding @ other.embedding) >= _LEAST_COSINE
        for face, other in zip(faces, others, strict=True)
    )
    if not same:
        raise InferenceError(f"one thread and all threads see other faces ({name})", hint="a defect of the runtime")
