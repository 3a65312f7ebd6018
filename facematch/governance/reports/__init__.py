"""Reports from live configuration: record of processing activities, input for an impact assessment, public notice.

Pure: configuration in, text out. What nobody stated is shown as not stated and never made up. The reports are drafts
for a controller to complete; they are no legal advice and claim no conformance.
"""

from facematch.governance.reports.access_file import AccessFile, StoredComplaint, StoredTemplate
from facematch.governance.reports.access_log import LogLine, log_line
from facematch.governance.reports.access_page import access_page, logic_sentences, readme
from facematch.governance.reports.document import (
    NOT_STATED,
    Bullets,
    Cell,
    Facts,
    Note,
    Paragraph,
    Report,
    Section,
    Table,
)
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
from facematch.governance.reports.rendering import ReportFormat, render, to_html, to_markdown
from facematch.governance.reports.statements import Statements
from facematch.governance.reports.transparency_notice import transparency_notice
from facematch.governance.reports.wording import DISCLAIMER, decision_steps, human_review

__all__ = [
    "DISCLAIMER",
    "NOT_STATED",
    "AccessFile",
    "AuditFacts",
    "Bullets",
    "Cell",
    "ComplaintFacts",
    "Configuration",
    "ConsentFacts",
    "Facts",
    "KeyFacts",
    "LogLine",
    "ModelFacts",
    "Note",
    "NoticeFacts",
    "Paragraph",
    "Party",
    "Report",
    "ReportFormat",
    "Section",
    "Statements",
    "StoredComplaint",
    "StoredTemplate",
    "SuspensionFacts",
    "Table",
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
    "render",
    "tallies",
    "to_html",
    "to_markdown",
    "transparency_notice",
]
