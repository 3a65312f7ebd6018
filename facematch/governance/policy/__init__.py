"""Policies: small rule objects that refuse, their documents and profiles, and their versions in time."""

from facematch.governance.policy.policy import PROFILES, Policy, RuleText
from facematch.governance.policy.requests import (
    ActionRequest,
    AlertRequest,
    ApprovalRequest,
    CalibrationFacts,
    DisclosureRequest,
    EnrollmentRequest,
    KeepRequest,
    PrecisionRequest,
    PruneRequest,
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
    "PROFILES",
    "ActionRequest",
    "AlertRequest",
    "ApprovalRequest",
    "CalibrationFacts",
    "DisclosureRequest",
    "EnrollmentRequest",
    "KeepRequest",
    "Policy",
    "PolicyVersion",
    "PolicyVersions",
    "PrecisionRequest",
    "PruneRequest",
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
