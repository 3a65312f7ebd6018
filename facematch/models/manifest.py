"""Pack manifests: what a model pack is made of, what it may be used for, and where its files come from."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from facematch.errors import ManifestInvalid, PackNotFound
from facematch.settings import Use
from facematch.types import FloatArray

__all__ = [
    "MANIFEST_NAME",
    "DetectorModel",
    "EmbedderModel",
    "FolderSource",
    "HttpsSource",
    "InsightFaceSource",
    "Manifest",
    "ModelFile",
    "Preprocessing",
    "QualityModel",
    "Source",
    "Threshold",
    "WheelSource",
    "bundled_manifest",
    "bundled_names",
    "read_manifest",
]

MANIFEST_NAME: Final = "facematch.toml"
"""Name of the manifest beside the ONNX files of a pack in a folder."""

_RULE: Final = re.compile(r"max|mean_template|mean_top_[1-9][0-9]{0,5}")

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Preprocessing(_Part):
    """Preprocessing of pixels to the model's input: ``(pixel - mean) / scale``, channels in the stated order."""

    channels: Literal["bgr", "rgb"]
    mean: float = 0.0
    scale: float = Field(default=1.0, gt=0)


class ModelFile(_Part):
    """One ONNX file of a pack.

    Attributes:
        kind: Name of the detector or embedder class in the plug-in registry.
        file: The file's name in the pack's folder.
        sha256: Digest of the published bytes.
        converted_sha256: Digest of the converted file, where it has been recorded.
        license: SPDX license expression of the weights.
        convert: Whether the file is rewritten for the runtime before use.
        batched: Whether the graph allows any batch size; if not, its batch stays at one.
    """

    kind: str
    file: FileName
    sha256: Sha256
    converted_sha256: Sha256 | None = None
    license: str = Field(min_length=1)
    convert: bool = True
    batched: bool = True
    preprocessing: Preprocessing


class DetectorModel(ModelFile):
    """The detector of a pack."""


class EmbedderModel(ModelFile):
    """An embedder of a pack.

    Attributes:
        weight: Weight of its cosine among the embedders of the pack; of no effect where it is the only one.
        flip: Whether the embedding is the mean over the crop and its mirror image.
        dimension: Length of an embedding.
        crop_size: Side of the aligned crop in pixels.
        template: Five landmark positions in the crop, in pixels: right eye, left eye, nose tip, right and left
            mouth corner (the subject's own right and left).
    """

    weight: float = Field(default=1.0, ge=1e-6, le=1e6)
    flip: bool = False
    dimension: int = Field(ge=1, le=8192)
    crop_size: int = Field(ge=16, le=1024)
    template: tuple[tuple[float, float], ...] = Field(min_length=5, max_length=5)

    def template_array(self) -> FloatArray:
        """The template as a read-only ``(5, 2)`` ``float32`` array."""
        array = np.array(self.template, dtype=np.float32)
        array.setflags(write=False)
        return array


class QualityModel(ModelFile):
    """A network that gives one quality score a face.

    Attributes:
        layout: Order of the input's axes.
        crop_size: Side in pixels to which the aligned face is scaled.
    """

    convert: bool = False
    layout: Literal["nchw", "nhwc"] = "nchw"
    crop_size: int = Field(ge=16, le=1024)


class HttpsSource(_Part):
    """Files behind URLs; ``files`` maps a file's name to its URL."""

    kind: Literal["https"]
    files: dict[FileName, str]


class WheelSource(_Part):
    """Files inside a wheel on the package index; ``files`` maps a file's name to its path in the wheel."""

    kind: Literal["wheel"]
    requirement: str
    files: dict[FileName, str]


class FolderSource(_Part):
    """Files in a local folder."""

    kind: Literal["folder"]
    path: Path


class InsightFaceSource(_Part):
    """A pack that insightface downloads itself."""

    kind: Literal["insightface"]
    name: FileName


Source = Annotated[HttpsSource | WheelSource | FolderSource | InsightFaceSource, Field(discriminator="kind")]


class Threshold(_Part):
    """The tested decision threshold of a pack and its provenance; see :class:`facematch.types.OperatingPoint`."""

    value: float = Field(ge=-1, le=1)
    error_kind: Literal["FMR", "FPIR"]
    error_rate: float = Field(gt=0, lt=1)
    measured_on: str = Field(min_length=1)
    trials: int = Field(ge=1)
    measured_at: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    contract: Sha256
    rule: str = "max"
    gallery_size: int | None = Field(default=None, ge=1)
    templates: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _says_what_it_holds_for(self) -> Threshold:
        if not _RULE.fullmatch(self.rule):
            raise ValueError(f"there is no subject rule {self.rule[:40]!r}")
        if self.error_kind == "FPIR" and (self.gallery_size is None or self.templates is None):
            raise ValueError("an FPIR holds up to a gallery_size and a number of templates; name both")
        return self


class Manifest(_Part):
    """A model pack.

    Attributes:
        schema_version: Version of this format.
        name: The pack's name.
        version: The pack's version.
        summary: One line on what it is.
        license: SPDX license expression over the whole pack.
        permitted_use: What the license allows: research is always among them.
        model_card: What a user should know: training data, limits, references.
        published: Published accuracy figures with their sources.
        detector: The detector.
        embedders: The embedder; or several, whose cosines are averaged by weight (an ensemble).
        quality: A network for the unified quality score, if the pack carries one.
        sources: Where missing files are fetched, tried in order.
        threshold: The tested threshold, if there is one.
    """

    schema_version: Literal[1]
    name: FileName
    version: FileName
    summary: str = Field(min_length=1)
    license: str = Field(min_length=1)
    permitted_use: tuple[Use, ...] = Field(min_length=1)
    model_card: str = Field(min_length=1)
    published: dict[str, str] = {}
    detector: DetectorModel
    embedders: tuple[EmbedderModel, ...] = Field(min_length=1, max_length=8)
    quality: QualityModel | None = None
    sources: tuple[Source, ...] = ()
    threshold: Threshold | None = None

    @model_validator(mode="after")
    def _files_differ(self) -> Manifest:
        names = [model.file for model in self.model_files]
        if len(set(names)) != len(names):
            raise ValueError("two of the models name the same file")
        return self

    @property
    def embedder(self) -> EmbedderModel:
        """The embedder, or the first one of an ensemble."""
        return self.embedders[0]

    @property
    def model_files(self) -> tuple[ModelFile, ...]:
        """The detector's file, those of the embedders, and that of the quality network."""
        return self.detector, *self.embedders, *([] if self.quality is None else [self.quality])


def parse_manifest(text: str, origin: str) -> Manifest:
    """Parse a manifest.

    Raises:
        ManifestInvalid: The text is not TOML, or a field is missing, unknown or out of range.
    """
    try:
        content = tomllib.loads(text)
    except RecursionError as error:
        raise ManifestInvalid(
            f"{origin} is nested too deeply", hint="see docs/how-to/packs.md for the format"
        ) from error
    except ValueError as error:  # TOMLDecodeError, or a number with too many digits
        raise ManifestInvalid(
            f"{origin} is not TOML: {error}", hint="see docs/how-to/packs.md for the format"
        ) from error
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the manifest"
        raise ManifestInvalid(
            f"{origin}: {place}: {first['msg']}", hint="see docs/how-to/packs.md for the format"
        ) from error


def read_manifest(path: Path) -> Manifest:
    """Read a manifest file.

    Raises:
        ManifestInvalid: It cannot be read or parsed.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestInvalid(f"{path} cannot be read: {error}", hint="check the file and its permissions") from error
    return parse_manifest(text, str(path))


def _bundled() -> dict[str, Any]:
    folder = resources.files("facematch.models") / "packs"
    return {entry.name.removesuffix(".toml"): entry for entry in folder.iterdir() if entry.name.endswith(".toml")}


def bundled_names() -> tuple[str, ...]:
    """Names of the packs whose manifests come with facematch, sorted."""
    return tuple(sorted(_bundled()))


def bundled_manifest(name: str) -> Manifest:
    """A manifest that comes with facematch.

    Raises:
        PackNotFound: There is none of that name.
    """
    entries = _bundled()
    if name not in entries:
        raise PackNotFound(
            f"there is no model pack named {name!r}",
            hint=f"known packs: {', '.join(sorted(entries))}; or name a folder that holds a pack",
        )
    return parse_manifest(entries[name].read_text("utf-8"), f"the bundled manifest {name}.toml")
