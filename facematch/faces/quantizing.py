"""A model pack whose embedder computes in 8-bit integers, made on one's own machine from one's own pictures."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import tomli_w
from numpy.typing import NDArray

from facematch.errors import ImageDecodeError, InvalidArgument
from facematch.faces.analyzer import FaceAnalyzer
from facematch.faces.embedders.aligned import AlignedEmbedder
from facematch.imaging import decode_pixels
from facematch.models import EmbedderModel, Manifest
from facematch.models.convert.static_int8 import quantize_static_int8
from facematch.models.manifest import MANIFEST_NAME
from facematch.protocols import Progress
from facematch.types import FloatArray

__all__ = ["Agreement", "QuantizedPack", "quantize_pack", "record_figures"]

LEAST_FACES: Final = 64
MOST_FACES: Final = 512
_HEIGHT: Final = 40.0
_SCORE: Final = 0.8
_TOGETHER: Final = 8
_EVERY: Final = 4
"""Every so many a face is kept back, to compare the two embedders on faces that were not calibrated with."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of the embeddings of two embedders, on faces that were not calibrated with.

    Attributes:
        faces: How many.
        mean: Mean cosine.
        lowest_percent: The cosine that one face in a hundred stays under.
    """

    faces: int
    mean: float
    lowest_percent: float

    def __str__(self) -> str:
        return (
            f"cosine {self.mean:.4f} on average and {self.lowest_percent:.4f} for the lowest percent of "
            f"{self.faces} faces"
        )


@dataclass(frozen=True, slots=True)
class QuantizedPack:
    """A pack that was written.

    Attributes:
        folder: Where it is.
        manifest: Its manifest.
        calibrated: Faces that it was calibrated with.
        agreement: How alike its embeddings and the original's are.
    """

    folder: Path
    manifest: Manifest
    calibrated: int
    agreement: Agreement


def quantize_pack(
    analyzer: FaceAnalyzer,
    pictures: Sequence[Path],
    out: Path,
    *,
    progress: Progress | None = None,
) -> QuantizedPack:
    """Write a pack like the analyzer's whose embedder is quantized to 8 bits.

    Its embeddings have a contract of their own: they are compared with none of the original's, and its threshold is not
    taken over. It is quicker with OpenVINO only; ONNX Runtime gives the same answers, more slowly than in float32.

    Args:
        analyzer: An analyzer from a pack with one embedder.
        pictures: Picture files with faces of the kind that the pack will see; 64 faces at least, 512 are used at most.
        out: Folder for the pack; made here.
        progress: Called with faces found and wanted.

    Raises:
        InvalidArgument: The pack has several embedders or one of another kind, the pictures show too few faces, or
            ``out`` is there already or cannot be written.
        ConversionError: The embedder cannot be quantized.
    """
    pack, embedder = analyzer.pack, analyzer.embedder
    if pack is None or not isinstance(embedder, AlignedEmbedder) or len(pack.manifest.embedders) != 1:
        raise InvalidArgument("only a pack with one embedder is quantized", hint="quantize its members one by one")
    if os.path.lexists(out):
        raise InvalidArgument(f"{str(out)!r} is there already", hint="name a folder that is not there yet")
    crops = _faces(analyzer, pictures, progress)
    apart = np.arange(len(crops)) % _EVERY == 0
    model = pack.manifest.embedder
    data = quantize_static_int8(pack.model_bytes("embedder", 0, "openvino"), _tensors(embedder, crops[~apart]))
    changed = model.model_copy(
        update={
            "file": f"{Path(model.file).stem}_int8.onnx",
            "sha256": hashlib.sha256(data).hexdigest(),
            "converted_sha256": None,
            "convert": False,
        }
    )
    agreement = _agreement(embedder, changed, data, crops[apart])
    manifest = pack.manifest.model_copy(
        update={
            "name": f"{pack.manifest.name}-int8",
            "summary": f"{pack.manifest.summary} Embedder in 8-bit integers."[:1000],
            "published": {
                **{f"{what}, in float32": figure for what, figure in pack.manifest.published.items()},
                "embeddings beside float32": str(agreement),
            },
            "embedders": (changed,),
            "sources": (),
            "threshold": None,
        }
    )
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
        for other in (manifest.detector, *([] if manifest.quality is None else [manifest.quality])):
            shutil.copyfile(pack.folder / other.file, part / other.file)
        (part / changed.file).write_bytes(data)
        _write(manifest, part)
        part.rename(out)
    except OSError as error:
        if not isinstance(error, FileExistsError):
            shutil.rmtree(part, ignore_errors=True)
        raise InvalidArgument(
            f"the pack cannot be written into {str(out)!r}: {error.strerror or error}", hint="see to space and rights"
        ) from error
    return QuantizedPack(out, manifest, int(np.count_nonzero(~apart)), agreement)


def record_figures(pack: QuantizedPack, figures: Mapping[str, str]) -> None:
    """Write measured figures into a pack's manifest, beside those that are there.

    Raises:
        InvalidArgument: It cannot be written.
    """
    manifest = pack.manifest.model_copy(update={"published": {**pack.manifest.published, **figures}})
    try:
        _write(manifest, pack.folder)
    except OSError as error:
        raise InvalidArgument(
            f"the manifest in {str(pack.folder)!r} cannot be written: {error.strerror}", hint="check its permissions"
        ) from error


def _write(manifest: Manifest, folder: Path) -> None:
    document = manifest.model_dump(mode="json", exclude_none=True)
    part = folder / f".{MANIFEST_NAME}.part"
    part.write_text(tomli_w.dumps(document, multiline_strings=True), "utf-8")
    part.replace(folder / MANIFEST_NAME)


def _faces(analyzer: FaceAnalyzer, pictures: Sequence[Path], progress: Progress | None) -> NDArray[np.uint8]:
    """Crops of clear faces, as many as are wanted; pictures that cannot be read are left out."""
    found: list[NDArray[np.uint8]] = []
    count = 0
    for path in pictures:
        try:
            picture = decode_pixels(path)
        except ImageDecodeError:
            continue
        clear = [
            face
            for face in analyzer.detect([picture])[0]
            if face.box.height >= _HEIGHT and face.detection_score >= _SCORE
        ][: MOST_FACES - count]
        if clear:
            found.append(analyzer.align(picture, clear))
            count += len(clear)
        if progress is not None:
            progress(count, MOST_FACES)
        if count == MOST_FACES:
            break
    if count < LEAST_FACES:
        raise InvalidArgument(
            f"the pictures show {count} clear faces, and {LEAST_FACES} are needed",
            hint=f"give more pictures, with faces of at least {_HEIGHT:g} pixels",
        )
    return np.concatenate(found)


def _tensors(embedder: AlignedEmbedder, crops: NDArray[np.uint8]) -> Iterator[FloatArray]:
    for start in range(0, len(crops), _TOGETHER):
        yield embedder.tensor(crops[start : start + _TOGETHER])


def _agreement(embedder: AlignedEmbedder, model: EmbedderModel, data: bytes, crops: NDArray[np.uint8]) -> Agreement:
    quantized = AlignedEmbedder.from_model(model, data)
    cosines = (embedder.embed(crops) * quantized.embed(crops)).sum(axis=1)
    return Agreement(len(crops), float(cosines.mean()), float(np.percentile(cosines, 1)))
