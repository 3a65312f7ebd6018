from __future__ import annotations

import pytest

from facematch.errors import InvalidArgument
from facematch.reporting import NOT_STATED, Facts, Paragraph, Report, Section, Table, render, to_html, to_markdown
from tests.unit.reporting.support import everything, plain


def test_facts_that_were_not_stated_are_said_in_both_formats_and_counted() -> None:
    report = Report(
        kind="kind",
        title="title",
        meta="Made now",
        sections=(
            Section("Who?", (Facts((("Name", None), ("Contact", "c"), ("Name", None))),)),
            Section("What", (Table(("A", "B"), (("1", None), ("2", None))), Facts((("C", ()),)))),
        ),
    )
    assert report.missing == (("Who", ("Name",)), ("What", ("B",)))
    assert report.missing_count == 2
    assert to_html(report).count(NOT_STATED) == 4
    assert to_markdown(report).count(NOT_STATED) == 4
    assert "- Who: Name\n- What: B\n" in to_markdown(report)
    assert "| C | none |" in to_markdown(report)


def test_a_report_has_two_formats() -> None:
    report = plain(Paragraph("p"))
    assert render(report, "html").startswith("<!doctype html>")
    assert render(report, "markdown").startswith("# ")
    with pytest.raises(InvalidArgument, match="'pdf'") as caught:
        render(report, "pdf")
    assert caught.value.hint == "one of: markdown, html"


def test_pictures_are_found() -> None:
    report = everything("x")
    assert report.pictured
    assert [figure.name for figure in report.figures] == ["x"]
    assert not everything("x", pictured=False).pictured
