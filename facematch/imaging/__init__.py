"""Pictures: safe decoding, five-point alignment, drawing and redaction."""

from __future__ import annotations

from facematch.imaging.align import ARCFACE_112, aligned_crops, similarity_transforms
from facematch.imaging.decode import DecodedImage, DecodeLimits, decode, decode_pixels

__all__ = [
    "ARCFACE_112",
    "DecodeLimits",
    "DecodedImage",
    "aligned_crops",
    "decode",
    "decode_pixels",
    "similarity_transforms",
]
