"""Reports from live configuration: record of processing activities, input for an impact assessment, public notice.

Pure: configuration in, text out. What is not stated is shown as not stated and never made up. The reports are drafts
for a controller to complete; they are no legal advice and claim no conformance.
"""

from facematch.governance.reports.access_file import AccessFile, StoredComplaint, StoredTemplate
from facematch.governance.reports.access_log import LogLine, log_line
from facematch.governance.reports.access_page import access_page, logic_sentences, readme
from facematch.governance.reports.facts import (
    AuditFacts,
    ComplaintFacts,
    Configuration,
    ConsentFacts,
    KeyFacts,
    ModelFacts,
    NoticeFacts,
    Party,
    SuspensionFacts,
    Tally,
    TestedThreshold,
    ZoneFacts,
    tallies,
)
from facematch.governance.reports.impact_input import impact_input, observations
from facematch.governance.reports.processing_record import processing_record
from facematch.governance.reports.statements import Statements
from facematch.governance.reports.transparency_notice import transparency_notice
from facematch.governance.reports.wording import DISCLAIMER, decision_steps, human_review

__all__ = [
    "DISCLAIMER",
    "AccessFile",
    "AuditFacts",
    "ComplaintFacts",
    "Configuration",
    "ConsentFacts",
    "KeyFacts",
    "LogLine",
    "ModelFacts",
    "NoticeFacts",
    "Party",
    "Statements",
    "StoredComplaint",
    "StoredTemplate",
    "SuspensionFacts",
    "Tally",
    "TestedThreshold",
    "ZoneFacts",
    "access_page",
    "decision_steps",
    "human_review",
    "impact_input",
    "log_line",
    "logic_sentences",
    "observations",
    "processing_record",
    "readme",
    "tallies",
    "transparency_notice",
]
