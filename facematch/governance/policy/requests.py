"""Requests to a policy: one small value a question. They carry facts only; the rules hold the judgment.

Each request class says what it is called in a message (``noun``) and which modules ask it (``asked_by``): a rule is
enforced where its requests are asked, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal, TypeAlias

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
    "MediaRequest",
    "PrecisionRequest",
    "QualityOutcome",
    "QualityRequest",
    "Request",
    "ResumeRequest",
    "RoleRequest",
    "SearchRequest",
    "ZoneRequest",
]

QualityOutcome: TypeAlias = Literal["passed", "unmeasured", "failed"]
Kept: TypeAlias = Literal["reference", "pending"]


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

    noun: ClassVar[str] = "the enrollment"
    asked_by: ClassVar[tuple[str, ...]] = (
        "facematch.watchlist.consents.record",
        "facematch.watchlist.enrollment.consent_basis",
    )

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

    noun: ClassVar[str] = "the approval"
    asked_by: ClassVar[tuple[str, ...]] = ("facematch.watchlist.enrollment.approvals",)

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

    noun: ClassVar[str] = "the picture"
    asked_by: ClassVar[tuple[str, ...]] = (
        "facematch.watchlist.enrollment.approvals",
        "facematch.watchlist.enrollment.enroll",
    )

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

    noun: ClassVar[str] = "the zone"
    asked_by: ClassVar[tuple[str, ...]] = ("facematch.watchlist.administration.zones",)

    zone: Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFacts:
    """Conditions under which a threshold was tested.

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

    noun: ClassVar[str] = "the search"
    asked_by: ClassVar[tuple[str, ...]] = ("facematch.watchlist.search",)

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
        frames: Frames of the passage in which the face was detected.
        cameras: Cameras that saw it.
    """

    noun: ClassVar[str] = "the alert"
    asked_by: ClassVar[tuple[str, ...]] = ("facematch.watchlist.alerts",)

    frames: int
    cameras: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """May an action on an alert be recorded?

    Attributes:
        confirmed_by: The reviewers who confirmed it.
        rejected_by: The reviewers who rejected it.
    """

    noun: ClassVar[str] = "the action"
    asked_by: ClassVar[tuple[str, ...]] = ()

    confirmed_by: tuple[str, ...]
    rejected_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRequest:
    """May this still be kept?

    Attributes:
        kept: A ``reference`` whose consent has ended, or a ``pending`` enrollment that was not approved.
        since: When the consent ended, or the enrollment was prepared.
        now: The moment.

    Raises:
        InvalidArgument: A moment has no timezone.
    """

    noun: ClassVar[str] = "to keep the data"
    asked_by: ClassVar[tuple[str, ...]] = ("facematch.watchlist.data_lifecycle.retention",)

    kept: Kept
    since: datetime
    now: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "since", to_utc(self.since, "since"))
        object.__setattr__(self, "now", to_utc(self.now, "now"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRequest:
    """May the media of an alert that was not confirmed still be kept?

    Attributes:
        since: When the alert was raised.
        now: The moment.

    Raises:
        InvalidArgument: A moment has no timezone.
    """

    noun: ClassVar[str] = "to keep the media"
    asked_by: ClassVar[tuple[str, ...]] = ()

    since: datetime
    now: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "since", to_utc(self.since, "since"))
        object.__setattr__(self, "now", to_utc(self.now, "now"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureRequest:
    """May data of a subject go to this recipient?

    Attributes:
        recipient: Who would receive it.
        consent: The consent record that it stands on.
    """

    noun: ClassVar[str] = "the disclosure"
    asked_by: ClassVar[tuple[str, ...]] = ("facematch.watchlist.data_rights.rights",)

    recipient: str
    consent: Consent


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest:
    """May a suspension be lifted?

    Attributes:
        people: Who agreed to it.
    """

    noun: ClassVar[str] = "to resume"
    asked_by: ClassVar[tuple[str, ...]] = ("facematch.watchlist.administration.suspensions",)

    people: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRequest:
    """May one actor hold these roles together?

    Attributes:
        roles: All roles that they would hold.
    """

    noun: ClassVar[str] = "the roles"
    asked_by: ClassVar[tuple[str, ...]] = (
        "facematch.watchlist.administration.policies",
        "facematch.watchlist.administration.roles",
    )

    roles: frozenset[Role]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRequest:
    """May a site go on searching, given what became of its alerts?

    Attributes:
        site: The site.
        confirmed: Alerts that reviewers confirmed.
        rejected: Alerts that reviewers rejected.
    """

    noun: ClassVar[str] = "to go on searching"
    asked_by: ClassVar[tuple[str, ...]] = ()

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
    | MediaRequest
    | DisclosureRequest
    | ResumeRequest
    | RoleRequest
    | PrecisionRequest
)
