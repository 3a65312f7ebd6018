"""Contents of a subject access export: everything that is stored about one subject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from facematch.governance.consent.consent import Consent
from facematch.governance.policy import PolicyVersion
from facematch.governance.reports.access_log import LogLine
from facematch.governance.reports.facts import ModelFacts, TestedThreshold

__all__ = ["PICTURE", "AccessFile", "StoredComplaint", "StoredTemplate"]

PICTURE: Final = "not kept; only a keyed mark of the file, which says nothing without the subject's key"
"""Statement on the pictures that templates were made from."""


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """Stored facts of a template, without the template.

    Attributes:
        template_id: Its number.
        enrolled_at: When, UTC.
        enrolled_by: By which account.
        state: ``active``, or ``pending`` while it waits for an approval.
        approved_by: Which account approved it, or ``None``.
        approved_at: When, or ``None``.
        quality_override: Why it was taken although its picture failed the quality gate, or ``None``.
        consent_record_id: The consent record that it stands on.
        detection_score: How sure the detector was that there is a face, in ``[0, 1]``.
        face_height_px: Height of the face in the picture, in pixels.
        contract: Digest of what makes and compares the numbers.
        model: The model in words.
        numbers: How many numbers it has.
    """

    template_id: int
    enrolled_at: datetime
    enrolled_by: str
    state: str
    approved_by: str | None
    approved_at: datetime | None
    quality_override: str | None
    consent_record_id: str
    detection_score: float
    face_height_px: float
    contract: str
    model: str
    numbers: int

    def to_dict(self) -> dict[str, Any]:
        """The facts as plain data. The numbers themselves are never exported."""
        return {
            "template_id": self.template_id,
            "enrolled_at": self.enrolled_at.isoformat(),
            "enrolled_by": self.enrolled_by,
            "state": self.state,
            "approved_by": self.approved_by,
            "approved_at": None if self.approved_at is None else self.approved_at.isoformat(),
            "quality_override": self.quality_override,
            "consent_record_id": self.consent_record_id,
            "detection_score": self.detection_score,
            "face_height_px": self.face_height_px,
            "contract": self.contract,
            "model": self.model,
            "numbers": self.numbers,
            "picture": PICTURE,
        }


@dataclass(frozen=True, slots=True)
class StoredComplaint:
    """A complaint of the subject.

    Attributes:
        number: Its number.
        ground: What is contested.
        opened_at: When, UTC.
        opened_by: Which account took it up.
        decided_at: When it was decided, or ``None``.
        decided_by: Which account decided it, or ``None``.
        upheld: How, or ``None``.
    """

    number: int
    ground: str
    opened_at: datetime
    opened_by: str
    decided_at: datetime | None
    decided_by: str | None
    upheld: bool | None

    def to_dict(self) -> dict[str, Any]:
        """The complaint as plain data, ready for JSON."""
        return {
            "complaint": self.number,
            "ground": self.ground,
            "opened_at": self.opened_at.isoformat(),
            "opened_by": self.opened_by,
            "decided_at": None if self.decided_at is None else self.decided_at.isoformat(),
            "decided_by": self.decided_by,
            "upheld": self.upheld,
        }


@dataclass(frozen=True, slots=True)
class AccessFile:
    """Data of one subject.

    Attributes:
        subject_id: The subject.
        subject_ref: Random reference that the log uses.
        state: ``active``, ``pending``, ``requested``, ``restricted``, ``withdrawn`` or ``expired``.
        created_at: Since when the subject is stored, UTC.
        made_at: When the export was made, UTC.
        made_by: By which account.
        watchlist_id: Random id of the watchlist.
        consents: The consent records, oldest first.
        templates: What is stored of the templates.
        complaints: The complaints.
        log: The log, as the subject may see it.
        pruned: How many entries at the beginning of the log have no content any more.
        models: What makes the templates.
        threshold: The tested threshold; ``None`` where it is not recorded.
        policy: The policy in force.
    """

    subject_id: str
    subject_ref: str
    state: str
    created_at: datetime
    made_at: datetime
    made_by: str
    watchlist_id: str
    consents: tuple[Consent, ...]
    templates: tuple[StoredTemplate, ...]
    complaints: tuple[StoredComplaint, ...]
    log: tuple[LogLine, ...]
    pruned: int
    models: ModelFacts
    threshold: TestedThreshold | None
    policy: PolicyVersion

    @property
    def returned(self) -> int:
        """Number of searches in the log that returned the subject."""
        return sum(line.action == "identify" and not line.about_you for line in self.log)
