"""All reports: what they have in common."""

from __future__ import annotations

import re

import pytest

from facematch.governance import Policy
from facematch.governance.policy import NOT_ENFORCED, PROFILES
from facematch.governance.reports import DISCLAIMER, ComplaintFacts, ModelFacts, Statements, transparency_notice
from facematch.reporting import NOT_STATED, to_html, to_markdown
from tests.unit.governance.reports.support import BUILDERS, NOTHING, Builder, access_copy, configured
from tests.unit.reporting.support import Page


def test_html_needs_nothing_from_elsewhere() -> None:
    texts = [to_html(build(configured(), Statements())) for build in BUILDERS]
    found = [value for html in texts for value in Page(html).values("src", "href", "action")]
    assert len(found) == 31
    assert [value for value in found if not re.fullmatch(r"#section-\d+", value)] == []
    assert [html for html in texts if re.search(r"url\(|@import|https?:", html)] == []
    assert [html.count("default-src 'none'; style-src 'unsafe-inline'") for html in texts] == [1, 1, 1]


def test_markdown_tables_have_as_many_cells_a_row_as_columns() -> None:
    text = "\n".join(to_markdown(build(configured(), Statements())) for build in BUILDERS)
    tables = [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    widths = [{len(re.split(r"(?<!\\)\|", row)) for row in table} for table in tables]
    assert len(tables) > 25
    assert [width for width in widths if len(width) != 1] == []
    assert [table for table in tables if not re.fullmatch(r"\|( --- \|)+", table[1])] == []


@pytest.mark.parametrize("build", BUILDERS)
def test_every_report_says_what_it_is_not(build: Builder) -> None:
    text = to_markdown(build(configured(), Statements()))
    assert DISCLAIMER in text
    assert "no legal advice" in DISCLAIMER
    without = text.replace(DISCLAIMER, "")
    assert re.findall(r"(?i)\b(compliant|complies|conform\w*|certified|guarantee\w*|legal advice)\b", without) == []


@pytest.mark.parametrize("build", BUILDERS)
def test_an_empty_watchlist_gives_gaps_and_nothing_made_up(build: Builder) -> None:
    empty = configured(
        subjects=(),
        searchable=0,
        templates=(),
        consents=NOTHING,
        zones=(),
        models=ModelFacts(None, None, None),
        threshold=None,
        complaints=ComplaintFacts(0, 0, 0),
    )
    report = build(empty, Statements())
    text = to_markdown(report)
    assert report.missing_count >= 10
    assert text.count(f"**{NOT_STATED}**") >= report.missing_count
    assert Page(to_html(report)).open == []
    assert "None" not in text


def without(text: str, title: str) -> tuple[str, str]:
    """A report in Markdown without one section, and that section."""
    parts = re.split(r"(?m)^(?=## )", text)
    cut = [part for part in parts if re.match(rf"## (\d+\. )?{title}\n", part)]
    return "".join(part for part in parts if part not in cut), "".join(cut)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("build", [*BUILDERS, access_copy])
def test_a_rule_that_is_not_enforced_is_no_measure(build: Builder, profile: str) -> None:
    policy = Policy.profile(profile)
    text = to_markdown(build(configured(rules=policy), Statements())).replace("\\", "")
    measures, section = without(text, "Not enforced by this version")
    idle = [rule for rule in policy.describe() if not rule.enforced]
    assert len(idle) == 3
    assert [rule.rule for rule in idle if rule.sentence in measures] == []
    if build is not transparency_notice:
        assert [rule.rule for rule in idle if rule.sentence not in section] == []
        assert [rule.rule for rule in policy.describe() if rule.enforced and rule.sentence not in measures] == []
    assert [line for line in measures.splitlines() if "nobody confirmed" in line and NOT_ENFORCED not in line] == []
    reviewing = [line for line in measures.splitlines() if "reviewer" in line]
    assert [line for line in reviewing if NOT_ENFORCED not in line] == []
