"""What a policy is asked: one small value a question. They carry facts only; the rules hold the judgment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias, cast

from facematch.errors import InvalidArgument
from facematch.governance.consent.consent import Consent
from facematch.governance.roles import Role
from facematch.governance.time import to_utc
from facematch.governance.zones import Zone

__all__ = [
    "ActionRequest",
    "AlertRequest",
    "ApprovalRequest",
    "CalibrationFacts",
    "DisclosureRequest",
    "EnrollmentRequest",
    "KeepRequest",
    "Kept",
    "PrecisionRequest",
    "PruneRequest",
    "QualityOutcome",
    "QualityRequest",
    "Request",
    "ResumeRequest",
    "RoleRequest",
    "SearchRequest",
    "ZoneRequest",
]

QualityOutcome: TypeAlias = Literal["passed", "unmeasured", "failed"]
Kept: TypeAlias = Literal["reference", "pending", "unconfirmed-media"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentRequest:
    """May this subject be enrolled, or this consent be filed or renewed? Asked before any picture is decoded.

    Attributes:
        consent: The consent record as it would stand.
        now: The moment, timezone-aware.
        actor: Who enrolls.
        source: Where the pictures come from; default what the record says.
        category: Why the subject is on the list; default what the record says.
        incident_id: The incident behind it; default what the record says.

    Raises:
        InvalidArgument: The request contradicts the record, or ``now`` has no timezone.
    """

    consent: Consent
    now: datetime
    actor: str
    source: str | None = None
    category: str | None = None
    incident_id: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "now", to_utc(self.now, "now"))
        for name in ("source", "category", "incident_id"):
            asked, recorded = getattr(self, name), getattr(self.consent, name)
            if asked is not None and recorded is not None and asked != recorded:
                raise InvalidArgument(
                    f"the request says {name} {asked!r}, the consent record {recorded!r}",
                    hint=f"leave {name} out, or let a new consent record say it",
                )
            object.__setattr__(self, name, recorded if asked is None else asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest(EnrollmentRequest):
    """May this prepared enrollment be approved? The rules of enrollment are asked again.

    Attributes:
        approver: Who approves; ``actor`` is who prepared it.
    """

    approver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRequest:
    """May a picture of this quality be enrolled?

    Attributes:
        outcome: What the quality gate said; ``unmeasured`` where the models measure none.
        actor: Who enrolls.
        approver: Who approves that the gate is overridden, or ``None``.
        reason: Why it is overridden, or ``None``.
    """

    outcome: QualityOutcome
    actor: str
    approver: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRequest:
    """May this zone be opened?

    Attributes:
        zone: The zone with its basis, notice and assessment.
    """

    zone: Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFacts:
    """What a threshold was tested for.

    Attributes:
        target_fpir: The false-positive identification rate that it holds, a share in ``(0, 1)``.
        gallery_size: Subjects in the tested gallery, or ``None`` where that is unknown.
        measured_at: The day of the test.
        templates: Templates a subject in the tested gallery, or ``None`` where that is unknown.
    """

    target_fpir: float
    gallery_size: int | None
    measured_at: date
    templates: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """May this search be done?

    Attributes:
        purpose: What for.
        now: The moment, timezone-aware.
        site: Where, or ``None``.
        zone: In which zone of it, or ``None``.
        open_zones: The zones that are open now, as ``(site, zone)``.
        gallery_subjects: How many subjects are in scope.
        most_templates: The largest number of templates that one of them has.
        calibration: What the threshold was tested for, or ``None`` where it was not.

    Raises:
        InvalidArgument: ``now`` has no timezone.
    """

    purpose: str
    now: datetime
    site: str | None = None
    zone: str | None = None
    open_zones: frozenset[tuple[str, str]] = frozenset()
    gallery_subjects: int = 0
    most_templates: int = 0
    calibration: CalibrationFacts | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "now", to_utc(self.now, "now"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRequest:
    """May an alert be raised on this passage?

    Attributes:
        frames: Frames of the passage that reached the threshold for the same subject.
        cameras: Cameras that saw it.
    """

    frames: int
    cameras: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """May an action on an alert be recorded?

    Attributes:
        confirmed_by: The reviewers who confirmed it.
        rejected_by: The reviewers who rejected it.
    """

    confirmed_by: tuple[str, ...]
    rejected_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRequest:
    """May this still be kept?

    Attributes:
        kept: What: a ``reference`` whose consent has ended, a ``pending`` enrollment that nobody approved, or the
            media of an alert that nobody confirmed.
        since: When the consent ended, the enrollment was prepared, or the alert was raised.
        now: The moment.

    Raises:
        InvalidArgument: A moment has no timezone.
    """

    kept: Kept
    since: datetime
    now: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "since", to_utc(self.since, "since"))
        object.__setattr__(self, "now", to_utc(self.now, "now"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest:
    """May the audit log be pruned?

    Attributes:
        before: Entries older than this would lose their content.
        now: The moment.

    Raises:
        InvalidArgument: A moment has no timezone.
    """

    before: datetime
    now: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "before", to_utc(self.before, "before"))
        object.__setattr__(self, "now", to_utc(self.now, "now"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureRequest:
    """May data of a subject go to this recipient?

    Attributes:
        recipient: Who would receive it.
        consent: The consent record that it stands on.
    """

    recipient: str
    consent: Consent


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest:
    """May a suspension be lifted?

    Attributes:
        people: Who agreed to it.
    """

    people: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRequest:
    """May one actor hold these roles together?

    Attributes:
        actor: Who.
        roles: All roles that they would hold.
    """

    actor: str
    roles: frozenset[Role]

    def __post_init__(self) -> None:
        object.__setattr__(self, "roles", frozenset(cast("Iterable[Role]", self.roles)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRequest:
    """May a site go on searching, given what became of its alerts?

    Attributes:
        site: The site.
        confirmed: Alerts that reviewers confirmed.
        rejected: Alerts that reviewers rejected.
    """

    site: str | None
    confirmed: int
    rejected: int


Request: TypeAlias = (
    EnrollmentRequest
    | ApprovalRequest
    | QualityRequest
    | ZoneRequest
    | SearchRequest
    | AlertRequest
    | ActionRequest
    | KeepRequest
    | PruneRequest
    | DisclosureRequest
    | ResumeRequest
    | RoleRequest
    | PrecisionRequest
)
