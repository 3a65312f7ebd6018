"""The rules, one class a module, each to be understood and tested alone."""

from facematch.governance.policy.rules.adults import Adults
from facematch.governance.policy.rules.capture_bases import CaptureBases
from facematch.governance.policy.rules.categories import Categories
from facematch.governance.policy.rules.corroboration import Corroboration
from facematch.governance.policy.rules.dual_control import DualControl
from facematch.governance.policy.rules.gallery import GalleryLimit
from facematch.governance.policy.rules.incident import Incident
from facematch.governance.policy.rules.lawful_bases import LawfulBases
from facematch.governance.policy.rules.people_to_resume import PeopleToResume
from facematch.governance.policy.rules.precision import Precision
from facematch.governance.policy.rules.purposes import Purposes
from facematch.governance.policy.rules.quality import Quality
from facematch.governance.policy.rules.recipients import Recipients
from facematch.governance.policy.rules.report_age import ReportAge
from facematch.governance.policy.rules.retention import MIN_AUDIT_DAYS, Retention
from facematch.governance.policy.rules.reviewers import Reviewers
from facematch.governance.policy.rules.separate_roles import SeparateRoles
from facematch.governance.policy.rules.sites import Sites
from facematch.governance.policy.rules.sources import Sources
from facematch.governance.policy.rules.target_fpir import TargetFpir
from facematch.governance.policy.rules.validity import Validity
from facematch.governance.policy.rules.vulnerable import Vulnerable
from facematch.governance.policy.rules.zones import Zones

__all__ = [
    "MIN_AUDIT_DAYS",
    "Adults",
    "CaptureBases",
    "Categories",
    "Corroboration",
    "DualControl",
    "GalleryLimit",
    "Incident",
    "LawfulBases",
    "PeopleToResume",
    "Precision",
    "Purposes",
    "Quality",
    "Recipients",
    "ReportAge",
    "Retention",
    "Reviewers",
    "SeparateRoles",
    "Sites",
    "Sources",
    "TargetFpir",
    "Validity",
    "Vulnerable",
    "Zones",
]
