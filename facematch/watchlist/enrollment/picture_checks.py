"""Checks of pictures for enrollment: exactly one face, large, confidently detected, and of sufficient quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.errors import ImageDecodeError, InvalidArgument
from facematch.imaging import DecodedImage, decode, picture_digest
from facematch.protocols import Analyzer, QualityAssessor
from facematch.storage.encryption import SubjectCipher
from facematch.types import Face, FaceQuality, FloatArray, Image, ImageSource, PictureRefusal, QualityGate

__all__ = ["CheckedPictures", "EnrolledPictures", "UsablePicture", "check_pictures", "listed", "name_of"]

_BATCH = 8
"""Pictures decoded at a time: enough for the detector to batch, few enough for memory."""


@dataclass(frozen=True, slots=True, eq=False)
class UsablePicture:
    """A picture with one face that passed the gate.

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


@dataclass(frozen=True, slots=True)
class EnrolledPictures:
    """The pictures whose templates stand on one consent record, known by their keyed digests.

    Attributes:
        cipher: Makes keyed digests.
        subject_ref: Reference of the subject.
        marks: The keyed digests.
    """

    cipher: SubjectCipher
    subject_ref: str
    marks: frozenset[str]

    def __contains__(self, digest: str) -> bool:
        """Whether the picture of a SHA-256 digest is among them."""
        return self.cipher.sample_mark(self.subject_ref, digest) in self.marks


@dataclass(frozen=True, slots=True, eq=False)
class CheckedPictures:
    """Outcome of checking pictures.

    Attributes:
        usable: The pictures that may become templates, in order.
        refused: Why the others may not, by their place among the pictures.
        qualities: Measured quality by place, where the analyzer measures it.
    """

    usable: tuple[UsablePicture, ...] = ()
    refused: dict[int, PictureRefusal] = field(default_factory=dict)
    qualities: dict[int, FaceQuality] = field(default_factory=dict)

    def refusals(self) -> tuple[PictureRefusal, ...]:
        """The refusals in the order of the pictures."""
        return tuple(self.refused[number] for number in sorted(self.refused))

    def qualities_taken(self) -> list[FaceQuality]:
        """Measured quality of the usable pictures."""
        return [self.qualities[item.number] for item in self.usable if item.number in self.qualities]

    def without_enrolled(
        self, enrolled: EnrolledPictures | None, vectors: FloatArray
    ) -> tuple[CheckedPictures, FloatArray]:
        """The same with pictures refused that have been enrolled meanwhile, and the vectors ``(N, D)`` of the rest."""
        again = [] if enrolled is None else [item for item in self.usable if item.digest in enrolled]
        if not again:
            return self, vectors
        refused = self.refused | {item.number: _enrolled_already(item.picture) for item in again}
        kept = [item.number not in refused for item in self.usable]
        usable = tuple(item for item, keep in zip(self.usable, kept, strict=True) if keep)
        return replace(self, usable=usable, refused=refused), vectors[kept]


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


def check_pictures(
    analyzer: Analyzer,
    pictures: Sequence[ImageSource],
    gate: QualityGate,
    *,
    override: bool = False,
    enrolled: EnrolledPictures | None = None,
) -> CheckedPictures:
    """Detect, measure and align the one face of each picture. Nothing is embedded here.

    Args:
        analyzer: Finds, measures and aligns faces.
        pictures: The pictures.
        gate: What a face must reach.
        override: Take pictures whose quality components fail the gate all the same.
        enrolled: Pictures that are enrolled already; one of them is refused without being decoded.
    """
    usable: list[UsablePicture] = []
    refused: dict[int, PictureRefusal] = {}
    qualities: dict[int, FaceQuality] = {}
    seen: set[str] = set()
    for start in range(0, len(pictures), _BATCH):
        batch: list[tuple[int, str, DecodedImage]] = []
        for number, source in enumerate(pictures[start : start + _BATCH], start):
            name = name_of(source, number)
            decoded = _decoded(source, name, seen, enrolled)
            if isinstance(decoded, PictureRefusal):
                refused[number] = decoded
            else:
                batch.append((number, name, decoded))
        found = analyzer.detect([decoded.pixels for _, _, decoded in batch]) if batch else []
        for (number, name, decoded), faces in zip(batch, found, strict=True):
            refusal = _unusable(name, faces, gate)
            if refusal is None:
                quality = _quality(analyzer, decoded.pixels, faces)
                if quality is not None:
                    qualities[number] = quality
                    refusal = None if override else _low_quality(name, quality, gate)
            if refusal is None:
                crop = analyzer.align(decoded.pixels, faces)[0]
                usable.append(UsablePicture(number, name, decoded.digest, faces[0], crop))
            else:
                refused[number] = refusal
    return CheckedPictures(tuple(usable), refused, qualities)


def _decoded(
    source: ImageSource, name: str, seen: set[str], enrolled: EnrolledPictures | None
) -> DecodedImage | PictureRefusal:
    try:
        if enrolled is not None and picture_digest(source) in enrolled:
            return _enrolled_already(name)
        decoded = decode(source)
    except ImageDecodeError as error:
        return PictureRefusal(name, error.code, error.message, error.hint)
    if decoded.digest in seen:
        return PictureRefusal(
            name, "duplicate_picture", "the same picture was given twice", "use another picture of the subject"
        )
    seen.add(decoded.digest)
    return decoded


def _quality(analyzer: Analyzer, pixels: Image, faces: Sequence[Face]) -> FaceQuality | None:
    return analyzer.assess(pixels, faces)[0] if isinstance(analyzer, QualityAssessor) else None


def _low_quality(name: str, quality: FaceQuality, gate: QualityGate) -> PictureRefusal | None:
    failures = gate.failures(quality)
    if not failures:
        return None
    listing = "; ".join(f"{component} {value}" for component, value in failures.items())
    return PictureRefusal(
        name, "quality_too_low", listing, "use a sharp, evenly lit, closer picture, the face towards the camera"
    )


def _unusable(name: str, faces: Sequence[Face], gate: QualityGate) -> PictureRefusal | None:
    if not faces:
        return PictureRefusal(name, "no_face", "no face was found", "use a sharp picture, the face towards the camera")
    if len(faces) > 1:
        return PictureRefusal(
            name, "several_faces", f"{len(faces)} faces were found", "crop the picture to the subject's face"
        )
    face = faces[0]
    if face.box.height < gate.min_face_height_px:
        return PictureRefusal(
            name,
            "face_too_small",
            f"the face is {face.box.height:.0f} pixels high, at least {gate.min_face_height_px:g} are needed",
            "use a closer or larger picture",
        )
    if face.detection_score < gate.min_detection_score:
        return PictureRefusal(
            name,
            "detection_score_too_low",
            f"the detection score is {face.detection_score:.2f}, at least {gate.min_detection_score:g} is needed",
            "use a sharp, evenly lit picture, the face towards the camera and uncovered",
        )
    return None


def _enrolled_already(name: str) -> PictureRefusal:
    return PictureRefusal(
        name,
        "enrolled_already",
        "the same picture is already enrolled on this consent record",
        "use another picture of the subject",
    )


def name_of(source: object, number: int) -> str:
    """Name of a picture: its file's name, or its number counted from one."""
    return Path(fspath(source)).name if isinstance(source, str | PathLike) else f"picture {number + 1}"
