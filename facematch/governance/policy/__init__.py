"""Policies: small rule objects that refuse, their documents and profiles, and their versions in time."""

from facematch.governance.policy.policy import NOT_ENFORCED, PROFILES, Policy, RuleText
from facematch.governance.policy.requests import (
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
from facematch.governance.policy.rules.base import Refusal, Rule
from facematch.governance.policy.versions import PolicyVersion, PolicyVersions

__all__ = [
    "NOT_ENFORCED",
    "PROFILES",
    "ActionRequest",
    "AlertRequest",
    "ApprovalRequest",
    "CalibrationFacts",
    "DisclosureRequest",
    "EnrollmentRequest",
    "KeepRequest",
    "MediaRequest",
    "Policy",
    "PolicyVersion",
    "PolicyVersions",
    "PrecisionRequest",
    "QualityRequest",
    "Refusal",
    "Request",
    "ResumeRequest",
    "RoleRequest",
    "Rule",
    "RuleText",
    "SearchRequest",
    "ZoneRequest",
]
