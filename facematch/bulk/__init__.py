"""Pictures in bulk: a folder's faces as a table, and the enrollment of many subjects from a list."""

from __future__ import annotations

from facematch.bulk.embedding import EmbeddingReport, embed_folder
from facematch.bulk.enrollment import SubjectOutcome, enroll_listed
from facematch.bulk.listing import Listed, read_listing

__all__ = ["EmbeddingReport", "Listed", "SubjectOutcome", "embed_folder", "enroll_listed", "read_listing"]
