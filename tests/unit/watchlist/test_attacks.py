"""Attacks on the governance of a watchlist, each tried for real."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from facematch.errors import (
    AccessDenied,
    BackupInvalid,
    ConsentInvalid,
    ConsentRequired,
    InvalidArgument,
    SeparationOfDuties,
    SubjectNotFound,
    Suspended,
)
from facematch.governance import Consent
from facematch.governance.policy import Policy
from facematch.governance.roles import Role
from facematch.storage.consents import ConsentTable
from facematch.testing import FakeAnalyzer
from facematch.watchlist import Watchlist
from tests.unit.watchlist.support import PURPOSE, SITE, Bench, open_bench, picture, roles_of


def opened(bench: Bench, actor: str, **options: Any) -> Watchlist:
    """The same watchlist for another actor."""
    analyzer = options.pop("analyzer", None) or FakeAnalyzer()
    return Watchlist.open(f"sqlite:///{bench.path}", actor=actor, analyzer=analyzer, clock=bench.clock, **options)


class DuringTheModels(FakeAnalyzer):
    """Does something in the middle of a call, where real models take their time."""

    def __init__(self, something: Callable[[], object]) -> None:
        super().__init__()
        self._something = something

    def detect(self, images: Any) -> Any:
        self._something()
        return super().detect(images)


def put_back(copy: Path, path: Path) -> None:
    """A database file copied over another, while nobody has it open."""
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    shutil.copy(copy, path)


def test_an_opening_beside_a_busy_process_does_not_take_its_work_for_a_restored_backup(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.enroll("alice", 1)
    read = ConsentTable.open_records
    done: list[object] = []

    def meanwhile(self: ConsentTable, connection: Any) -> Any:
        if not done:
            done.append(bench.watchlist.actors.grant("zoe", "operator"))
        return read(self, connection)

    monkeypatch.setattr(ConsentTable, "open_records", meanwhile)
    with opened(bench, "ana") as other:
        assert (len(done), other.suspensions.list()) == (1, ())
    assert bench.found(1) == ["alice"]


def test_a_role_that_is_taken_while_the_models_run_enrolls_nobody_any_more(bench: Bench) -> None:
    bench.watchlist.actors.grant("bob", "enroller")
    models = DuringTheModels(lambda: bench.watchlist.actors.revoke("bob"))
    with opened(bench, "bob", analyzer=models) as other, pytest.raises(AccessDenied, match="'bob' has no role"):
        other.enroll("alice", picture(1), consent=bench.consent("alice"))
    assert bench.watchlist.subjects.list() == ()
    refusal = bench.watchlist.audit.entries(limit=2)[0]
    assert (refusal.action, refusal.outcome, refusal.actor) == ("enroll", "refused", "bob")


def test_a_glance_at_an_older_copy_does_not_destroy_the_keys_of_the_newer_one(tmp_path: Path) -> None:
    path, copy, newer = (tmp_path / name for name in ("watchlist.db", "copy.db", "newer.db"))
    with open_bench(path) as bench:
        bench.enroll("alice", 1)
        bench.watchlist.backup(copy)
        bench.enroll("bob", 2)
    shutil.copy(path, newer)
    put_back(copy, path)
    with open_bench(path) as bench:
        assert [item.reason for item in bench.watchlist.suspensions.list()] == [
            "the database was restored from a backup"
        ]
    put_back(newer, path)
    with open_bench(path) as bench:
        assert [record.subject_id for record in bench.watchlist.subjects.list()] == ["alice", "bob"]


def test_an_older_copy_does_not_bring_a_longer_consent_back_unnoticed(tmp_path: Path) -> None:
    path, copy = tmp_path / "watchlist.db", tmp_path / "copy.db"
    with open_bench(path) as bench:
        enrollment = bench.enroll("alice", 1)
        bench.watchlist.backup(copy)
        evidence = tmp_path / "again.pdf"
        evidence.write_bytes(b"signed again")
        bench.watchlist.consents.renew("alice", valid_for=timedelta(days=1), evidence=evidence)
        assert bench.watchlist.consents.list("alice")[0].record_id == enrollment.record_id
    put_back(copy, path)
    with open_bench(path) as bench:
        assert len(bench.watchlist.suspensions.list()) == 1


def test_a_suspension_while_the_models_run_stops_the_look_alikes_of_a_preview(bench: Bench) -> None:
    bench.enroll("alice", 1)
    models = DuringTheModels(lambda: bench.watchlist.suspensions.add(reason="a test"))
    with opened(bench, "ana", analyzer=models) as other, pytest.raises(Suspended):
        other.preview_enrollment(picture(1, 1), purpose=PURPOSE, site=SITE)
    assert (bench.last().action, bench.last().outcome) == ("preview", "refused")


def test_a_role_that_is_taken_while_the_models_run_previews_nothing(bench: Bench) -> None:
    bench.watchlist.actors.grant("bob", "enroller")
    models = DuringTheModels(lambda: bench.watchlist.actors.revoke("bob"))
    with opened(bench, "bob", analyzer=models) as other, pytest.raises(AccessDenied):
        other.preview_enrollment(picture(1))


def test_the_word_of_somebody_who_lost_the_role_does_not_lift_a_suspension(bench: Bench) -> None:
    bench.watchlist.actors.grant("mallory", "admin")
    bench.watchlist.actors.grant("bob", "admin")
    number = bench.watchlist.suspensions.add(reason="a test").suspension_id
    with opened(bench, "mallory") as other:
        assert other.suspensions.lift(number).lifted is False
    bench.watchlist.actors.revoke("mallory")
    assert bench.watchlist.suspensions.lift(number).lifted is False
    with opened(bench, "bob") as other:
        assert other.suspensions.lift(number).lifted is True


@pytest.mark.parametrize("end", [".vault", ".key", "", ".backup"])
def test_a_copy_of_the_vault_does_not_overwrite_a_file_of_the_watchlist(bench: Bench, end: str) -> None:
    bench.enroll("alice", 1)
    with pytest.raises(InvalidArgument, match="of the watchlist itself"):
        bench.watchlist.backup(f"{bench.path}.backup", vault_copy=f"{bench.path}{end}")
    assert bench.watchlist.erase("alice", reason="asked for it").subject_id == "alice"


def renewed_ahead(consent: Consent, times: int) -> Consent:
    """The record with renewals that have not happened."""
    data, when = consent.to_dict(), consent.events[0].time
    for number in range(times):
        when += timedelta(days=300)
        state, end = ("GIVEN" if number % 2 else "RENEWED"), when + timedelta(days=700)
        event = {"time": when.isoformat(), "actor": "x", "state": state, "valid_until": end.isoformat()}
        data["events"].append(event)
    return Consent.from_dict(data)


def test_a_record_that_comes_with_renewals_of_years_to_come_is_not_filed(bench: Bench) -> None:
    record = renewed_ahead(bench.consent("alice"), 9)
    with pytest.raises(ConsentInvalid, match="in the future"):
        bench.watchlist.enroll("alice", picture(1), consent=record)
    with pytest.raises(ConsentInvalid, match="in the future"):
        bench.watchlist.consents.record(record)
    assert bench.watchlist.subjects.list() == ()


def test_a_form_signed_before_a_withdrawal_does_not_undo_it(bench: Bench) -> None:
    kept_back = bench.consent("alice")
    bench.enroll("alice", 1)
    bench.clock.advance(timedelta(days=1))
    bench.watchlist.withdraw("alice", reason="no more")
    bench.clock.advance(timedelta(days=1))
    with pytest.raises(ConsentRequired, match="before the subject's consent ended"):
        bench.watchlist.enroll("alice", picture(1), consent=kept_back)
    with pytest.raises(ConsentRequired, match="before the subject's consent ended"):
        bench.watchlist.consents.record(kept_back)
    assert bench.found(1) == []
    bench.enroll("alice", 1)
    assert bench.found(1) == ["alice"]


def test_a_restore_that_is_refused_is_audited(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(BackupInvalid):
        bench.watchlist.restore(tmp_path / "nothing")
    assert (bench.last().action, bench.last().outcome, bench.last().details) == (
        "restore",
        "refused",
        {"code": "backup_invalid"},
    )


def test_a_database_put_back_under_an_open_watchlist_is_not_searched_from_memory(bench: Bench, tmp_path: Path) -> None:
    bench.enroll("alice", 1)
    bench.watchlist.backup(tmp_path / "copy.db")
    bench.enroll("bob", 2)
    assert bench.found(2) == ["bob"]
    with closing(sqlite3.connect(tmp_path / "copy.db")) as older, closing(sqlite3.connect(bench.path)) as present:
        older.backup(present)
    assert bench.found(2) == []
    assert bench.found(1) == ["alice"]


def lifted(bench: Bench) -> None:
    """Lift every suspension, as two people do after a restore."""
    if "bob" not in roles_of(bench.watchlist):
        bench.watchlist.actors.grant("bob", "admin")
    with opened(bench, "bob") as other:
        for item in bench.watchlist.suspensions.list():
            assert (
                bench.watchlist.suspensions.lift(item.suspension_id).lifted,
                other.suspensions.lift(item.suspension_id).lifted,
            ) == (
                False,
                True,
            )


def twice_enrolled(bench: Bench, folder: Path) -> None:
    """Alice, once in a backup and again in the watchlist, under another reference and another record."""
    bench.watchlist.backup(folder / "without.db")
    bench.enroll("alice", 1)
    bench.watchlist.backup(folder / "with.db")
    bench.watchlist.restore(folder / "without.db")
    lifted(bench)
    bench.clock.advance(timedelta(days=1))
    bench.enroll("alice", 1)
    bench.clock.advance(timedelta(days=1))


def test_an_erased_subject_does_not_come_back_from_a_backup_of_an_earlier_enrollment(
    bench: Bench, tmp_path: Path
) -> None:
    twice_enrolled(bench, tmp_path)
    bench.watchlist.erase("alice", reason="asked for it")
    assert bench.watchlist.keys.status().subjects == 0
    bench.watchlist.restore(tmp_path / "with.db")
    lifted(bench)
    assert (bench.watchlist.subjects.list(), bench.found(1)) == ((), [])


def test_a_withdrawn_subject_is_not_found_from_a_backup_of_an_earlier_enrollment(bench: Bench, tmp_path: Path) -> None:
    twice_enrolled(bench, tmp_path)
    bench.watchlist.withdraw("alice", reason="no more")
    bench.watchlist.restore(tmp_path / "with.db")
    lifted(bench)
    assert [(record.subject_id, record.state) for record in bench.watchlist.subjects.list()] == [("alice", "withdrawn")]
    assert bench.found(1) == []
    bench.clock.advance(timedelta(days=1))
    bench.enroll("alice", 1)
    with opened(bench, "ana"):  # a new consent is not ended by what ended before it
        assert bench.found(1) == ["alice"]


@pytest.mark.parametrize("by_file", [False, True])
def test_a_record_erased_under_another_reference_does_not_keep_the_watchlist_from_opening(
    tmp_path: Path, *, by_file: bool
) -> None:
    path = tmp_path / "watchlist.db"
    with open_bench(path) as bench:
        bench.watchlist.backup(tmp_path / "without.db")
        consent = bench.enroll("alice", 1)
        bench.watchlist.backup(tmp_path / "with.db")
        bench.watchlist.restore(tmp_path / "without.db")
        bench.watchlist.enroll("alice", picture(1), consent=consent)
        with closing(sqlite3.connect(f"{path}.vault")) as raw:  # as an earlier version of facematch left it
            raw.execute("DELETE FROM keys WHERE name LIKE 'whose:%'")
            raw.commit()
        bench.watchlist.erase("alice", reason="asked for it")
        if not by_file:
            bench.watchlist.restore(tmp_path / "with.db")
    if by_file:
        put_back(tmp_path / "with.db", path)
    with open_bench(path) as bench:
        assert (bench.watchlist.subjects.list(), bench.watchlist.keys.status().subjects) == ((), 0)


@pytest.mark.parametrize("unseen", ["\ufe0f", "\u034f", "\u3164", "\uffa0", "\u2800", "\U000e0100", "\u17b4"])
def test_a_name_with_a_character_that_shows_nothing_is_no_second_person(bench: Bench, unseen: str) -> None:
    number = bench.watchlist.suspensions.add(reason="a test").suspension_id
    assert bench.watchlist.suspensions.lift(number).lifted is False
    bench.watchlist.actors.grant(f"an{unseen}a", "admin")
    with opened(bench, f"an{unseen}a") as other, pytest.raises(SeparationOfDuties):
        other.suspensions.lift(number)


def test_a_complaint_is_not_decided_by_a_number(bench: Bench) -> None:
    bench.enroll("alice", 1)
    number = bench.watchlist.rights.open_complaint("alice", ground="not me").complaint_id
    with pytest.raises(InvalidArgument, match="True or False"):
        bench.watchlist.rights.decide_complaint(number, upheld=2)  # type: ignore[arg-type]
    assert bench.found(1) == []


def test_a_key_that_somebody_else_lost_costs_nobody_the_certificate(bench: Bench) -> None:
    bench.enroll("alice", 1)
    bench.enroll("bob", 2)
    core = bench.watchlist._session.resources
    with core.database.read() as connection:
        bob = core.require_subject(connection, "bob").subject_ref
    core.cipher.destroy_subject(bob)
    core.forget()
    certificate = bench.watchlist.erase("alice", reason="asked for it").certificate
    assert certificate["self_search"]["templates_found"] == 0


def test_somebody_who_is_only_in_a_backup_can_be_erased(bench: Bench, tmp_path: Path) -> None:
    empty = bench.watchlist.backup(tmp_path / "before.db")
    bench.enroll("alice", 1)
    later = bench.watchlist.backup(tmp_path / "later.db")
    bench.watchlist.restore(empty)
    assert bench.watchlist.subjects.list() == ()
    erased = bench.watchlist.erase("alice", reason="asked for it")
    assert (erased.templates_erased, erased.certificate["data_key"]["destroyed"]) == (0, True)
    assert bench.watchlist.verify_erasure(erased.certificate).ok
    bench.watchlist.restore(later)
    assert bench.watchlist.subjects.list() == ()
    with pytest.raises(SubjectNotFound):
        bench.watchlist.erase("alice", reason="again")


def test_an_admin_cannot_become_owner_or_grant_themselves_anything(bench: Bench) -> None:
    bench.watchlist.actors.grant("adam", "admin")
    with Watchlist.open(f"sqlite:///{bench.path}", actor="adam", clock=bench.clock) as adam:
        with pytest.raises(SeparationOfDuties):
            adam.actors.grant("adam", "operator")
        with pytest.raises(AccessDenied):
            adam.actors.grant("eve", "owner")
        with pytest.raises(AccessDenied):
            adam.actors.revoke("ana", "owner")
        with pytest.raises(AccessDenied):
            adam.actors.revoke("ana")
        assert adam.actors.grant("eve", "operator").roles == {Role.OPERATOR}
    assert roles_of(bench.watchlist)["ana"] == {Role.OWNER}


def test_a_stricter_policy_takes_the_place_of_one_that_waits(bench: Bench) -> None:
    document = Policy.profile("access-control").to_dict()
    looser = Policy.from_dict({**document, "title": "looser"})
    stricter = Policy.from_dict({**document, "title": "stricter", "purposes": {"allowed": ["events"]}})
    bench.watchlist.policies.set(looser, effective_from=bench.clock.now + timedelta(days=5))
    bench.watchlist.policies.set(stricter)
    bench.clock.advance(timedelta(days=6))
    assert bench.watchlist.policies.current().policy.title == "stricter"


@pytest.mark.parametrize("number", [2**70, -(2**70), True, "1", None, 1.0])
def test_a_number_that_no_database_holds_is_a_typed_error(bench: Bench, number: Any) -> None:
    with pytest.raises(InvalidArgument):
        bench.watchlist.approvals.approve(number)
    with pytest.raises(InvalidArgument):
        bench.watchlist.rights.decide_complaint(number, upheld=True)


def test_a_policy_that_separates_roles_is_not_set_while_somebody_holds_them_together(bench: Bench) -> None:
    bench.watchlist.actors.grant("ben", "enroller", "approver")
    document = Policy.profile("access-control").to_dict()
    separating = Policy.from_dict({**document, "separate_roles": {"pairs": [["approver", "enroller"]]}})
    with pytest.raises(SeparationOfDuties):
        bench.watchlist.policies.set(separating)
    bench.watchlist.actors.revoke("ben", "approver")
    assert bench.watchlist.policies.set(separating).version == 2
