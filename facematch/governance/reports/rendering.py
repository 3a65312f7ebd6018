"""From a report to text: Markdown, or one HTML page that needs nothing else.

Whatever a report quotes (names, reasons, sites) is escaped in both forms, so that it stays text.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, get_args

from facematch.errors import InvalidArgument
from facematch.governance.reports.document import NOT_STATED, Cell, Report

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["ReportFormat", "render", "to_html", "to_markdown"]

ReportFormat = Literal["markdown", "html"]
"""The forms that a report can have."""

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>|#~])")
_AT_START: Final = re.compile(r"^(\d*)([-+=.)])(?=[\s=-]|$)")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


def render(report: Report, form: str) -> str:
    """The report as text.

    Args:
        report: What it says.
        form: ``"markdown"`` or ``"html"``.

    Raises:
        InvalidArgument: There is no such form.
    """
    if form not in get_args(ReportFormat):
        raise InvalidArgument(f"a report has no format {form!r}", hint=f"one of: {', '.join(get_args(ReportFormat))}")
    return to_html(report) if form == "html" else to_markdown(report)


def to_html(report: Report) -> str:
    """The report as one HTML page without scripts and without anything from elsewhere; made to be printed, too."""
    return _rendered("report.html.j2", report)


def to_markdown(report: Report) -> str:
    """The report as Markdown, with tables as GitHub writes them."""
    text = _rendered("report.md.j2", report)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _rendered(template: str, report: Report) -> str:
    moment = report.made_at.strftime("%Y-%m-%d %H:%M UTC")
    return _environment().get_template(template).render(report=report, made_at=moment, not_stated=NOT_STATED)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape  # takes a while to import

    environment = Environment(
        loader=PackageLoader("facematch.governance.reports"),
        autoescape=select_autoescape(["html.j2", "css.j2"], default=False),  # Markdown has escapes of its own
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = _markdown_text
    environment.filters["md_cell"] = _markdown_cell
    environment.filters["anchor"] = _anchor
    return environment


def _markdown_text(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    line = _CONTROLS.sub(" ", text).strip().replace("&", "&amp;")
    return _AT_START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", line))


def _markdown_cell(value: Cell) -> str:
    if value is None:
        return f"**{NOT_STATED}**"
    if isinstance(value, tuple):
        return "; ".join(_markdown_text(item) for item in value) if value else "none"
    return _markdown_text(value)


def _anchor(number: int) -> str:
    return f"section-{number}"
