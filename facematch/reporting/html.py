"""HTML of a report: one page that needs nothing else. Whatever it quotes is escaped, so that it stays text."""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING

from facematch.reporting.document import NOT_STATED, Report

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["to_html"]


def to_html(report: Report) -> str:
    """HTML page without scripts and without anything from elsewhere; made to be printed, too."""
    return _template().render(report=report, not_stated=NOT_STATED)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # takes a while to import

    environment = Environment(
        loader=PackageLoader("facematch.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    environment.filters["share"] = _share
    return environment.get_template("report.html.j2")


def _data_uri(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _share(cosine: float) -> str:
    """Place of a cosine on a bar from 0 to 1, in percent."""
    return f"{100 * min(max(cosine, 0.0), 1.0):.1f}"
