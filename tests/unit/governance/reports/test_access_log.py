from __future__ import annotations

import dataclasses
from typing import Any

from facematch.governance import AuditEntry
from facematch.governance.reports import log_line
from tests.unit.governance.reports.support import NOW, OTHER, OWN, RECORD


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
