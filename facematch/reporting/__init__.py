"""Reports: a document model, and its rendering as Markdown or as one self-contained HTML page."""

from __future__ import annotations

from typing import Literal, get_args

from facematch.errors import InvalidArgument
from facematch.reporting.document import (
    NOT_STATED,
    Block,
    Bullets,
    Card,
    Cards,
    Cell,
    Facts,
    Figure,
    Figures,
    Note,
    Paragraph,
    Report,
    Section,
    Table,
)
from facematch.reporting.html import to_html
from facematch.reporting.markdown import to_markdown

__all__ = [
    "NOT_STATED",
    "Block",
    "Bullets",
    "Card",
    "Cards",
    "Cell",
    "Facts",
    "Figure",
    "Figures",
    "Note",
    "Paragraph",
    "Report",
    "ReportFormat",
    "Section",
    "Table",
    "render",
    "to_html",
    "to_markdown",
]

ReportFormat = Literal["markdown", "html"]
"""Formats of a report."""


def render(report: Report, form: str) -> str:
    """Text of a report.

    Args:
        report: The report.
        form: ``"markdown"`` or ``"html"``.

    Raises:
        InvalidArgument: There is no such format.
    """
    if form not in get_args(ReportFormat):
        raise InvalidArgument(f"a report has no format {form!r}", hint=f"one of: {', '.join(get_args(ReportFormat))}")
    return to_html(report) if form == "html" else to_markdown(report)
