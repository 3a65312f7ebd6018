from __future__ import annotations

from facematch.governance.reports import Statements, processing_record
from facematch.reporting import NOT_STATED, to_html, to_markdown
from tests.unit.governance.reports.support import POLICY, configured, rows_of, table_of


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
