"""Inference sessions: loaded models, and how they are to be run."""

from __future__ import annotations

from facematch.models.sessions.onnx import OnnxSession
from facematch.models.sessions.options import SessionOptions

__all__ = ["OnnxSession", "SessionOptions"]
