"""What a user of the same weights would write with OpenCV or insightface."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from facematch.models import Pack
from facematch.models.convert.graph import GraphEditor
from facematch.models.convert.quantized import fold_dequantize
from facematch.types import FloatArray, Image

__all__ = ["Peer", "Seen", "peer_of", "unpacked"]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Faces that a library finds in a picture.

    Attributes:
        boxes: ``(N, 4)`` ``xyxy``.
        embeddings: ``(N, D)`` of unit length.
    """

    boxes: FloatArray
    embeddings: FloatArray


@dataclass(frozen=True, slots=True)
class Peer:
    """Another library.

    Attributes:
        name: Its name and version.
        analyze: Finds and embeds the faces of pictures, one after the other, as its documentation shows it.
        least_iou: How well its boxes must agree with ours.
        least_cosine: How well its embeddings must.
    """

    name: str
    analyze: Callable[[Sequence[Image]], list[Seen]]
    least_iou: float
    least_cosine: float


_UNIT: Final = 1e-12


def peer_of(pack: Pack, threads: int, stack: ExitStack) -> Peer | None:
    """The library that runs the very files of a pack: OpenCV those of its own models, insightface its own packs.

    Args:
        pack: The pack.
        threads: Threads that the library may use.
        stack: Closed when the peer is no longer needed.

    Returns:
        ``None`` where the pack is neither library's.
    """
    detector, (embedder, *others) = pack.manifest.detector.kind, pack.manifest.embedders
    if others or embedder.flip:
        return None
    if detector == "yunet" and embedder.dimension == 128:
        return _opencv(pack, threads, stack)
    return _insightface(pack, threads, stack) if detector == "scrfd" else None


def unpacked(pack: Pack) -> tuple[bytes, bytes]:
    """A pack's detector and embedder with their weights unpacked to float32, and otherwise as published."""
    found = []
    for model in (pack.manifest.detector, pack.manifest.embedders[0]):
        parsed = onnx.load(pack.folder / model.file)
        editor = GraphEditor(parsed)
        fold_dequantize(editor)
        editor.finish()
        found.append(parsed.SerializeToString())
    return found[0], found[1]


def _opencv(pack: Pack, threads: int, stack: ExitStack) -> Peer:
    import cv2

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="facematch-")))
    paths = [folder / model.file for model in (pack.manifest.detector, pack.manifest.embedders[0])]
    for path, model_bytes in zip(paths, unpacked(pack), strict=True):
        path.write_bytes(model_bytes)
    detector = cv2.FaceDetectorYN.create(str(paths[0]), "", (320, 320), 0.6, 0.3, 5000)
    recognizer = cv2.FaceRecognizerSF.create(str(paths[1]), "")

    def analyze(pictures: Sequence[Image]) -> list[Seen]:
        found = []
        before = cv2.getNumThreads()
        cv2.setNumThreads(threads)
        try:
            for picture in pictures:
                detector.setInputSize((picture.shape[1], picture.shape[0]))
                detected: Any = detector.detect(picture)[1]  # None for nobody
                rows = np.empty((0, 15), dtype=np.float32) if detected is None else detected
                features = [recognizer.feature(recognizer.alignCrop(picture, row))[0] for row in rows]
                boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
                found.append(Seen(boxes, _unit(features, 128)))
        finally:
            cv2.setNumThreads(before)
        return found

    return Peer(f"OpenCV {cv2.__version__}", analyze, 0.99, 0.99)


def _insightface(pack: Pack, threads: int, stack: ExitStack) -> Peer:
    import insightface
    from insightface.app import FaceAnalysis

    from facematch.models.runtime import onnxruntime

    root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="facematch-")))
    folder = root / "models" / "pack"
    folder.mkdir(parents=True)
    for model in (pack.manifest.detector, pack.manifest.embedders[0]):
        (folder / model.file).symlink_to((pack.folder / model.file).resolve())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    app: Any = FaceAnalysis(
        name="pack",
        root=str(root),
        allowed_modules=["detection", "recognition"],
        providers=["CPUExecutionProvider"],
        sess_options=options,
    )
    app.prepare(-1, det_size=(640, 640))

    def analyze(pictures: Sequence[Image]) -> list[Seen]:
        found = []
        for picture in pictures:
            faces = app.get(picture)
            boxes = np.array([face.bbox for face in faces], dtype=np.float32).reshape(-1, 4)
            found.append(Seen(boxes, _unit([face.embedding for face in faces], pack.manifest.embedders[0].dimension)))
        return found

    return Peer(f"insightface {insightface.__version__}", analyze, 0.99, 0.98)


def _unit(vectors: Sequence[FloatArray], dimension: int) -> FloatArray:
    rows = np.array(vectors, dtype=np.float32).reshape(-1, dimension)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _UNIT))
