"""Governance: consent records and their states, the audit seam, identifiers and time.

Nothing here knows a database or a model. The rules fail closed: what is missing or unknown is refused with an error
that says what to do.
"""

from facematch.governance.audit import AuditAction, AuditEntry, AuditLog, AuditOutcome, AuditRecord, AuditWriter
from facematch.governance.clock import from_microseconds, to_microseconds, to_utc, utc_now
from facematch.governance.consent import MAX_VALIDITY, Consent, Particulars
from facematch.governance.identifiers import check_purpose, check_site, check_subject_id, check_zone
from facematch.governance.record import ConsentEvent, Controller, PrivacyNotice
from facematch.governance.states import OPEN_STATES, TRANSITIONS, ConsentState
from facematch.governance.terms import CAPTURE_BASES, LAWFUL_BASES, SOURCES

__all__ = [
    "CAPTURE_BASES",
    "LAWFUL_BASES",
    "MAX_VALIDITY",
    "OPEN_STATES",
    "SOURCES",
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
    "Particulars",
    "PrivacyNotice",
    "check_purpose",
    "check_site",
    "check_subject_id",
    "check_zone",
    "from_microseconds",
    "to_microseconds",
    "to_utc",
    "utc_now",
]
