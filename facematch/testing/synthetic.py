"""An analyzer without models, and the synthetic pictures, consents and moments that tests need.

A synthetic picture carries its faces as numbers in its first row of pixels, so it survives lossless files (PNG, BMP)
and nothing else. It shows no real person.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InvalidArgument
from facematch.governance import Consent, ConsentEvent, ConsentState, PrivacyNotice
from facematch.types import Box, EmbeddingContract, Face, FloatArray, Image, ImageSource, OperatingPoint

__all__ = [
    "FakeAnalyzer",
    "ManualClock",
    "SyntheticFace",
    "synthetic_consent",
    "synthetic_picture",
]

_MAGIC = b"FMSP"
_RECORD = struct.Struct("<IIffffHx")
_CROP = 16
_MARKS = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))


@dataclass(frozen=True, slots=True)
class SyntheticFace:
    """One face to put into a synthetic picture.

    Attributes:
        person: Who it is; faces of one person have similar embeddings, others do not.
        variant: Which picture of the person; 0 is noise-free.
        box: Where it is in pixels; default a place of its own, 80 pixels high.
        detection_score: What the fake detector will say, in ``[0, 1]``.
    """

    person: int
    variant: int = 0
    box: Box | None = None
    detection_score: float = 0.99


def synthetic_picture(
    faces: Sequence[int | SyntheticFace], *, size: tuple[int, int] | None = None, shade: int = 128
) -> Image:
    """A picture that :class:`FakeAnalyzer` finds the given faces in.

    Args:
        faces: People by number, or faces in detail; in reading order.
        size: ``(height, width)`` in pixels; default as large as needed.
        shade: Gray of the background, 0 to 255; pictures that differ in it have different digests.

    Returns:
        BGR ``uint8`` ``(H, W, 3)``.

    Raises:
        InvalidArgument: The picture is too narrow to carry its faces.
    """
    records = []
    for number, item in enumerate(faces):
        face = item if isinstance(item, SyntheticFace) else SyntheticFace(item)
        box = face.box if face.box is not None else Box(10 + 90.0 * number, 10, 74 + 90.0 * number, 90)
        records.append((face, box))
    data = _MAGIC + bytes([len(records)])
    for face, box in records:
        data += _RECORD.pack(face.person, face.variant, *box.as_tuple(), round(face.detection_score * 65535))
    height, width = size if size is not None else (100, max(120, 20 + 90 * len(records), -(-len(data) // 3)))
    if len(data) > 3 * width:
        raise InvalidArgument(f"{len(records)} faces need a wider picture than {width} pixels", hint="widen size")
    picture = np.full((height, width, 3), shade, dtype=np.uint8)
    picture.reshape(-1)[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    return picture


class FakeAnalyzer:
    """An :class:`~facematch.protocols.Analyzer` without models, for synthetic pictures.

    The embeddings of the first ``dimension`` people (noise-free) are orthogonal; other people's are random. Variants
    of one person have cosines around 0.97.

    Args:
        dimension: Length of the embeddings.
        faces: When given, every picture shows these and nothing else (their embeddings are used as they are).
        threshold: Threshold of the operating point; ``None`` for a pack without one.
        name: Name of the embedder; another name makes another embedding contract.
    """

    def __init__(
        self,
        dimension: int = 16,
        faces: Sequence[Face] | None = None,
        *,
        threshold: float | None = 0.6,
        name: str = "fake",
    ) -> None:
        digest = hashlib.sha256(f"{name}/{dimension}".encode()).hexdigest()
        self._contract = EmbeddingContract(digest, dimension, name)
        self._faces = None if faces is None else list(faces)
        self._operating_point = (
            None
            if threshold is None
            else OperatingPoint(threshold, digest, 0.001, "FMR", "synthetic pictures", 1000, "2026-01-01")
        )

    @property
    def contract(self) -> EmbeddingContract:
        """The embedding contract of its faces."""
        return self._contract

    @property
    def operating_point(self) -> OperatingPoint | None:
        """A made-up tested threshold, or ``None``."""
        return self._operating_point

    def describe(self) -> dict[str, str]:
        """The models in a few words, for reports."""
        return {"embedder": self._contract.embedder}

    def embedding(self, person: int, variant: int = 0) -> FloatArray:
        """The unit vector ``(dimension,)`` of a person."""
        dimension = self._contract.dimension
        if person < dimension:
            vector = np.zeros(dimension)
            vector[person] = 1.0
        else:
            vector = np.random.default_rng(person).standard_normal(dimension)
            vector /= np.linalg.norm(vector)
        if variant:
            noise = np.random.default_rng((person, variant)).standard_normal(dimension)
            vector = vector + 0.25 * noise / np.linalg.norm(noise)
            vector /= np.linalg.norm(vector)
        return vector.astype(np.float32)

    def analyze(self, images: Sequence[ImageSource]) -> list[list[Face]]:
        """Faces of each picture with embeddings.

        Raises:
            ImageDecodeError: A picture cannot be decoded.
        """
        if self._faces is not None:
            return [list(self._faces) for _ in images]
        found = []
        for picture in map(_pixels, images):
            faces = self._read(picture)
            vectors = self.embed(self.align(picture, faces))
            found.append([face.with_embedding(vector) for face, vector in zip(faces, vectors, strict=True)])
        return found

    def detect(self, images: Sequence[ImageSource]) -> list[list[Face]]:
        """Faces of each picture without embeddings; a picture that is not synthetic has none."""
        if self._faces is not None:
            return [[face.with_embedding(None) for face in self._faces] for _ in images]
        return [self._read(_pixels(image)) for image in images]

    def align(self, image: Image, faces: Sequence[Face]) -> NDArray[np.uint8]:
        """Crops ``(N, 16, 16, 3)`` that carry who each face is."""
        records = _records(image)
        crops = np.zeros((len(faces), _CROP, _CROP, 3), dtype=np.uint8)
        for number, face in enumerate(faces):
            x, y = face.box.center
            nearest = min(records, key=lambda r: (r[1].center[0] - x) ** 2 + (r[1].center[1] - y) ** 2, default=None)
            if nearest is not None:
                data = struct.pack("<II", nearest[0].person, nearest[0].variant)
                crops[number].reshape(-1)[: len(data)] = np.frombuffer(data, dtype=np.uint8)
        return crops

    def embed(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Unit-length embeddings ``(N, dimension)`` of crops made by :meth:`align`."""
        people = [struct.unpack("<II", crop.reshape(-1)[:8].tobytes()) for crop in crops]
        if not people:
            return np.empty((0, self._contract.dimension), dtype=np.float32)
        return np.stack([self.embedding(person, variant) for person, variant in people])

    @staticmethod
    def _read(picture: Image) -> list[Face]:
        return [
            Face(
                box,
                np.asarray([(box.x1 + u * box.width, box.y1 + v * box.height) for u, v in _MARKS], dtype=np.float32),
                face.detection_score,
            )
            for face, box in _records(picture)
        ]


class ManualClock:
    """A clock that stands still until it is told otherwise, and that may go backwards.

    Args:
        now: The first moment, timezone-aware.
    """

    def __init__(self, now: datetime = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The present moment."""
        return self.now

    def advance(self, step: timedelta) -> None:
        """Move by ``step``, which may be negative."""
        self.now += step


def synthetic_consent(
    subject_id: str,
    *,
    purposes: Sequence[str] = ("site-access",),
    sites: Sequence[str] = (),
    now: datetime | None = None,
    valid_for: timedelta = timedelta(days=365),
) -> Consent:
    """A consent record for tests: valid in form, with digests of no real document.

    Args:
        subject_id: The subject.
        purposes: What for.
        sites: Where; empty means every site.
        now: When it was given; default the present moment.
        valid_for: How long.

    Raises:
        ConsentInvalid: An argument is malformed.
    """
    moment = datetime.now(UTC) if now is None else now
    return Consent(
        record_id=str(uuid.uuid4()),
        subject_id=subject_id,
        privacy_notice=PrivacyNotice(uri="urn:facematch:test", sha256="0" * 64),
        language="en",
        purposes=tuple(purposes),
        sites=tuple(sites),
        adult_attested=True,
        evidence_sha256="0" * 64,
        events=(ConsentEvent(time=moment, actor="test", state=ConsentState.GIVEN, valid_until=moment + valid_for),),
    )


def _pixels(image: ImageSource) -> Image:
    from facematch.imaging import decode_pixels  # pictures are decoded only when a fake needs one

    return decode_pixels(image)


def _records(picture: Image) -> list[tuple[SyntheticFace, Box]]:
    row = picture[0].reshape(-1).tobytes()
    if not row.startswith(_MAGIC):
        return []
    found = []
    for number in range(row[len(_MAGIC)]):
        person, variant, x1, y1, x2, y2, score = _RECORD.unpack_from(row, len(_MAGIC) + 1 + number * _RECORD.size)
        box = Box(x1, y1, x2, y2)
        found.append((SyntheticFace(person, variant, box, score / 65535), box))
    return found
