"""Pictures: safe decoding, five-point alignment, drawing and redaction."""

from __future__ import annotations

from facematch.imaging.align import ARCFACE_112, aligned_crops, similarity_transforms
from facematch.imaging.decode import (
    PICTURE_ENDINGS,
    DecodedImage,
    DecodeLimits,
    ReducedImage,
    decode,
    decode_pixels,
    decode_reduced,
    picture_digest,
    picture_size,
)

__all__ = [
    "ARCFACE_112",
    "PICTURE_ENDINGS",
    "DecodeLimits",
    "DecodedImage",
    "ReducedImage",
    "aligned_crops",
    "decode",
    "decode_pixels",
    "decode_reduced",
    "picture_digest",
    "picture_size",
    "similarity_transforms",
]
