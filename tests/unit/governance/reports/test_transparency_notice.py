from __future__ import annotations

import re

import pytest

from facematch.governance import Policy
from facematch.governance.reports import Statements, SuspensionFacts, transparency_notice
from facematch.governance.reports.wording import test_sentence as sentence_of
from facematch.reporting import to_markdown
from tests.unit.governance.reports.support import CALIBRATED, NOW, configured, rows_of, table_of


def test_the_public_notice_names_no_staff_and_says_no_numbers_of_people() -> None:
    suspended = (SuspensionFacts(None, "everywhere", "bo saw errors", NOW, "bo"),)
    report = transparency_notice(configured(suspensions=suspended, made_by="zoe"), Statements())
    text = to_markdown(report)
    assert re.findall(r"\b(ada|bo|cy|dora|zoe)\b", text) == []
    assert re.findall(r"\b(11|12|30|900|1,234)\b", text.replace("store-12", "").replace("12:00 UTC", "")) == []
    assert "Face recognition is switched off at the moment everywhere." in text
    assert rows_of(report, "Why, and what allows it?")["Purposes"] == ("loss prevention", "staff safety")
    assert rows_of(report, "Who else gets the data?")["Recipients"] == ("Police of Cork",)
    assert sentence_of(CALIBRATED) in text


def test_the_public_notice_of_a_site_leaves_the_others_out() -> None:
    elsewhere = (
        SuspensionFacts("store-13", "at site 'store-13'", "r", NOW, "bo"),
        SuspensionFacts("store-12", "at site 'store-12'", "r", NOW, "bo"),
    )
    here = transparency_notice(configured(suspensions=elsewhere), Statements(), site="store-12")
    there = transparency_notice(configured(suspensions=elsewhere), Statements(), site="store-13")
    assert table_of(here, "Where?") == (("store-12", "entrance", "legitimate interest", "sign-3"),)
    assert table_of(there, "Where?") == ()
    assert "No camera zone is open at store-13." in to_markdown(there)
    assert "store-13" not in to_markdown(here)
    assert "store-12" not in to_markdown(there)


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("access-control", "after 72 hours (not enforced"),
        ("retail-watchlist", "after 24 hours or at the next midnight"),
    ],
)
def test_the_public_notice_follows_the_policy(profile: str, said: str) -> None:
    text = to_markdown(transparency_notice(configured(rules=Policy.profile(profile)), Statements()))
    assert said in text
