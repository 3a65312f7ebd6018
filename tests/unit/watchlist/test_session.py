"""Actors on one open watchlist: shared resources, authorized operations, and no way to write without one."""

from __future__ import annotations

import ast
import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import facematch
from facematch.errors import AccessDenied, DatabaseUnavailable, FacematchError, InvalidArgument, WatchlistClosed
from facematch.governance import AuditAction
from facematch.watchlist import Watchlist
from facematch.watchlist.session import Session
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, picture

MAY_OPEN_WRITES = {
    "gallery/cache_file.py",  # the gallery file is sealed at the generation that it holds
    "storage/database.py",  # the schema of a new or older database
    "watchlist/session.py",  # operations
    "watchlist/setup/create.py",  # vault and keys of a new watchlist
    "watchlist/setup/recovery.py",  # keys that no subject stands behind
}
"""Modules that make an ``Authorization``; everything else gets its transactions from an operation."""


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_actors_share_database_gallery_keys_and_models(bench: Bench) -> None:
    bench.enroll("s", 1)
    assert bench.found(1) == ["s"]
    before = _open_files()
    handles = [bench.watchlist.acting_as(f"actor-{number}") for number in range(50)]
    own = bench.watchlist._session.resources
    assert {id(handle._session.resources) for handle in handles} == {id(own)}
    assert _open_files() == before
    assert [handle.actor for handle in handles[:2]] == ["actor-0", "actor-1"]


def test_roles_and_audit_are_each_actors_own(bench: Bench) -> None:
    bench.enroll("s", 1)
    ben, eve = bench.watchlist.acting_as("ben"), bench.watchlist.acting_as("eve")
    bench.watchlist.actors.grant("ben", "operator")
    found = ben.identify(picture(1, 1), purpose=PURPOSE, site=SITE)
    assert [candidate.subject_id for candidate in found.candidates] == ["s"]
    assert (bench.last().actor, bench.last().action) == ("ben", "identify")
    for call in (
        lambda: eve.identify(picture(1), purpose=PURPOSE, site=SITE),
        lambda: eve.search_terms(purpose=PURPOSE, site=SITE),
        eve.subjects.list,
        eve.audit.entries,
        lambda: ben.erase("s", reason="asked"),
    ):
        with pytest.raises(AccessDenied):
            call()
        assert bench.last().outcome == "refused"
    with pytest.raises(AccessDenied):
        eve.suspensions.list()
    assert bench.found(1) == ["s"]


def test_what_one_actor_changes_the_next_search_of_another_sees(bench: Bench) -> None:
    bench.enroll("s", 1)
    bench.watchlist.actors.grant("ben", "operator")
    ben = bench.watchlist.acting_as("ben")
    assert ben.identify(picture(1, 1), purpose=PURPOSE, site=SITE).candidates
    bench.watchlist.withdraw("s", reason="left")
    assert not ben.identify(picture(1, 1), purpose=PURPOSE, site=SITE).candidates
    bench.watchlist.actors.revoke("ben")
    with pytest.raises(AccessDenied):
        ben.identify(picture(1, 1), purpose=PURPOSE, site=SITE)


def test_an_actors_handle_closes_for_that_actor_only(bench: Bench) -> None:
    bench.enroll("s", 1)
    bench.watchlist.actors.grant("ben", "operator")
    with bench.watchlist.acting_as("ben") as ben:
        assert ben.identify(picture(1, 1), purpose=PURPOSE, site=SITE).candidates
    with pytest.raises(WatchlistClosed):
        ben.identify(picture(1, 1), purpose=PURPOSE, site=SITE)
    with pytest.raises(WatchlistClosed):
        ben.acting_as("eve")
    ben.close()
    assert bench.found(1) == ["s"]
    again = bench.watchlist.acting_as("ben")
    bench.watchlist.close()
    for call in (lambda: again.identify(picture(1, 1), purpose=PURPOSE, site=SITE), again.policies.current):
        with pytest.raises(WatchlistClosed):
            call()
    bench.watchlist.close()


def test_a_malformed_actor_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidArgument):
        bench.watchlist.acting_as(" ")


def _write_after_the_role_is_gone(bench: Bench, session: Session) -> None:
    with session.operation(AuditAction.ERASE) as operation:
        bench.watchlist.actors.revoke("ben")
        with operation.write():
            pytest.fail("the transaction was opened")


def test_a_role_taken_after_an_operation_began_permits_no_write_in_it(bench: Bench) -> None:
    bench.watchlist.actors.grant("ben", "privacy-officer")
    session = Session(bench.watchlist._session.resources, "ben")
    with pytest.raises(AccessDenied):
        _write_after_the_role_is_gone(bench, session)
    assert (bench.last().actor, bench.last().action, bench.last().outcome) == ("ben", "erase", "refused")


def test_operations_side_by_side_in_one_thread_keep_their_own_actor_and_action(bench: Bench) -> None:
    bench.watchlist.actors.grant("ben", "operator")
    resources = bench.watchlist._session.resources
    ana, ben = Session(resources, "ana"), Session(resources, "ben")
    with ana.operation(AuditAction.ERASE) as outer, ben.operation(AuditAction.IDENTIFY) as inner:
        assert (outer.authorization.actor, outer.authorization.action) == ("ana", "erase")
        assert (inner.authorization.actor, inner.authorization.action) == ("ben", "identify")
        with outer.write() as tx:
            tx.audit({"who": "outer"})
        with inner.write() as tx:
            tx.audit({"who": "inner"})
    entries = bench.watchlist.audit.entries(limit=2)
    assert [(e.actor, e.action, e.details["who"]) for e in entries] == [
        ("ana", "erase", "outer"),
        ("ben", "identify", "inner"),
    ]


def test_reading_transactions_refuse_to_write(bench: Bench) -> None:
    with (
        bench.watchlist._session.operation(AuditAction.ERASE) as operation,
        pytest.raises((DatabaseUnavailable, OperationalError, FacematchError)) as caught,
        operation.read() as connection,
    ):
        connection.execute(text("DELETE FROM actor_roles"))
    assert "readonly" in str(caught.value) or "read-only" in str(caught.value) or "write" in str(caught.value)
    assert bench.watchlist.actors.list()[0].actor == "ana"


def test_no_module_opens_a_write_transaction_but_operations_and_set_up() -> None:
    package = Path(facematch.__file__).parent
    makers, callers = set(), set()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Authorization":
                makers.add(name)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "write":
                owner = ast.unparse(node.func.value)
                if "database" in owner:
                    callers.add(name)
    assert makers == MAY_OPEN_WRITES
    assert callers == (MAY_OPEN_WRITES - {"storage/database.py"}) | {
        "storage/audit_log/group_commit.py",  # with the authorization of the searches that it writes for
        "watchlist/search.py",  # likewise
    }


def test_a_write_transaction_needs_an_authorization(bench: Bench) -> None:
    database: Any = bench.watchlist._session.resources.database
    with pytest.raises(TypeError, match="authorization"), database.write():
        pytest.fail("the transaction was opened")


def _use(watchlist: Watchlist, number: int) -> list[str]:
    actor = f"operator-{number % 5}"
    with watchlist.acting_as(actor) as handle:
        result = handle.identify(picture(number % 4, 1), purpose=PURPOSE, site=SITE)
    return [actor, *(candidate.subject_id for candidate in result.candidates)]


def test_many_actors_search_in_threads_at_once(bench: Bench) -> None:
    for number in range(4):
        bench.enroll(f"s{number}", number)
    for number in range(5):
        bench.watchlist.actors.grant(f"operator-{number}", "operator")
    before = len(bench.watchlist.audit)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: _use(bench.watchlist, number), range(80)))
    assert answers == [[f"operator-{number % 5}", f"s{number % 4}"] for number in range(80)]
    entries = bench.watchlist.audit.entries(since_seq=before + 1)
    assert sorted(e.actor for e in entries) == sorted(f"operator-{number % 5}" for number in range(80))
    assert bench.watchlist.audit.verify().findings == ()


def test_an_event_loop_runs_calls_of_many_actors_in_threads(bench: Bench) -> None:
    for number in range(4):
        bench.enroll(f"s{number}", number)
    for number in range(5):
        bench.watchlist.actors.grant(f"operator-{number}", "operator")

    async def all_at_once() -> list[list[str]]:
        return await asyncio.gather(*(asyncio.to_thread(_use, bench.watchlist, number) for number in range(40)))

    answers = asyncio.run(all_at_once())
    assert answers == [[f"operator-{number % 5}", f"s{number % 4}"] for number in range(40)]
