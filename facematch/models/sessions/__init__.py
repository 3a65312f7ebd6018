"""Inference sessions: loaded models, and how they are to be run."""

from __future__ import annotations

from facematch.models.sessions.batch import samples_at_once
from facematch.models.sessions.onnx import DEFAULT_PROVIDERS, OnnxSession
from facematch.models.sessions.options import SessionOptions

__all__ = ["DEFAULT_PROVIDERS", "OnnxSession", "SessionOptions", "samples_at_once"]
