"""Packs in InsightFace's layout: a folder with a ``det_*``/``scrfd_*`` detector and one ArcFace-family embedder."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Final

import onnx
from google.protobuf.message import DecodeError

from facematch.errors import ManifestInvalid
from facematch.models.manifest import DetectorModel, EmbedderModel, Manifest, Preprocessing

__all__ = ["manifest_of_insightface_folder"]

_DETECTOR: Final = re.compile(r"^(det_|scrfd_).*\.onnx$")
_OTHER: Final = re.compile(r"^(2d106det|1k3d68|genderage|inswapper).*\.onnx$")
_LICENSE: Final = "LicenseRef-InsightFace-non-commercial-research"
_ARCFACE: Final = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))


def manifest_of_insightface_folder(folder: Path) -> Manifest | None:
    """A manifest for a folder in InsightFace's layout, or ``None`` if it is not one.

    Models of age, gender and further landmarks in the folder are left alone; facematch never loads them. The license
    is taken to be InsightFace's, which allows non-commercial research only.

    Raises:
        ManifestInvalid: There are several embedders to choose from, or the embedder's shape is not the family's.
    """
    files = sorted(path for path in folder.glob("*.onnx") if path.is_file())
    detectors = [path for path in files if _DETECTOR.match(path.name)]
    embedders = [path for path in files if path not in detectors and not _OTHER.match(path.name)]
    if len(detectors) != 1 or not embedders:
        return None
    if len(embedders) > 1:
        raise ManifestInvalid(
            f"{folder} holds several embedders: {', '.join(path.name for path in embedders)}",
            hint="keep one of them, or write a manifest that names one",
        )
    size, dimension = _embedder_shape(embedders[0])
    return Manifest(
        schema_version=1,
        name=re.sub(r"[^A-Za-z0-9._-]", "-", folder.resolve().name).lstrip("._-") or "folder",
        version="folder",
        summary="A folder in InsightFace's layout, without a manifest of its own.",
        license=_LICENSE,
        permitted_use=("research",),
        model_card="Taken from a local folder; license assumed to be InsightFace's. No tested threshold.",
        detector=DetectorModel(
            kind="scrfd",
            file=detectors[0].name,
            sha256=_digest(detectors[0]),
            license=_LICENSE,
            preprocessing=Preprocessing(channels="rgb", mean=127.5, scale=128.0),
        ),
        embedders=(
            EmbedderModel(
                kind="aligned",
                file=embedders[0].name,
                sha256=_digest(embedders[0]),
                license=_LICENSE,
                preprocessing=Preprocessing(channels="rgb", mean=127.5, scale=127.5),
                dimension=dimension,
                crop_size=size,
                template=tuple((x * size / 112, y * size / 112) for x, y in _ARCFACE),
            ),
        ),
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _embedder_shape(path: Path) -> tuple[int, int]:
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (OSError, DecodeError) as error:
        raise ManifestInvalid(f"{path} is not an ONNX model: {error}", hint="the file may be damaged") from error
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) == 1 and len(graph.output) == 1:
        crop = _dims(inputs[0])
        output = _dims(graph.output[0])
        square = len(crop) == 4 and crop[1] == 3 and crop[2] == crop[3] > 0
        if square and len(output) == 2 and output[1] > 0:
            return crop[2], output[1]
    raise ManifestInvalid(
        f"{path} does not look like an ArcFace-family embedder (N, 3, S, S) -> (N, D)",
        hint="write a manifest beside it; docs/how-to/packs.md shows one",
    )


def _dims(value: Any) -> list[int]:
    return [int(dim.dim_value) for dim in value.type.tensor_type.shape.dim]
