"""Values that cross layers: frozen, slotted, validated on construction, free of behavior that needs a library.

Conventions (they hold everywhere in facematch):

* pictures are BGR ``uint8`` arrays of shape ``(H, W, 3)``, as in OpenCV;
* boxes are ``xyxy`` in pixels of the picture as decoded and turned upright, floating point;
* landmarks are five points, ``(5, 2)`` ``float32``: right eye, left eye, nose tip, right and left mouth corner, where
  right and left are the *subject's* own, so the right eye is the one at the left of the picture;
* embeddings are ``float32`` and have unit length; scores are raw cosines in ``[-1, 1]``;
* times are timezone-aware and in UTC.
"""

from __future__ import annotations

from facematch.errors import PictureRefusal
from facematch.types.faces import Box, EmbeddingContract, Face, FloatArray, Image, ImageSource
from facematch.types.frames import Frame
from facematch.types.index import IdSet, IndexStats, Matches
from facematch.types.plain import PlainResult, to_plain
from facematch.types.quality import FaceQuality, QualityGate
from facematch.types.records import (
    ApprovalDecision,
    Complaint,
    Disclosure,
    Erasure,
    FiledConsent,
    KeyStatus,
    PendingEnrollment,
    Restored,
    RetentionRun,
    SubjectRecord,
    TemplateCount,
    Withdrawal,
)
from facematch.types.results import (
    Alert,
    Candidate,
    Enrollment,
    EnrollmentPreview,
    Identification,
    OperatingPoint,
    PicturePreview,
    Probe,
    SearchTerms,
    Verification,
)

__all__ = [
    "Alert",
    "ApprovalDecision",
    "Box",
    "Candidate",
    "Complaint",
    "Disclosure",
    "EmbeddingContract",
    "Enrollment",
    "EnrollmentPreview",
    "Erasure",
    "Face",
    "FaceQuality",
    "FiledConsent",
    "FloatArray",
    "Frame",
    "IdSet",
    "Identification",
    "Image",
    "ImageSource",
    "IndexStats",
    "KeyStatus",
    "Matches",
    "OperatingPoint",
    "PendingEnrollment",
    "PicturePreview",
    "PictureRefusal",
    "PlainResult",
    "Probe",
    "QualityGate",
    "Restored",
    "RetentionRun",
    "SearchTerms",
    "SubjectRecord",
    "TemplateCount",
    "Verification",
    "Withdrawal",
    "to_plain",
]
