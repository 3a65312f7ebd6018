"""Governance: consent records and their states, policies, roles, zones, the audit seam, identifiers and time.

Nothing here knows a database or a model. The rules fail closed: what is missing or unknown is refused with an error
that says what to do.
"""

from facematch.governance.audit import AuditAction, AuditEntry, AuditOutcome, AuditRecord
from facematch.governance.consent.consent import MAX_VALIDITY, Consent, Particulars
from facematch.governance.consent.parts import ConsentEvent, Controller, PrivacyNotice
from facematch.governance.consent.states import OPEN_STATES, TRANSITIONS, ConsentState
from facematch.governance.names import check_purpose, check_site, check_subject_id, check_zone
from facematch.governance.policy import Policy, PolicyVersion, PolicyVersions
from facematch.governance.policy.separation import check_separation
from facematch.governance.roles import (
    PERMISSIONS,
    Role,
    check_other_person,
    check_permitted,
    permitted,
)
from facematch.governance.terms import CAPTURE_BASES, LAWFUL_BASES, SOURCES
from facematch.governance.time import from_microseconds, to_microseconds, to_utc, utc_now
from facematch.governance.zones import Zone

__all__ = [
    "CAPTURE_BASES",
    "LAWFUL_BASES",
    "MAX_VALIDITY",
    "OPEN_STATES",
    "PERMISSIONS",
    "SOURCES",
    "TRANSITIONS",
    "AuditAction",
    "AuditEntry",
    "AuditOutcome",
    "AuditRecord",
    "Consent",
    "ConsentEvent",
    "ConsentState",
    "Controller",
    "Particulars",
    "Policy",
    "PolicyVersion",
    "PolicyVersions",
    "PrivacyNotice",
    "Role",
    "Zone",
    "check_other_person",
    "check_permitted",
    "check_purpose",
    "check_separation",
    "check_site",
    "check_subject_id",
    "check_zone",
    "from_microseconds",
    "permitted",
    "to_microseconds",
    "to_utc",
    "utc_now",
]
