"""Matching: from template scores to subjects, and the threshold that makes a subject a candidate."""

from facematch.matching.scoring import best_subjects, places_for
from facematch.matching.threshold import effective_threshold

__all__ = ["best_subjects", "effective_threshold", "places_for"]
