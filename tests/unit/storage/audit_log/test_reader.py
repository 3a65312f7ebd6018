from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from facematch.errors import AuditError, FacematchError, InvalidArgument
from facematch.testing import SyntheticFace, synthetic_picture
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, picture


def test_every_call_leaves_one_entry(bench: Bench) -> None:
    w = bench.watchlist
    search: dict[str, Any] = {"purpose": PURPOSE, "site": SITE}
    calls: list[tuple[Callable[[], Any], str, str]] = [
        (lambda: bench.enroll("s", 1), "enroll", "done"),
        (lambda: w.enroll("t", picture(2)), "enroll", "refused"),
        (lambda: w.identify(picture(1), **search), "identify", "done"),
        (lambda: w.identify(picture(9), **search), "identify", "done"),
        (lambda: w.identify(synthetic_picture([]), **search), "identify", "done"),
        (lambda: w.identify(b"", **search), "identify", "refused"),
        (lambda: w.identify(picture(1), purpose=""), "identify", "refused"),
        (lambda: w.identify_faces([], **search), "identify", "done"),
        (lambda: w.verify("s", picture(1), **search), "verify", "done"),
        (lambda: w.verify("t", picture(1), **search), "verify", "refused"),
        (w.subjects.list, "list_subjects", "done"),
        (w.subjects.count_templates, "count_templates", "done"),
        (lambda: w.consents.list("s"), "read_consents", "done"),
        (lambda: w.withdraw("s", reason="left"), "withdraw", "done"),
        (lambda: w.withdraw("s", reason="left"), "withdraw", "refused"),
        (lambda: w.erase("s", reason="asked"), "erase", "done"),
        (lambda: w.erase("s", reason="asked"), "erase", "refused"),
    ]
    outcomes = []
    for call, _, _ in calls:
        try:
            call()
        except FacematchError:
            outcomes.append("refused")
        else:
            outcomes.append("done")
    entries = bench.entries()
    assert outcomes == [outcome for _, _, outcome in calls]
    assert [(e.action, e.outcome) for e in entries] == [(action, outcome) for _, action, outcome in calls]
    assert [e.seq for e in entries] == list(range(2, len(calls) + 2))
    assert {e.actor for e in entries} == {"ana"}
    assert {e.time for e in entries} == {bench.clock.now}


def test_a_search_entry_holds_counts_and_references_and_nothing_of_a_face(bench: Bench) -> None:
    bench.enroll("s", 1)
    ref = bench.last().subject_ref
    bench.watchlist.identify(synthetic_picture([SyntheticFace(1, 2), 7]), purpose=PURPOSE, site=SITE)
    assert bench.last().details == {
        "purpose": PURPOSE,
        "site": SITE,
        "probes": 2,
        "candidates": [ref],
        "threshold": 0.6,
        "gallery_size": 1,
        "generation": 1,
        "policy_version": 1,
    }
    bench.watchlist.verify("s", picture(7), purpose=PURPOSE, site=SITE)
    assert bench.last().details == {
        "purpose": PURPOSE,
        "site": SITE,
        "outcome": "no_match",
        "threshold": 0.6,
        "generation": 1,
        "policy_version": 1,
    }


def test_no_entry_names_a_subject(bench: Bench) -> None:
    name = "subject-unmistakable"
    bench.enroll(name, 1)
    bench.found(1)
    bench.watchlist.withdraw(name, reason=f"{name} left")
    bench.watchlist.erase(name, reason=f"{name} asked")
    written = str([entry.to_dict() for entry in bench.watchlist.audit.entries()])
    assert name not in written


def test_the_table_is_append_only_for_everybody(bench: Bench) -> None:
    bench.enroll("s", 1)
    statements = [
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = 1",
        "INSERT OR REPLACE INTO audit VALUES (1, 0, 'x', 'x', 'x', NULL, '{}', NULL, '')",
        "UPDATE consent_events SET state = 'GIVEN'",
        "UPDATE audit_nodes SET hash = x'00'",
        "DELETE FROM audit_nodes",
        "DELETE FROM audit_head",
        "UPDATE audit_head SET size = 0",
        "UPDATE policies SET document = '{}'",
        "DELETE FROM policies",
        "DELETE FROM signing_keys",
    ]
    connection = sqlite3.connect(bench.path, isolation_level=None)
    for statement in statements:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()
    assert [e.actor for e in bench.entries()] == ["ana"]
    assert bench.watchlist.audit.verify().ok


@pytest.fixture
def broken_audit(bench: Bench) -> Bench:
    bench.enroll("s", 1)
    bench.found(1)
    connection = sqlite3.connect(bench.path, isolation_level=None)
    connection.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no more'); END")
    connection.close()
    return bench


def test_when_the_audit_cannot_be_written_nothing_is_done(broken_audit: Bench) -> None:
    w = broken_audit.watchlist
    search: dict[str, Any] = {"purpose": PURPOSE, "site": SITE}
    calls: list[Callable[[], Any]] = [
        lambda: w.enroll("s", picture(1, 2)),
        lambda: broken_audit.enroll("t", 2),
        lambda: w.identify(picture(1), **search),
        lambda: w.identify_faces([], **search),
        lambda: w.verify("s", picture(1), **search),
        lambda: w.withdraw("s", reason="left"),
        lambda: w.erase("s", reason="asked"),
        w.subjects.list,
        w.subjects.count_templates,
        lambda: w.consents.list("s"),
        lambda: w.identify(picture(1), purpose=""),
        lambda: w.enroll("u", picture(1)),
    ]
    codes = []
    for call in calls:
        with pytest.raises(AuditError) as caught:
            call()
        codes.append(caught.value.code)
    assert codes == ["audit_failed"] * len(calls)
    connection = sqlite3.connect(broken_audit.path)
    counts = [connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("subjects", "templates", "audit")]
    assert counts == [1, 1, 3]
    assert connection.execute("SELECT state FROM consents").fetchall() == [("GIVEN",)]
    assert connection.execute("SELECT generation FROM meta").fetchone() == (1,)
    connection.close()


def test_reading_the_log(bench: Bench) -> None:
    for number in range(5):
        bench.enroll(f"s{number}", number)
    log = bench.watchlist.audit
    assert len(log) == 6
    assert [e.seq for e in log.entries(limit=2)] == [5, 6]
    assert log.entries(limit=0) == []
    with pytest.raises(InvalidArgument):
        log.entries(limit=-1)
    assert log.verify().require().size == 7  # the refused call above is in it
