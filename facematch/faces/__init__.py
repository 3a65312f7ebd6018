"""Faces: detection, alignment and embedding, batched over pictures and faces."""

from __future__ import annotations

from facematch.faces.analyzer import FaceAnalyzer

__all__ = ["FaceAnalyzer"]
