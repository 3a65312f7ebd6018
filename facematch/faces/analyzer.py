"""The pipeline from pictures to faces with embeddings."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from facematch import registry
from facematch.errors import FacematchError, InvalidArgument
from facematch.faces.batching import BatchingDetector, BatchingEmbedder
from facematch.faces.embedders.ensemble import EnsembleEmbedder
from facematch.faces.order import reading_order
from facematch.faces.quality import assess
from facematch.faces.quality_net import QualityNet
from facematch.imaging import decode_pixels
from facematch.models import Pack, SessionOptions, open_pack
from facematch.parallel import shared_out, usable_cpus
from facematch.protocols import Detector, Embedder, FaintDetector, Progress, Session
from facematch.settings import Settings, Use
from facematch.types import EmbeddingContract, Face, FaceQuality, FloatArray, Image, ImageSource, OperatingPoint

__all__ = ["FaceAnalyzer"]

logger = logging.getLogger(__name__)


class FaceAnalyzer:
    """Finds, aligns and embeds faces, batched over pictures and over faces. Many threads may share one.

    Most users want :meth:`from_pack`; the constructor puts own parts together.

    Args:
        detector: Finds faces and landmarks.
        embedder: Embeds aligned crops.
        pack: The pack the two come from, if they do.
        quality_net: A network for the unified quality score.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        *,
        pack: Pack | None = None,
        quality_net: QualityNet | None = None,
    ) -> None:
        self.detector = detector
        self.embedder = embedder
        self.pack = pack
        self.quality_net = quality_net
        session = getattr(detector, "session", None)
        self._threads = session.threads if isinstance(session, Session) else usable_cpus()

    @classmethod
    def from_pack(
        cls,
        name_or_folder: str | Path = "opencv",
        *,
        use: Use | None = None,
        settings: Settings | None = None,
        sessions: SessionOptions | None = None,
        progress: Progress | None = None,
        flip: bool = False,
        **detector_options: Any,
    ) -> Self:
        """Load a model pack; files that are missing are fetched, checked and converted first.

        Args:
            name_or_folder: A bundled pack's name, or a folder with a manifest or in InsightFace's layout.
            use: What the models are used for: ``"commercial"`` (default) or ``"research"``.
            settings: Machine settings; default: from the environment.
            sessions: How the models are run; default: what the settings say.
            progress: Called with bytes done and in all during a download.
            flip: Average every embedding over the crop and its mirror image: more accurate, twice as slow, and another
                embedding contract, for which the pack's tested threshold does not hold.
            detector_options: Passed to the detector: ``score_threshold``, ``nms_threshold``, ``max_side``,
                ``smallest_face``.

        Raises:
            PackNotFound: There is no such pack.
            LicenseError: The pack's license forbids the use.
            PackUnavailable: A file is missing and could not be fetched.
            PackCorrupt: A file has another digest than recorded.
            ProviderUnavailable: The runtime cannot run them as asked.
            InferenceError: A model cannot be loaded.
        """
        settings = settings or Settings()
        sessions = sessions or SessionOptions.from_settings(settings)
        pack = open_pack(name_or_folder, use=use, settings=settings, progress=progress)
        pack = pack.with_flip() if flip else pack
        manifest = pack.manifest
        make_detector = registry.load("facematch.detectors", manifest.detector.kind).from_model
        embedders = [
            registry.load("facematch.embedders", model.kind).from_model(
                model, pack.model_bytes("embedder", member, sessions.runtime), sessions=sessions
            )
            for member, model in enumerate(manifest.embedders)
        ]
        logger.info(
            "model pack loaded",
            extra={
                "pack": manifest.name,
                "version": manifest.version,
                "runtime": sessions.runtime,
                "contract": pack.contract.digest,
            },
        )
        return cls(
            make_detector(
                manifest.detector, pack.model_bytes("detector"), sessions=sessions.for_detectors(), **detector_options
            ),
            embedders[0]
            if len(embedders) == 1
            else EnsembleEmbedder(list(zip(manifest.embedders, embedders, strict=True))),
            pack=pack,
            quality_net=None
            if manifest.quality is None or (data := pack.quality_bytes()) is None
            else QualityNet.from_model(manifest.quality, data, sessions=sessions.for_detectors()),
        )

    def for_many_threads(
        self, *, together: int = 16, waiting: int = 64, pause: float = 0.0, patience: float | None = None
    ) -> FaceAnalyzer:
        """This analyzer for many threads that each have a picture at a time, such as one a camera.

        What the threads ask for while the models run is run together next: pictures side by side, faces in batches.
        The models are the same ones, and so are the answers.

        Args:
            together: Pictures, or faces, that are run together at most.
            waiting: Pictures, or faces, that may wait. A thread that finds more waits itself until there is room, so
                that memory is bounded and a camera that is too fast is slowed down.
            pause: Seconds to wait for more before a run that is not full: worth while where a run costs the same
                however much is in it, as on an accelerator.
            patience: Seconds that a thread waits for room before it gets ``AnalyzerBusy``; default: no limit.

        Raises:
            InvalidArgument: A number is out of range.
        """
        if together < 1 or waiting < 1 or pause < 0 or (patience is not None and patience < 0):
            raise InvalidArgument("together and waiting are at least 1, pause and patience at least 0")
        limits = {"most": together, "waiting": waiting, "pause": pause, "patience": patience}
        return FaceAnalyzer(
            BatchingDetector(self.detector, **limits),
            BatchingEmbedder(self.embedder, **limits),
            pack=self.pack,
            quality_net=self.quality_net,
        )

    @property
    def contract(self) -> EmbeddingContract:
        """The embedding contract of the faces it returns."""
        return self.embedder.contract

    @property
    def operating_point(self) -> OperatingPoint | None:
        """The tested threshold of its pack, if there is one."""
        return None if self.pack is None else self.pack.operating_point

    def describe(self) -> dict[str, str]:
        """The models in a few words, for reports."""
        return {"embedder": self.contract.embedder} if self.pack is None else self.pack.describe()

    def describe_runtime(self, *, threads: bool = True) -> dict[str, str]:
        """Runtimes that really run the models: name, execution providers or precision and, if asked for, threads."""
        parts = {"detector": self.detector, "embedder": self.embedder, "quality": self.quality_net}
        return {
            role: session.describe() + (f", {session.threads} threads" if threads else "")
            for role, part in parts.items()
            if isinstance(session := getattr(part, "session", None), Session)
        }

    def analyze(self, images: Sequence[ImageSource]) -> list[list[Face]]:
        """Find and embed the faces of pictures.

        Args:
            images: Paths, bytes of picture files, or BGR arrays; a list, also for one picture.

        Returns:
            One list a picture, faces in reading order, each with its embedding.

        Raises:
            ImageDecodeError: A picture cannot be decoded; nothing is returned for the others.
            InferenceError: The runtime failed.
            InvalidArgument: ``images`` is one picture and not a list of them.
        """
        pictures = _pictures(images, self._threads)
        found = self._detect(pictures)
        crops = [self.align(picture, faces) for picture, faces in zip(pictures, found, strict=True)]
        embeddings = iter(self.embed(np.concatenate(crops)) if crops else ())
        return [[face.with_embedding(next(embeddings)) for face in faces] for faces in found]

    def detect(self, images: Sequence[ImageSource]) -> list[list[Face]]:
        """Find the faces of pictures, in reading order, without embedding them; otherwise as :meth:`analyze`."""
        return self._detect(_pictures(images, self._threads))

    def detect_faint(self, images: Sequence[ImageSource], floor: float) -> list[tuple[list[Face], list[Face]]]:
        """Faces as :meth:`detect` gives them, and apart from them fainter ones, for uses that must miss no face.

        Args:
            images: As for :meth:`detect`.
            floor: Lowest detection score of a fainter face.

        Returns:
            ``(faces, fainter)`` a picture; no fainter ones where the detector cannot tell them.
        """
        pictures = _pictures(images, self._threads)
        if isinstance(self.detector, FaintDetector):
            found = self.detector.detect_faint(pictures, floor)
            return [(reading_order(faces), fainter) for faces, fainter in found]
        return [(faces, []) for faces in self._detect(pictures)]

    def align(self, image: Image, faces: Sequence[Face]) -> NDArray[np.uint8]:
        """Aligned crops of faces in one picture.

        Args:
            image: BGR ``uint8`` ``(H, W, 3)``.
            faces: Faces found in it.

        Returns:
            ``(N, h, w, 3)`` ``uint8``, of the size that the embedder takes.
        """
        landmarks = np.stack([face.landmarks for face in faces]) if faces else np.empty((0, 5, 2), dtype=np.float32)
        return self.embedder.align(image, landmarks)

    def embed(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Embeddings ``(N, D)`` of aligned crops ``(N, h, w, 3)``, each row of unit length."""
        return self.embedder.embed(crops)

    def assess(self, image: Image, faces: Sequence[Face]) -> list[FaceQuality]:
        """Quality components of faces found in one picture."""
        return assess(image, faces, self.quality_net)

    def _detect(self, pictures: Sequence[Image]) -> list[list[Face]]:
        return [reading_order(faces) for faces in self.detector.detect(pictures)]


def _pictures(images: Sequence[ImageSource], threads: int) -> list[Image]:
    if isinstance(images, str | bytes | bytearray | memoryview | Path | np.ndarray):
        raise InvalidArgument(
            f"a list of pictures is expected, got one {type(images).__name__}", hint="write analyze([picture])[0]"
        )
    given = list(images)
    pictures: dict[int, Image] = {}
    errors: dict[int, FacematchError] = {}

    def work(waiting: Iterator[int]) -> None:
        for number in waiting:
            try:
                pictures[number] = decode_pixels(given[number])
            except FacematchError as error:
                errors[number] = error

    files = sum(not isinstance(image, np.ndarray) for image in given)
    shared_out(range(len(given)), work, wanted=max(min(files, threads), 1))
    if errors:
        raise errors[min(errors)]  # the first in order, whichever thread found it
    return [pictures[number] for number in range(len(given))]
