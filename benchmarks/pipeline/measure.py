"""Pictures through the whole pipeline, turn by turn with the library that runs the same weights.

Before anything is timed, its faces and ours are compared: each must be found by both, at the same place and with the
same embedding, as far as the two align alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from machine import load, machine_facts, peak_memory
from timing import interleaved, timed

from facematch.errors import ConversionError, InferenceError, InvalidArgument
from facematch.faces import FaceAnalyzer
from facematch.models import DEFAULT_PROVIDERS
from facematch.parallel import usable_cpus
from facematch.protocols import Progress
from facematch.settings import Precision, Runtime, Use
from facematch.types import Face, FloatArray, Image
from pipeline.clocked import ClockedSessions
from pipeline.figures import PipelineBenchmark, Share, Workload
from pipeline.peers import Peer, Seen, peer_of
from pipeline.scenes import crowd, group, singles
from pipeline.work import Product, multiplications

__all__ = ["WORKLOADS", "compare", "measure_pipeline"]

WORKLOADS: Final = ("one", "six", "thirty", "singles8", "singles64")
"""One picture of one, six and thirty people; eight and sixty-four pictures of one each."""

_SETTLE: Final = 0.05
_CROPS: Final = 32


def measure_pipeline(
    name_or_folder: str | Path = "opencv",
    *,
    use: Use | None = None,
    runtime: Runtime = "onnxruntime",
    precision: Precision = "float32",
    threads: int = 0,
    providers: Sequence[str] = DEFAULT_PROVIDERS,
    workloads: Sequence[str] = WORKLOADS,
    rounds: int = 7,
    beside: bool = True,
    progress: Progress | None = None,
) -> PipelineBenchmark:
    """Time a pack's pipeline beside the library that runs the same files: OpenCV, or insightface.

    Args:
        name_or_folder: A bundled pack's name, or a folder.
        use: What the models are used for.
        runtime: What runs our side.
        precision: What our embedder computes in.
        threads: Threads of both sides; 0 takes what the process may use.
        providers: ONNX Runtime's execution providers of our side.
        workloads: Some of :data:`WORKLOADS`.
        rounds: Turns, at least 1.
        beside: Whether to measure the other library, too.
        progress: Called with turns done and turns in all.

    Raises:
        InvalidArgument: An unknown workload, no turn, or a pack with several embedders or a foreign detector, whose
            parts cannot be told apart.
        InferenceError: The two libraries do not see the same faces.
    """
    if rounds < 1 or not workloads or set(workloads) - set(WORKLOADS):
        raise InvalidArgument(
            f"{rounds} rounds of {', '.join(workloads) or 'nothing'}", hint=f"workloads are {', '.join(WORKLOADS)}"
        )
    load_before = load()
    threads = threads or usable_cpus()
    sessions = [
        ClockedSessions(runtime=runtime, precision=precision, threads=count, providers=tuple(providers))
        for count in (threads, 1)
    ]
    all_threads, one_thread = (FaceAnalyzer.from_pack(name_or_folder, use=use, sessions=each) for each in sessions)
    pack = all_threads.pack
    assert pack is not None
    if len(pack.manifest.embedders) > 1 or set(_models(all_threads)) - set(sessions[0].opened):
        raise InvalidArgument(
            f"the pack {pack.manifest.name} runs more than one detector and one embedder of our own",
            hint="measure a pack with one embedder whose detector is yunet or scrfd",
        )
    pictures = _pictures(all_threads, workloads)
    total, done = (len(pictures) + 1) * (rounds + 1), 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, total), total)

    figures: dict[str, Workload] = {}
    with ExitStack() as stack:
        peer = peer_of(pack, threads, stack) if beside else None
        peer_alone = peer_of(pack, 1, stack) if beside else None
        for name, images in pictures.items():
            found = all_threads.analyze(images)
            if peer is not None:
                compare(found, peer.analyze(images), peer, name)
            sides: dict[str, Callable[[int], object]] = {
                "all": lambda _, images=images: all_threads.analyze(images),  # type: ignore[misc]
                "one": lambda _, images=images: one_thread.analyze(images),  # type: ignore[misc]
            }
            if peer is not None and peer_alone is not None:
                sides["peer"] = lambda _, images=images, peer=peer: peer.analyze(images)  # type: ignore[misc]
                sides["peer_one"] = lambda _, images=images, peer=peer_alone: peer.analyze(images)  # type: ignore[misc]
            timings = interleaved(sides, rounds, settle=_SETTLE, on_turn=step)
            figures[name] = Workload(
                pictures=len(images),
                faces=sum(len(faces) for faces in found),
                median_ms=timings.median_ms("all"),
                single_thread_ms=timings.median_ms("one"),
                peer_ms=None if peer is None else timings.median_ms("peer"),
                ratio_vs_peer=None if peer is None else timings.ratio("peer", "all"),
                ratio_vs_peer_single_thread=None if peer is None else timings.ratio("peer_one", "one"),
                thread_scaling=timings.ratio("one", "all"),
                turns=timings.turns,
            )
    share = _share(all_threads, sessions[0], rounds)
    work, reached, possible, part = _rate(one_thread, sessions[1], rounds, step)
    return PipelineBenchmark(
        pack=f"{pack.manifest.name} {pack.manifest.version}",
        runtime=all_threads.describe_runtime(),
        threads=threads,
        peer=None if peer is None else peer.name,
        workloads=figures,
        share=share,
        embedder_multiplications=work,
        embedder_gflops=reached,
        product_gflops=possible,
        embedder_share_of_product=part,
        peak_bytes=peak_memory(),
        load_before=load_before,
        machine=machine_facts(),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _pictures(analyzer: FaceAnalyzer, wanted: Sequence[str]) -> Mapping[str, list[Image]]:
    six = group()
    (faces,) = analyzer.detect([six])
    if not faces:
        raise InferenceError("the pack's detector finds nobody in a picture of six", hint="there is nothing to measure")
    alone = singles(six, faces, 64)
    every = {"one": alone[:1], "six": [six], "thirty": [crowd(six)], "singles8": alone[:8], "singles64": alone}
    return {name: every[name] for name in wanted}


def compare(ours: Sequence[Sequence[Face]], theirs: Sequence[Seen], peer: Peer, name: str) -> None:
    """See to it that another library sees the same faces.

    Args:
        ours: Our faces, by picture.
        theirs: Those of the other library.
        peer: The library, and how well it must agree.
        name: What the pictures are called in an error.

    Raises:
        InferenceError: It does not.
    """
    for own, other in zip(ours, theirs, strict=True):
        if len(own) != len(other.boxes):
            raise InferenceError(
                f"{peer.name} finds {len(other.boxes)} faces where facematch finds {len(own)} ({name})",
                hint="the two do not run the same models; there is nothing to compare",
            )
        free = np.ones(len(other.boxes), dtype=bool)
        for face in own:
            overlaps = np.where(free, _overlaps(face, other.boxes), 0.0)
            place = int(overlaps.argmax())
            free[place] = False
            assert face.embedding is not None
            cosine = float(face.embedding @ other.embeddings[place])
            if overlaps[place] < peer.least_iou or cosine < peer.least_cosine:
                raise InferenceError(
                    f"{peer.name} sees a face otherwise ({name}): overlap {overlaps[place]:.3f}, cosine {cosine:.4f}",
                    hint="the two do not run the same models; there is nothing to compare",
                )


def _overlaps(face: Face, boxes: FloatArray) -> FloatArray:
    """Intersection over union of a face's box with boxes ``(N, 4)``."""
    box = np.array([face.box.x1, face.box.y1, face.box.x2, face.box.y2])
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = np.maximum(sides, 0).prod(axis=1)
    both = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / (both - shared))


def _share(analyzer: FaceAnalyzer, sessions: ClockedSessions, rounds: int) -> Share:
    """Medians over turns of each stage's share of the time of the stages one after the other."""
    picture = group()
    detector, embedder = _models(analyzer)
    turns: list[Share] = []
    for _ in range(rounds + 1):
        sessions.reset()
        began = time.perf_counter()
        (faces,) = analyzer.detect([picture])
        detected = time.perf_counter()
        crops = analyzer.align(picture, faces)
        aligned = time.perf_counter()
        analyzer.embed(crops)
        embedded = time.perf_counter()
        total = embedded - began
        turns.append(
            Share(
                detector=(own := sessions.seconds(detector)) / total,
                embedder=(runs := sessions.seconds(embedder)) / total,
                around_detection=(detected - began - own) / total,
                alignment=(aligned - detected) / total,
                around_embedding=(embedded - aligned - runs) / total,
            )
        )
    counted = turns[1:]
    medians = {name: statistics.median(getattr(turn, name) for turn in counted) for name in asdict(counted[0])}
    return Share(**medians)


def _models(analyzer: FaceAnalyzer) -> tuple[str, str]:
    assert analyzer.pack is not None
    manifest = analyzer.pack.manifest
    return manifest.detector.file, manifest.embedders[0].file


def _rate(
    analyzer: FaceAnalyzer, sessions: ClockedSessions, rounds: int, step: Callable[[], None]
) -> tuple[int, float, float, float]:
    """Multiplications a face, GFLOP/s of the embedder and of a product, and the one by the other; on one thread."""
    assert analyzer.pack is not None
    model = analyzer.pack.manifest.embedders[0]
    published = (analyzer.pack.folder / model.file).read_bytes()
    try:
        work = multiplications(published, (1, 3, model.crop_size, model.crop_size))
    except (ValueError, ConversionError) as error:
        raise InvalidArgument(
            f"the multiplications of {model.file} cannot be counted: {error}", hint="measure another pack"
        ) from error
    product = Product(threads=1)
    crops = np.random.default_rng(0).integers(0, 256, (_CROPS, model.crop_size, model.crop_size, 3)).astype(np.uint8)
    rates: list[tuple[float, float]] = []
    for _ in range(rounds + 1):
        sessions.reset()
        analyzer.embed(crops)
        rates.append(
            (2e-9 * work * _CROPS / sessions.seconds(model.file), 2e-9 * product.multiplications / timed(product.run))
        )
        step()
    counted = rates[1:]
    reached, possible = (statistics.median(column) for column in zip(*counted, strict=True))
    return work, reached, possible, statistics.median(first / second for first, second in counted)
