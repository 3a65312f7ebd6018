"""What a picture must show to be enrolled: one face, large, clear and good enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.errors import ImageDecodeError, InvalidArgument
from facematch.imaging import DecodedImage, decode, picture_digest
from facematch.protocols import Analyzer, QualityAssessor
from facematch.types import Face, FaceQuality, Image, ImageSource, PictureRefusal, QualityGate

__all__ = ["Gates", "Usable", "enrolled_already", "examine", "listed", "name_of"]

_BATCH = 8
"""Pictures decoded at a time: enough for the detector to batch, few enough for memory."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What a face must reach to be enrolled.

    Attributes:
        min_face_height: Height of the face's box in pixels.
        min_detection_score: The detector's score in ``[0, 1]``.
        quality: Limits on the quality components, where the analyzer measures them.

    Raises:
        InvalidArgument: A value is no number in its range.
    """

    min_face_height: float = 40.0
    min_detection_score: float = 0.8
    quality: QualityGate = field(default_factory=QualityGate)

    def __post_init__(self) -> None:
        if not isinstance(self.quality, QualityGate):
            raise InvalidArgument(f"quality_gate must be a QualityGate, got {type(self.quality).__name__}")
        gates: tuple[tuple[object, str, float], ...] = (
            (self.min_face_height, "min_face_height", math.inf),
            (self.min_detection_score, "min_detection_score", 1.0),
        )
        for value, what, top in gates:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= top:
                raise InvalidArgument(
                    f"{what} must be a number from 0 to {top}, got {value!r}", hint="leave it out for the default"
                )


@dataclass(frozen=True, slots=True, eq=False)
class Usable:
    """A picture with one face that passed the gates.

    Attributes:
        number: Its place among the pictures.
        picture: Its name.
        digest: SHA-256 of its bytes.
        face: The face.
        crop: The aligned crop.
    """

    number: int
    picture: str
    digest: str
    face: Face
    crop: NDArray[np.uint8]


def listed(images: object) -> list[ImageSource]:
    """Pictures as a list; a single path, bytes object or array is one picture.

    Raises:
        InvalidArgument: There is none.
    """
    if isinstance(images, str | PathLike | bytes | bytearray | memoryview | np.ndarray):
        return [images]
    if not isinstance(images, list | tuple) or not images:
        raise InvalidArgument(
            "images must be a picture or a non-empty list of pictures", hint='for example ["a.jpg", "b.jpg"]'
        )
    return list(images)


def examine(
    analyzer: Analyzer,
    pictures: Sequence[ImageSource],
    gates: Gates,
    *,
    override: bool = False,
    enrolled: Callable[[str], bool] | None = None,
) -> tuple[list[Usable], dict[int, PictureRefusal], dict[int, FaceQuality]]:
    """The one face of each usable picture, why the others are not used, and what quality was measured.

    Nobody is embedded here.

    Args:
        analyzer: Finds, measures and aligns faces.
        pictures: The pictures.
        gates: What a face must reach.
        override: Take pictures that fail the quality gate all the same.
        enrolled: Whether the picture of a digest is enrolled already; such a one is refused without being decoded.
    """
    usable: list[Usable] = []
    refusals: dict[int, PictureRefusal] = {}
    qualities: dict[int, FaceQuality] = {}
    seen: set[str] = set()
    for start in range(0, len(pictures), _BATCH):
        batch: list[tuple[int, str, DecodedImage]] = []
        for number, source in enumerate(pictures[start : start + _BATCH], start):
            name = name_of(source, number)
            try:
                if enrolled is not None and enrolled(picture_digest(source)):
                    refusals[number] = enrolled_already(name)
                    continue
                decoded = decode(source)
            except ImageDecodeError as error:
                refusals[number] = PictureRefusal(name, error.code, error.message, error.hint)
                continue
            if decoded.digest in seen:
                refusals[number] = _given_twice(name)
                continue
            seen.add(decoded.digest)
            batch.append((number, name, decoded))
        found = analyzer.detect([decoded.pixels for _, _, decoded in batch]) if batch else []
        for (number, name, decoded), faces in zip(batch, found, strict=True):
            refusal = _gate(name, faces, gates)
            if refusal is None:
                quality = _quality(analyzer, decoded.pixels, faces)
                if quality is not None:
                    qualities[number] = quality
                    refusal = None if override else _quality_gate(name, quality, gates.quality)
            if refusal is None:
                crop = analyzer.align(decoded.pixels, faces)[0]
                usable.append(Usable(number, name, decoded.digest, faces[0], crop))
            else:
                refusals[number] = refusal
    return usable, refusals, qualities


def _quality(analyzer: Analyzer, pixels: Image, faces: Sequence[Face]) -> FaceQuality | None:
    return analyzer.assess(pixels, faces)[0] if isinstance(analyzer, QualityAssessor) else None


def _quality_gate(name: str, quality: FaceQuality, gate: QualityGate) -> PictureRefusal | None:
    failures = gate.failures(quality)
    if not failures:
        return None
    listing = "; ".join(f"{component} {value}" for component, value in failures.items())
    return PictureRefusal(
        name, "quality_too_low", listing, "use a sharp, evenly lit, closer picture, the face towards the camera"
    )


def _gate(name: str, faces: Sequence[Face], gates: Gates) -> PictureRefusal | None:
    if not faces:
        return PictureRefusal(name, "no_face", "no face was found", "use a sharp picture, the face towards the camera")
    if len(faces) > 1:
        return PictureRefusal(
            name, "several_faces", f"{len(faces)} faces were found", "crop the picture to the subject's face"
        )
    face = faces[0]
    if face.box.height < gates.min_face_height:
        return PictureRefusal(
            name,
            "face_too_small",
            f"the face is {face.box.height:.0f} pixels high, at least {gates.min_face_height:g} are needed",
            "use a closer or larger picture",
        )
    if face.detection_score < gates.min_detection_score:
        return PictureRefusal(
            name,
            "detection_score_too_low",
            f"the detection score is {face.detection_score:.2f}, at least {gates.min_detection_score:g} is needed",
            "use a sharp, evenly lit picture, the face towards the camera and uncovered",
        )
    return None


def enrolled_already(name: str) -> PictureRefusal:
    """The refusal of a picture that a template was made of before."""
    return PictureRefusal(
        name,
        "enrolled_already",
        "the same picture is already enrolled on this consent record",
        "use another picture of the subject",
    )


def _given_twice(name: str) -> PictureRefusal:
    return PictureRefusal(
        name, "duplicate_picture", "the same picture was given twice", "use another picture of the subject"
    )


def name_of(source: object, number: int) -> str:
    """What a picture is called: its file's name, or its number counted from one."""
    return Path(fspath(source)).name if isinstance(source, str | PathLike) else f"picture {number + 1}"
