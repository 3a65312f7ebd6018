from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from facematch.errors import InvalidArgument
from facematch.governance import AuditEntry, Policy, PolicyVersion, Zone
from facematch.governance.policy import (
    NOT_ENFORCED,
    PROFILES,
    ActionRequest,
    AlertRequest,
    MediaRequest,
    PrecisionRequest,
)
from facematch.governance.reports import (
    DISCLAIMER,
    AccessFile,
    AuditFacts,
    ComplaintFacts,
    Configuration,
    ConsentFacts,
    KeyFacts,
    ModelFacts,
    NoticeFacts,
    Party,
    Statements,
    SuspensionFacts,
    Tally,
    TestedThreshold,
    ZoneFacts,
    access_page,
    decision_steps,
    human_review,
    impact_input,
    log_line,
    observations,
    processing_record,
    tallies,
    transparency_notice,
)
from facematch.governance.reports.wording import test_sentence as sentence_of
from facematch.reporting import NOT_STATED, Facts, Report, Table, to_html, to_markdown
from tests.unit.reporting.support import Page

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = Policy.profile("retail-watchlist")
OWN = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
RECORD = "33333333-3333-4333-8333-333333333333"

CALIBRATED = TestedThreshold(
    threshold=0.41234,
    rule="mean_top_3",
    error_kind="FPIR",
    target=0.01,
    data="600 people of a public set",
    measured_at="2026-01-05",
    trials=600,
    errors=1,
    upper=0.0079,
    confidence=0.95,
    gallery_size=100,
    templates=3,
    digest="ef" * 32,
)
NOTHING = ConsentFacts(
    in_force=0,
    states=(),
    overdue=0,
    controllers=(),
    notices=(),
    purposes=(),
    lawful_bases=(),
    categories=(),
    personal_data=(),
    sources=(),
    sites=(),
    recipients=(),
    jurisdictions=(),
    storage_locations=(),
    retention=(),
    collection_methods=(),
    withdrawal_methods=(),
    assessments=(),
    first_end=None,
    last_end=None,
)
CONSENTS = ConsentFacts(
    in_force=12,
    states=(Tally("GIVEN", 12), Tally("WITHDRAWN", 3)),
    overdue=0,
    controllers=(Party("Corner Shop Ltd", "privacy@shop.example", 12),),
    notices=(NoticeFacts("notice-en.pdf", "ab" * 32, "en", 12),),
    purposes=(Tally("loss-prevention", 12), Tally("staff-safety", 4)),
    lawful_bases=(Tally("legitimate-interest", 12),),
    categories=(Tally("barred-after-theft", 12),),
    personal_data=(Tally("biometric template", 12),),
    sources=(Tally("incident-footage", 12),),
    sites=(Tally("store-12", 12),),
    recipients=(Tally("Police of Cork", 1),),
    jurisdictions=(Tally("IE", 12),),
    storage_locations=(Tally("Dublin", 12),),
    retention=(Tally("one year", 12),),
    collection_methods=(Tally("in writing", 12),),
    withdrawal_methods=(Tally("call 1800-0", 12),),
    assessments=(Tally("DPIA-7", 12),),
    first_end=NOW + timedelta(days=30),
    last_end=NOW + timedelta(days=300),
)

Builder = Callable[[Configuration, Statements], Report]
BUILDERS: tuple[Builder, ...] = (processing_record, impact_input, transparency_notice)


def configured(**changes: Any) -> Configuration:
    policy = changes.pop("rules", POLICY)
    start = NOW - timedelta(days=9)
    made = Configuration(
        made_at=NOW,
        made_by="dora",
        version="0.1.0",
        watchlist_id="6f7f1c1e-6a1f-4c0a-9d38-1f43d6a2b000",
        generation=42,
        subjects=(Tally("searchable", 11), Tally("restricted by a complaint", 1)),
        searchable=11,
        templates=(Tally("approved", 30),),
        consents=CONSENTS,
        zones=(
            ZoneFacts(
                Zone(
                    site="store-12",
                    zone="entrance",
                    capture_basis="legitimate-interest",
                    notice_id="sign-3",
                    assessment_ref="DPIA-7",
                ),
                start,
                "ada",
            ),
        ),
        policy=PolicyVersion(
            version=2, policy=policy, effective_from=start, set_at=start, actor="ada", digest=policy.digest
        ),
        roles=(("admin", ("ada",)), ("operator", ("bo", "cy")), ("privacy-officer", ("dora",))),
        suspensions=(),
        keys=KeyFacts("file-1", 12, 4, "key-1", "ab" * 32),
        models=ModelFacts("w600k.onnx", "cd" * 32, 512, (("license", "MIT"),)),
        threshold=CALIBRATED,
        audit=AuditFacts(1234, "12" * 32, 0, 2, NOW, (Tally("identify, done", 900), Tally("verify, done", 30))),
        complaints=ComplaintFacts(0, 2, 3),
    )
    return dataclasses.replace(made, **changes)


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


def rows_of(report: Report, title: str) -> dict[str, Any]:
    """The facts of a section."""
    section = next(item for item in report.sections if item.title == title)
    return {name: value for block in section.blocks if isinstance(block, Facts) for name, value in block.rows}


def table_of(report: Report, title: str) -> tuple[tuple[Any, ...], ...]:
    """The rows of the first table of a section."""
    section = next(item for item in report.sections if item.title == title)
    return next(block.rows for block in section.blocks if isinstance(block, Table))


def test_the_processing_record_follows_the_configuration() -> None:
    report = processing_record(configured(), Statements())
    assert [section.title for section in report.sections[:8]] == [
        "Controller",
        "Purposes and lawful bases",
        "People and data",
        "Where faces are searched",
        "Recipients",
        "Transfers to third countries",
        "Time limits",
        "Technical and organizational measures",
    ]
    assert rows_of(report, "Controller") == {
        "Name": ("Corner Shop Ltd",),
        "Contact": ("privacy@shop.example",),
        "Joint controllers": None,
        "Representative": None,
        "Data protection officer": None,
    }
    purposes = rows_of(report, "Purposes and lawful bases")
    assert purposes["Purposes that consents name"] == ("loss-prevention (12 records)", "staff-safety (4 records)")
    assert purposes["Lawful bases"] == ("legitimate-interest (12 records)",)
    assert rows_of(report, "Recipients")["Recipients that consents name"] == ("Police of Cork (1 record)",)
    assert table_of(report, "Where faces are searched") == (
        (("store-12", "entrance"), "legitimate interest", "sign-3", "DPIA-7", ("2026-02-20", "by ada")),
    )
    limits = rows_of(report, "Time limits")
    assert limits["Templates and consent records"] == "erased by the first sweep after the consent ended"
    assert limits["Content of log entries"] == "deleted by the first sweep after 365 days; their hashes stay"
    assert (limits["First consent ends"], limits["Last consent ends"]) == ("2026-03-31", "2026-12-26")
    measures = rows_of(report, "Technical and organizational measures")
    assert "12 keys" in measures["Encryption at rest"]
    assert "file-1" in measures["Encryption at rest"]
    assert "version 4" in measures["Template protection"]
    assert "does not make templates irreversible" in measures["Template protection"]
    assert "12" * 32 in measures["Audit log"]
    assert measures["License"] == "MIT"
    assert table_of(report, "Technical and organizational measures") == (
        ("admin", ("ada",), "1"),
        ("operator", ("bo", "cy"), "2"),
        ("privacy-officer", ("dora",), "1"),
    )
    enforced = [text.sentence for text in POLICY.describe() if text.enforced]
    assert [row[1] for row in table_of(report, "The policy in force")] == enforced
    assert rows_of(report, "The policy in force")["Digest (SHA-256)"] == POLICY.digest


def test_accuracy_is_what_the_artifact_holds_and_nothing_else() -> None:
    assert rows_of(processing_record(configured(), Statements()), "Accuracy of the comparison") == {
        "Threshold (raw cosine)": "0.4123",
        "Score of a subject": "the mean of the 3 best scores of the subject's templates",
        "Set for (FPIR)": "1 %",
        "False positives in the test": "1 of 600 people (0.167 %)",
        "Bound of their rate": "at most 0.79 % with 95 % confidence (one-sided)",
        "Misses of people on the list (FNIR)": None,
        "Error rates by group of people": None,
        "List in the test": "100 subjects, 3 templates each",
        "Trials": "600 searches of people who are not on the list",
        "Data": "600 people of a public set",
        "Measured on": "2026-01-05",
        "Calibration artifact": "ef" * 32,
    }


def test_a_threshold_in_words() -> None:
    assert sentence_of(CALIBRATED) == (
        "The threshold was set so that at most 1 % of searches for people who are not on the list return somebody "
        "(FPIR). In the test of 2026-01-05, 1 of 600 such people were returned as a candidate (0.167 %); with 95 % "
        "confidence the rate is at most 0.79 %."
    )
    packed = TestedThreshold(0.36, "max", "FMR", 0.001, "LFW", "2026-01-01", 3000)
    assert sentence_of(packed) == (
        "The threshold comes with the model pack. It was set so that 0.1 % of comparisons of two different people "
        "reach it (FMR), tested with 3,000 comparisons of LFW (2026-01-01). How often a search of a whole list "
        "returns a wrong person was not tested, and grows with the list."
    )


def test_a_decision_in_words_names_the_threshold_the_reviewers_and_what_is_never_estimated() -> None:
    steps = decision_steps(configured().models, CALIBRATED, POLICY)
    assert "list of 512 numbers by the model w600k.onnx" in steps[0]
    assert "the mean of the 3 best scores" in steps[2]
    assert "at least 0.4123" in steps[3]
    assert human_review(POLICY) in steps[4]
    assert "never estimated" in steps[5]
    mean = decision_steps(configured().models, dataclasses.replace(CALIBRATED, rule="mean_template"), POLICY)
    assert "The score of a subject is the score of the mean of the subject's templates." in mean[2]
    unknown = decision_steps(ModelFacts(None, None, None), None, POLICY)
    assert unknown[0] == "A search begins with a picture. Each face in it is turned into a list of numbers."
    assert unknown[3] == "A subject whose score reaches the threshold in force becomes a candidate."


def test_statements_fill_the_gaps_and_only_those() -> None:
    said = Statements(
        controller="Shop Holding",
        contact="dpo@holding.example",
        joint_controllers="none",
        representative="none",
        data_protection_officer="Dee",
        processors="none",
        transfers="none",
        organizational_measures="training",
        misses="3 %",
        differences="none seen",
    )
    before, after = (processing_record(configured(), item) for item in (Statements(), said))
    assert before.missing == (
        ("Controller", ("Joint controllers", "Representative", "Data protection officer")),
        ("Recipients", ("Processors",)),
        ("Transfers to third countries", ("Transfers and their safeguards",)),
        ("Technical and organizational measures", ("Organizational measures",)),
        ("Accuracy of the comparison", ("Misses of people on the list (FNIR)", "Error rates by group of people")),
    )
    assert after.missing == ()
    assert rows_of(after, "Controller")["Name"] == "Shop Holding"
    assert NOT_STATED not in to_html(after) + to_markdown(after)


def test_statements_are_texts_that_say_something() -> None:
    assert Statements.from_dict({"review": "yearly"}) == Statements(review="yearly")
    with pytest.raises(InvalidArgument, match="'reviewed'"):
        Statements.from_dict({"reviewed": "yearly"})
    with pytest.raises(InvalidArgument, match="review must be text"):
        Statements(review=" ")
    with pytest.raises(InvalidArgument, match="2000 characters"):
        Statements(necessity="x" * 2001)


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


def access_copy(configuration: Configuration, _: Statements) -> Report:
    """The page of a subject access export."""
    return access_page(
        AccessFile(
            subject_id="s",
            subject_ref=OWN,
            state="active",
            created_at=NOW,
            made_at=NOW,
            made_by="dora",
            watchlist_id=OTHER,
            consents=(),
            templates=(),
            complaints=(),
            log=(),
            pruned=0,
            models=configuration.models,
            threshold=configuration.threshold,
            policy=configuration.policy,
        )
    )


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
    assert len(idle) == 4
    assert [rule.rule for rule in idle if rule.sentence in measures] == []
    if build is not transparency_notice:
        assert [rule.rule for rule in idle if rule.sentence not in section] == []
        assert [rule.rule for rule in policy.describe() if rule.enforced and rule.sentence not in measures] == []
    assert [line for line in measures.splitlines() if "nobody confirmed" in line and NOT_ENFORCED not in line] == []
    reviewing = [line for line in measures.splitlines() if "reviewer" in line]
    assert [line for line in reviewing if NOT_ENFORCED not in line] == []


def test_review_by_people_is_stated_as_a_rule_once_it_is_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    assert human_review(POLICY).endswith(f": {NOT_ENFORCED}.")
    for request in (ActionRequest, AlertRequest, MediaRequest, PrecisionRequest):
        monkeypatch.setattr(request, "asked_by", ("facematch.alerts.review",))
    assert human_review(POLICY) == POLICY.reviewers.sentence()
    reports = [to_markdown(build(configured(), Statements())).replace("\\", "") for build in (*BUILDERS, access_copy)]
    assert [text for text in reports if "not enforced" in text.lower()] == []
    assert [text for text in reports if POLICY.reviewers.sentence() not in text] == []


def test_a_configuration_without_weaknesses_leaves_what_the_software_lacks() -> None:
    assert observations(configured()) == (
        "Error rates by group of people are not in the calibration: unequal errors would not be seen here.",
        (
            "The policy sets rules that are not enforced by this version: corroboration, reviewers, precision, "
            "unconfirmed media."
        ),
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"threshold": None}, "No tested threshold is known here"),
        ({"threshold": dataclasses.replace(CALIBRATED, error_kind="FMR")}, "tested for single comparisons only"),
        ({"searchable": 101}, "101 subjects are searchable; the threshold was tested with 100."),
        ({"threshold": dataclasses.replace(CALIBRATED, target=0.02)}, "was set for 2 %; the policy allows 1 % at most"),
        ({"roles": (("owner", ("ada",)), ("operator", ("bo",)))}, "ada may do everything (role owner)"),
        ({"roles": (("admin", ("ada",)),)}, "Fewer than two people have a role"),
        ({"rules": Policy.profile("access-control")}, "One person alone can enroll somebody"),
        ({"rules": Policy.profile("access-control")}, "lets one actor hold any roles together"),
        ({"rules": Policy.profile("access-control")}, "does not judge how old the test"),
        ({"rules": Policy.profile("access-control")}, "lets searches run without a tested threshold"),
        ({"rules": Policy.profile("access-control")}, "Searches need not name a zone"),
        (
            {"consents": dataclasses.replace(CONSENTS, sources=(Tally("live-capture", 11), Tally(None, 1)))},
            "1 consent record in force does not say where the pictures come from.",
        ),
        (
            {"consents": dataclasses.replace(CONSENTS, controllers=(Party(None, None, 2),))},
            "2 consent records in force name no controller.",
        ),
        (
            {"consents": dataclasses.replace(CONSENTS, sites=(Tally("every site", 2),))},
            "2 consent records in force cover every site.",
        ),
        (
            {"consents": dataclasses.replace(CONSENTS, overdue=3)},
            "3 consent records past their time wait for a sweep.",
        ),
        ({"complaints": ComplaintFacts(1, 0, 0)}, "1 complaint not decided yet."),
        ({"suspensions": (SuspensionFacts(None, "everywhere", "r", NOW, "bo"),)}, "1 suspension in force."),
        ({"models": ModelFacts(None, None, None, problem="no such pack")}, "could not be loaded where this was made"),
        ({"audit": AuditFacts(1, "12" * 32, 0, 0, None, ())}, "The audit log has no signed checkpoint"),
    ],
)
def test_a_weakness_is_observed(changes: dict[str, Any], expected: str) -> None:
    assert [text for text in observations(configured(**changes)) if expected in text] != []
    assert [text for text in observations(configured()) if expected in text] == []
    assert expected in to_markdown(impact_input(configured(**changes), Statements())).replace("\\", "")


def test_the_impact_input_plans_with_the_tested_bound_and_says_so() -> None:
    text = to_markdown(impact_input(configured(searchable=50), Statements()))
    assert f"{100 * (1 - (1 - 0.0079) ** 0.5):.3g} %" == "0.396 %"
    assert "For planning only, with 50 searchable subjects as now: up to 0.396 % of searches" in text
    assert ("930", "answered searches in the log") in impact_input(configured(), Statements()).tiles


def test_tallies_are_ordered_and_gaps_come_last() -> None:
    assert tallies({"b": 1, None: 9, "a": 1, "c": 2}) == (Tally("c", 2), Tally("a", 1), Tally("b", 1), Tally(None, 9))


# --- the log of one subject


def entry(action: str, subject_ref: str | None, **details: Any) -> AuditEntry:
    return AuditEntry(7, NOW, "ana", action, "done", subject_ref, details, None, "0" * 32)


def test_a_search_that_returned_several_says_only_how_many_others() -> None:
    found = entry("identify", None, candidates=[OWN, OTHER], purpose="p", probes=2, threshold=0.5)
    line = log_line(found, OWN, frozenset(), {})
    assert line.details == {"candidates": {"you": True, "others": 1}, "purpose": "p", "probes": 2, "threshold": 0.5}
    assert line.to_dict()["what_happened"] == "A search returned you as a candidate"
    assert line.about_you is False


def test_somebody_elses_enrollment_gives_nothing_but_that_the_subject_was_listed() -> None:
    found = entry("enroll", OTHER, look_alikes=[OWN], consent_record_id=RECORD, templates=3, enrollment=5, unheard="of")
    line = log_line(found, OWN, frozenset(), {"quality_override": "secret"})
    assert line.details == {"look_alikes": {"you": True, "others": 0}}
    assert line.private == {}
    assert line.to_dict()["what_happened"] == "Somebody was enrolled whom you look alike to"


def test_an_entry_about_the_subject_is_whole_but_for_other_references() -> None:
    found = entry(
        "enroll",
        OWN,
        consent_record_id=RECORD,
        look_alikes=[OTHER, OTHER.replace("2222-4", "3333-4")],
        note=f"see {OTHER.upper()}",
        nested={"deep": [OTHER, "plain", 3], OTHER: 1},
    )
    line = log_line(found, OWN, frozenset({RECORD}), {"quality_override": "glasses"})
    withheld = "withheld: it concerns somebody else"
    assert line.details == {
        "consent_record_id": RECORD,
        "look_alikes": {"others": 2},
        "note": withheld,
        "nested": {"deep": [withheld, "plain", 3], withheld: 1},
    }
    assert line.private == {"quality_override": "glasses"}
    assert log_line(found, OWN, frozenset(), {}).details["consent_record_id"] == withheld


def test_what_happened_is_said_for_actions_that_have_no_words_yet() -> None:
    assert log_line(entry("new_thing", OWN), OWN, frozenset(), {}).to_dict()["what_happened"] == "Action 'new_thing'"
    listed = log_line(entry("new_thing", None, x=OWN), OWN, frozenset(), {})
    assert listed.to_dict()["what_happened"] == "Action 'new_thing', which lists you"
    refused = dataclasses.replace(entry("verify", OWN, code="suspended"), outcome="refused")
    assert log_line(refused, OWN, frozenset(), {}).to_dict()["what_happened"] == (
        "A picture was compared with you (refused)"
    )
