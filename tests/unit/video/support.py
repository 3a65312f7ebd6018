"""Made-up people and recordings: a person is a striped rectangle of one color on a gray ground."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.errors import ThresholdTooLow
from facematch.types import (
    Alert,
    Box,
    Candidate,
    EmbeddingContract,
    Face,
    FloatArray,
    Frame,
    Identification,
    Image,
    ImageSource,
    OperatingPoint,
    Probe,
    SearchTerms,
)

CONTRACT = "c0" * 32
THRESHOLD = 0.4
COLORS = {"ana": (40, 40, 220), "ben": (220, 60, 40), "cem": (40, 200, 40)}
VECTORS = {name: np.random.default_rng(i).normal(size=64).astype(np.float32) for i, name in enumerate(COLORS)}
VECTORS = {name: vector / np.linalg.norm(vector) for name, vector in VECTORS.items()}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ground(width: int = 192, height: int = 128, seed: int = 7) -> Image:
    """A gray scene; different seeds do not resemble each other."""
    cells = np.random.default_rng(seed).integers(60, 190, size=(5, 7), dtype=np.uint8)
    gray = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)


def put(image: Image, name: str, x: int, y: int, width: int = 28, height: int = 36) -> None:
    """Draw a person in place."""
    rows = np.arange(height)[:, None] // 4
    columns = np.arange(width)[None, :] // 4
    bright = ((rows * 7 + columns * 3 + rows * columns) % 3)[:, :, None]
    patch = (np.array(COLORS[name]) - bright * 12).clip(0, 255).astype(np.uint8)
    y2, x2 = min(y + height, image.shape[0]), min(x + width, image.shape[1])
    image[max(y, 0) : y2, max(x, 0) : x2] = patch[max(-y, 0) : y2 - y, max(-x, 0) : x2 - x]


def write_video(
    path: Path,
    images: Sequence[Image],
    times: Sequence[float] | None = None,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: int = 25,
    rotation: int | None = None,
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode pictures with exact time stamps."""
    times = [i / rate for i in range(len(images))] if times is None else times
    with av.open(str(path), "w", options=container_options or {}) as container:
        container.metadata.update(metadata or {})
        stream: Any = container.add_stream(codec, rate=rate)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000) if codec != "mpeg4" else Fraction(1, rate)
        if codec == "libx264":
            stream.options = {"crf": "16", "preset": "ultrafast"} | (options or {})
        else:
            stream.bit_rate = 2_000_000
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for image, time_s in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(time_s / frame.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_video(path: Path) -> tuple[list[Image], list[float]]:
    """Pixels and times as PyAV itself gives them."""
    images: list[Image] = []
    times: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            images.append(frame.to_ndarray(format="bgr24").astype(np.uint8))
            times.append(float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else -1.0)
    return images, times


def face(
    x: float,
    y: float,
    size: float = 30.0,
    *,
    score: float = 0.9,
    turn: float = 0.0,
    embedding: FloatArray | None = None,
) -> Face:
    """A face whose nose is moved by ``turn`` eye distances from the middle (0.5 is profile)."""
    eyes = size * 0.4
    middle = x + size / 2
    landmarks = np.array(
        [
            [middle - eyes / 2, y + size * 0.4],
            [middle + eyes / 2, y + size * 0.4],
            [middle + turn * eyes, y + size * 0.6],
            [middle - eyes / 2.5, y + size * 0.8],
            [middle + eyes / 2.5, y + size * 0.8],
        ],
        dtype=np.float32,
    )
    return Face(Box(x, y, x + size, y + size), landmarks, score, embedding)


class ColorAnalyzer:
    """Finds the made-up people by color and knows them by color. Implements ``protocols.Analyzer``."""

    def __init__(self) -> None:
        self.embedded: list[NDArray[np.uint8]] = []

    @property
    def contract(self) -> EmbeddingContract:
        return EmbeddingContract(CONTRACT, 64, "color")

    @property
    def operating_point(self) -> OperatingPoint | None:
        return OperatingPoint(THRESHOLD, CONTRACT, 0.001, "FMR", "made-up people", 3000, "2026-01-01")

    def describe(self) -> dict[str, str]:
        return {"pack": "colors 1", "license": "Apache-2.0"}

    def analyze(self, images: Sequence[ImageSource]) -> list[list[Face]]:
        raise AssertionError("the pipeline detects and embeds in two steps")

    def detect(self, images: Sequence[ImageSource]) -> list[list[Face]]:
        return [self._find(np.asarray(image)) for image in images]

    @staticmethod
    def _find(image: NDArray[Any]) -> list[Face]:
        faces = []
        for color in COLORS.values():
            near = (np.abs(image.astype(np.int16) - np.array(color)) < 60).all(axis=2)
            if near.sum() < 150:
                continue
            ys, xs = np.nonzero(near)
            x1, x2, y1, y2 = (float(v) for v in (xs.min(), xs.max() + 1, ys.min(), ys.max() + 1))
            template = face(x1, y1, x2 - x1)
            faces.append(Face(Box(x1, y1, x2, y2), template.landmarks, 0.9))
        return faces

    def align(self, image: Image, faces: Sequence[Face]) -> NDArray[np.uint8]:
        crops = []
        for found in faces:
            x1, y1, x2, y2 = (round(v) for v in found.box.clipped(image.shape[1], image.shape[0]).as_tuple())
            crops.append(cv2.resize(image[y1:y2, x1:x2], (32, 32)))
        return np.stack(crops).astype(np.uint8)

    def embed(self, crops: NDArray[np.uint8]) -> FloatArray:
        self.embedded.append(crops)
        means = crops.reshape(len(crops), -1, 3).mean(axis=1)
        names = [min(COLORS, key=lambda name: float(np.abs(mean - np.array(COLORS[name])).sum())) for mean in means]
        return np.stack([VECTORS[name] for name in names]).astype(np.float32)


class Gallery:
    """Searches the vectors of a few enrolled people. Implements ``protocols.FaceSearch``.

    ``corroboration`` is the number of frames that its policy asks for before an alert.
    """

    def __init__(self, *names: str, aliases: dict[str, str] | None = None, corroboration: int = 1) -> None:
        self.names = names
        self.corroboration = corroboration
        self.asked: list[tuple[int, int, int]] = []
        self.aliases = aliases or {}
        self.calls: list[tuple[Face, ...]] = []
        self._analyzer = ColorAnalyzer()

    @property
    def analyzer(self) -> ColorAnalyzer:
        return self._analyzer

    @property
    def actor(self) -> str:
        return "olga"

    def search_terms(
        self, *, purpose: str, site: str | None = None, zone: str | None = None, threshold: float | None = None
    ) -> SearchTerms:
        applied = self._applied(threshold)
        return SearchTerms(purpose, site, zone, applied, len(self.names), 3, CONTRACT, 4, ())

    def alert_refusal(self, *, frames: int, policy_version: int, cameras: int = 1) -> str | None:
        self.asked.append((frames, cameras, policy_version))
        return None if frames >= self.corroboration else f"corroboration: {self.corroboration} frames are needed"

    @staticmethod
    def _applied(threshold: float | None) -> float:
        if threshold is not None and threshold < THRESHOLD:
            raise ThresholdTooLow(f"at least {THRESHOLD}, got {threshold}", hint="raise it")
        return THRESHOLD if threshold is None else threshold

    def identify_faces(
        self,
        faces: Sequence[Face],
        *,
        purpose: str,
        site: str | None = None,
        zone: str | None = None,
        top_k: int = 5,
        threshold: float | None = None,
    ) -> Identification:
        applied = self._applied(threshold)
        self.calls.append(tuple(faces))
        probes = []
        for found in faces:
            assert found.embedding is not None
            scores = {name: float(found.embedding @ VECTORS[name]) for name in self.names}
            candidates = tuple(
                Candidate(self.aliases.get(name, name), score, 1)
                for name, score in sorted(scores.items(), key=lambda item: -item[1])
                if score >= applied
            )
            probes.append(Probe(found.with_embedding(None), candidates))
        return Identification(tuple(probes), applied, len(self.names), 3, CONTRACT, purpose, site, zone, 4)


class Camera:
    """Frames from memory, at 25 a second. Implements ``protocols.FrameSource`` and is no recording."""

    def __init__(self, images: Sequence[Image], name: str = "door") -> None:
        self.name = name
        self.average_rate = 25.0
        self._images = images

    def __iter__(self) -> Iterator[Frame]:
        return (Frame(i, i / 25, image.copy()) for i, image in enumerate(self._images))


def make_alert(subject_id: str = "s-1", score: float = 0.7, start_s: float = 1.0, end_s: float = 2.0) -> Alert:
    """An alert with plain values."""
    return Alert(
        alert_id="a" * 32,
        candidates=(Candidate(subject_id, score, 1),),
        started_at=NOON,
        ended_at=NOON,
        start_s=start_s,
        end_s=end_s,
        frames=12,
        shots=5,
        best_frame_s=start_s,
        best_box=Box(10, 10, 40, 50),
        source="door",
        purpose="site-access",
        site=None,
        threshold=THRESHOLD,
        gallery_size=1,
        generation=3,
        contract=CONTRACT,
    )
