"""One request of every kind that both packaged profiles allow, and changes to them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from facematch.governance import Consent, Role, Zone
from facematch.governance.policy import (
    ActionRequest,
    AlertRequest,
    ApprovalRequest,
    CalibrationFacts,
    DisclosureRequest,
    EnrollmentRequest,
    KeepRequest,
    MediaRequest,
    PrecisionRequest,
    QualityRequest,
    Request,
    ResumeRequest,
    RoleRequest,
    SearchRequest,
    ZoneRequest,
)
from facematch.testing import synthetic_consent
from tests.unit.governance.support import DAY, NOW

CALIBRATION = CalibrationFacts(target_fpir=0.01, gallery_size=200, measured_at=date(2026, 1, 2))


def consent(valid_for: timedelta = 365 * DAY, **changes: Any) -> Consent:
    """A record that both profiles allow, with changes."""
    data = synthetic_consent(
        "s", purposes=["loss-prevention"], sites=["store-12"], now=NOW, valid_for=valid_for
    ).to_dict()
    said = {"category": "barred-after-theft", "incident_id": "INC-7", "source": "live-capture"}
    return Consent.from_dict({**data, **said, "schema_version": 2, **changes})


def enrollment(valid_for: timedelta = 365 * DAY, **changes: Any) -> EnrollmentRequest:
    """An enrollment under :func:`consent`."""
    return EnrollmentRequest(consent=consent(valid_for, **changes), now=NOW, actor="ana")


def without_attestation() -> EnrollmentRequest:
    """A record made past its validation, as pydantic lets one."""
    return EnrollmentRequest(consent=consent().model_copy(update={"adult_attested": False}), now=NOW, actor="ana")


def approval(approver: str = "bob") -> ApprovalRequest:
    """An approval of an enrollment that ana prepared."""
    return ApprovalRequest(consent=consent(), now=NOW, actor="ana", approver=approver)


def quality(outcome: Any = "passed", **changes: Any) -> QualityRequest:
    """A picture, taken by ana."""
    return QualityRequest(outcome=outcome, actor="ana", **changes)


def zone(basis: str = "legitimate-interest", site: str = "store-12") -> ZoneRequest:
    """A zone to open."""
    return ZoneRequest(
        zone=Zone(site=site, zone="door", capture_basis=basis, notice_id="sign-3", assessment_ref="DPIA-7")
    )


def search(**changes: Any) -> SearchRequest:
    """A search at an open zone."""
    asked: dict[str, Any] = {
        "purpose": "loss-prevention",
        "now": NOW,
        "site": "store-12",
        "zone": "door",
        "open_zones": frozenset({("store-12", "door")}),
        "gallery_subjects": 100,
        "calibration": CALIBRATION,
    }
    return SearchRequest(**{**asked, **changes})


def calibration(**changes: Any) -> CalibrationFacts:
    """What the threshold was tested for."""
    return CalibrationFacts(**{"target_fpir": 0.01, "gallery_size": 200, "measured_at": date(2026, 1, 2), **changes})


def alert(frames: int = 3, cameras: int = 1) -> AlertRequest:
    """An alert."""
    return AlertRequest(frames=frames, cameras=cameras)


def action(*confirmed_by: str, rejected_by: tuple[str, ...] = ()) -> ActionRequest:
    """An action on an alert."""
    return ActionRequest(confirmed_by=confirmed_by, rejected_by=rejected_by)


def keep(kept: Any = "pending", after: timedelta = 7 * DAY - timedelta(hours=1)) -> KeepRequest:
    """Data that is still kept some time after its time began."""
    return KeepRequest(kept=kept, since=NOW, now=NOW + after)


def media(since: datetime = NOW, after: timedelta = timedelta(hours=11)) -> MediaRequest:
    """Media of an unconfirmed alert that is still kept some time after the alert."""
    return MediaRequest(since=since, now=since + after)


def disclosure(recipient: str = "police", *, named: tuple[str, ...] = ("police",)) -> DisclosureRequest:
    """A disclosure under a consent that names some recipients."""
    return DisclosureRequest(recipient=recipient, consent=consent(recipients=list(named)))


def resume(*people: str) -> ResumeRequest:
    """A suspension to lift."""
    return ResumeRequest(people=people)


def roles(*held: str) -> RoleRequest:
    """Roles for one actor."""
    return RoleRequest(roles=frozenset(Role(name) for name in held))


def precision(confirmed: int = 18, rejected: int = 2) -> PrecisionRequest:
    """The outcome of a site's alerts."""
    return PrecisionRequest(site="store-12", confirmed=confirmed, rejected=rejected)


ALLOWED: dict[str, Request] = {
    "enrollment": enrollment(),
    "approval": approval(),
    "quality": quality(),
    "zone": zone(),
    "search": search(),
    "alert": alert(),
    "action": action("ana", "bob"),
    "keep": keep(),
    "media": media(),
    "resume": resume("ana", "bob"),
    "roles": roles("operator", "reviewer"),
    "precision": precision(),
}
"""Requests that both profiles allow. Disclosures are not among them: the strict profile allows no recipient."""
