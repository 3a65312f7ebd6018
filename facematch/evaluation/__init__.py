"""Evaluation: how accurate a model pack is on labeled pictures. Reads faces and matching, never a watchlist."""

from __future__ import annotations

from facematch.evaluation.certify import CalibrationRun, calibrate
from facematch.evaluation.detection import DetectionResult, evaluate_detection
from facematch.evaluation.differentials import DifferentialsResult
from facematch.evaluation.lfw import LfwResult, evaluate_lfw
from facematch.evaluation.openset import OpenSetResult, evaluate_openset
from facematch.evaluation.pairs import VerificationResult, evaluate_verification

__all__ = [
    "CalibrationRun",
    "DetectionResult",
    "DifferentialsResult",
    "LfwResult",
    "OpenSetResult",
    "VerificationResult",
    "calibrate",
    "evaluate_detection",
    "evaluate_lfw",
    "evaluate_openset",
    "evaluate_verification",
]
