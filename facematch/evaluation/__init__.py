"""Evaluation: how accurate a model pack is on labelled pictures. Reads faces and matching, never a watchlist."""

from __future__ import annotations

from facematch.evaluation.lfw import LfwResult, evaluate_lfw

__all__ = ["LfwResult", "evaluate_lfw"]
