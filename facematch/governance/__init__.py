"""Governance: consent records and their states, the audit seam, identifiers and time.

Nothing here knows a database or a model. The rules fail closed: what is missing or unknown is refused with an error
that says what to do.
"""

from facematch.governance.audit import AuditAction, AuditEntry, AuditLog, AuditOutcome, AuditRecord, AuditWriter
from facematch.governance.clock import from_microseconds, to_microseconds, to_utc, utc_now
from facematch.governance.consent import MAX_VALIDITY, Consent
from facematch.governance.identifiers import check_purpose, check_site, check_subject_id
from facematch.governance.record import ConsentEvent, Controller, PrivacyNotice
from facematch.governance.states import OPEN_STATES, TRANSITIONS, ConsentState

__all__ = [
    "MAX_VALIDITY",
    "OPEN_STATES",
    "TRANSITIONS",
    "AuditAction",
    "AuditEntry",
    "AuditLog",
    "AuditOutcome",
    "AuditRecord",
    "AuditWriter",
    "Consent",
    "ConsentEvent",
    "ConsentState",
    "Controller",
    "PrivacyNotice",
    "check_purpose",
    "check_site",
    "check_subject_id",
    "from_microseconds",
    "to_microseconds",
    "to_utc",
    "utc_now",
]
