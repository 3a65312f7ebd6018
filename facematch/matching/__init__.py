"""Matching: from template scores to subjects, and the threshold that makes a subject a candidate."""

from facematch.matching.calibration import Calibration
from facematch.matching.grouping import Templates, top_subjects
from facematch.matching.scoring import best_subjects, places_for, ranked_subjects
from facematch.matching.subjects import SubjectGallery, SubjectRule
from facematch.matching.threshold import effective_threshold

__all__ = [
    "Calibration",
    "SubjectGallery",
    "SubjectRule",
    "Templates",
    "best_subjects",
    "effective_threshold",
    "places_for",
    "ranked_subjects",
    "top_subjects",
]
