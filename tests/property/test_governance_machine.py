"""Random sequences of all that governs a watchlist, on two handles of one file, against a model in plain Python.

The model knows who may be found: an open consent that has begun and not ended, names the purpose, covers site and zone,
has an approved template of the person who is searched, is of a subject whom nobody contests, at a place that is not
suspended. The watchlist must return exactly these subjects, or the very refusal that the model expects. Handles are
dropped without a word, steps fail between vault and database, and backups are put back: an end stays an end.
"""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from facematch.errors import (
    ConsentRequired,
    ConsentTransitionError,
    FacematchError,
    PolicyRefused,
    ReferenceRestricted,
    SeparationOfDuties,
    SubjectNotFound,
    Suspended,
    ZoneClosed,
)
from facematch.governance import Consent
from facematch.governance.policy import Policy
from facematch.governance.zones import Zone
from facematch.index.approximate import ApproximateIndex
from facematch.index.exact import ExactIndex
from facematch.storage.database import Database
from facematch.storage.encryption import SubjectCipher
from facematch.storage.key_vault import KeyVault
from facematch.storage.subjects import SubjectTable
from facematch.testing import FakeAnalyzer, ManualClock, SyntheticFace, synthetic_consent, synthetic_picture
from facematch.types import Image
from facematch.watchlist import Watchlist
from tests.examples import scaled
from tests.unit.watchlist.support import end_all

SUBJECTS = ("ada-of-the-north", "ben-of-the-south", "cleo-of-nowhere")
PEOPLE = (0, 1, 2)
PURPOSES = ("loss-prevention", "staff-safety")
PLACES = ((None, None), ("north", None), ("north", "door"), ("north", "till"), ("south", None), ("south", "door"))
ZONES = (("north", "door"), ("north", "till"), ("south", "door"))
ACTORS = ("ana", "bob")

subjects = st.sampled_from(SUBJECTS)
people = st.sampled_from(PEOPLE)
purposes = st.sampled_from(PURPOSES)
places = st.sampled_from(PLACES)
handles = st.integers(0, 1)


class Cut(BaseException):
    """A step that fails as abruptly as a dying process."""


@dataclass
class Batch:
    """One enrollment."""

    number: int
    person: int
    actor: str
    made: datetime
    pending: bool


@dataclass
class Record:
    """A consent record."""

    record_id: str
    purposes: frozenset[str]
    sites: frozenset[str]
    zones: frozenset[str]
    start: datetime
    end: datetime
    is_open: bool = True
    ended: datetime | None = None
    ended_by_somebody: bool = False
    batches: list[Batch] = field(default_factory=list)

    def in_force(self, now: datetime) -> bool:
        return self.is_open and self.start <= now < self.end

    def covers(self, purpose: str, site: str | None, zone: str | None, now: datetime) -> bool:
        there = (not self.sites or site in self.sites) and (not self.zones or zone in self.zones)
        return self.in_force(now) and purpose in self.purposes and there

    def late(self, now: datetime) -> bool:
        return self.is_open and self.end <= now

    def ended_at(self, now: datetime) -> datetime | None:
        if self.late(now):
            return self.end
        return None if self.is_open else self.ended


@dataclass
class Person:
    """A subject."""

    ref: str
    records: list[Record] = field(default_factory=list)
    complaints: dict[int, str] = field(default_factory=dict)

    def ended_after(self, moment: datetime) -> bool:
        return any(r.ended_by_somebody and r.ended is not None and moment < r.ended for r in self.records)

    @property
    def contested(self) -> bool:
        return any(state != "dismissed" for state in self.complaints.values())


@dataclass
class Stop:
    """A suspension."""

    site: str | None
    zone: str | None
    asked: list[str] = field(default_factory=list)

    def concerns(self, site: str | None, zone: str | None) -> bool:
        if self.site is not None and site is not None and self.site != site:
            return False
        return self.zone is None or zone is None or self.zone == zone


class GovernanceMachine(RuleBasedStateMachine):
    """See the module."""

    def base_policy(self) -> dict[str, Any]:
        return Policy.profile("access-control").to_dict()

    particulars: ClassVar[dict[str, Any]] = {}
    dual = False
    zones_required = False
    erase_days = 30
    pending_days = 30

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "a.db"
        self.clock = ManualClock()
        self.abandoned: list[Watchlist] = []
        self.handles: list[Watchlist] = []
        self.pictures = self.steps = 0
        self.people: dict[str, Person] = {}
        self.ended: set[str] = set()
        self.erased: set[str] = set()
        self.refs: dict[str, set[str]] = {}
        self.ended_refs: dict[str, dict[str, datetime]] = {}
        self.certificates: list[Mapping[str, Any]] = []
        self.stops: dict[int, Stop] = {}
        self.open_zones: set[tuple[str, str]] = set()
        self.backups: list[tuple[Path, dict[str, Person]]] = []
        self.restored = False
        wide = self.base_policy()
        narrow = {**wide, "purposes": {"allowed": [PURPOSES[0]]}}
        self.policies = {True: Policy.from_dict(wide), False: Policy.from_dict(narrow)}
        self.ruling: list[tuple[datetime, bool]] = [(self.clock.now, True)]

    def teardown(self) -> None:
        for certificate in self.certificates:
            assert self.handles[0].verify_erasure(certificate).findings == ()
        for handle in (*self.handles, *self.abandoned):
            handle.close()
        self.folder.cleanup()

    def _open(self, actor: str) -> Watchlist:
        index = ApproximateIndex if actor == "ana" else ExactIndex
        policy = None if self.handles else self.policies[True]
        return Watchlist.open(
            f"sqlite:///{self.path}",
            actor=actor,
            analyzer=FakeAnalyzer(),
            clock=self.clock,
            index=index,
            policy=policy,
        )

    def _crash(self) -> None:
        """Drop both handles without closing them, and open the watchlist again."""
        self.abandoned += self.handles
        self.handles = [self._open(actor) for actor in ACTORS]

    @initialize()
    def somebody_is_enrolled(self) -> None:
        first = self._open("ana")
        first.actors.grant("bob", "owner")
        self.handles = [first]
        self.handles.append(self._open("bob"))
        self.enroll("ada-of-the-north", 0, {PURPOSES[0]}, None, 30, 0)
        self.open_zone(("north", "door"), 0)
        if self.dual:
            self.approve(0, 1)

    def _picture(self, person: int) -> Image:
        self.pictures += 1
        return synthetic_picture([SyntheticFace(person, self.pictures)])

    def _wide(self) -> bool:
        begun = [wide for start, wide in self.ruling if start <= self.clock.now]
        return begun[-1] if begun else self.ruling[0][1]  # of those that have begun, the one set last

    def _refuses(self, wanted: frozenset[str]) -> bool:
        return not self._wide() and not wanted <= {PURPOSES[0]}

    def _pending(self) -> list[tuple[Person, Record, Batch]]:
        found = [
            (person, record, batch)
            for person in self.people.values()
            for record in person.records
            for batch in record.batches
            if batch.pending
        ]
        return sorted(found, key=lambda item: item[2].number)

    # --- enrollment

    def _consent(self, subject: str, wanted: set[str], place: tuple[str, str | None] | None, days: int) -> Consent:
        made = synthetic_consent(
            subject,
            purposes=sorted(wanted),
            sites=[] if place is None else [place[0]],
            now=self.clock.now,
            valid_for=timedelta(days=days),
        )
        zones = [place[1]] if place is not None and place[1] is not None else []
        return Consent.from_dict({**made.to_dict(), "schema_version": 2, "zones": zones, **self.particulars})

    def _batch(self, number: int | None, person: int, actor: str) -> Batch:
        assert number is not None
        return Batch(number, person, actor, self.clock.now, self.dual)

    @rule(
        subject=subjects,
        person=people,
        wanted=st.sets(purposes, min_size=1),
        place=st.none() | st.sampled_from([place for place in PLACES if place[0] is not None]),
        days=st.integers(1, 60),
        handle=handles,
    )
    def enroll(self, subject: str, person: int, wanted: set[str], place: Any, days: int, handle: int) -> None:
        consent, watchlist = self._consent(subject, wanted, place, days), self.handles[handle]
        known = self.people.get(subject)
        if known is not None and known.contested:
            with pytest.raises(ReferenceRestricted):
                watchlist.enroll(subject, self._picture(person), consent=consent)
            return
        if known is not None and known.ended_after(self.clock.now):
            with pytest.raises(ConsentRequired, match="given before the subject's consent ended"):
                watchlist.enroll(subject, self._picture(person), consent=consent)
            return
        if self._refuses(frozenset(wanted)):
            with pytest.raises(PolicyRefused, match="purpose"):
                watchlist.enroll(subject, self._picture(person), consent=consent)
            return
        if known is not None and self.clock.now <= self._ended_since(known.ref):
            return  # what a backup without the end would hold of that time ends again with the next opening
        result = watchlist.enroll(subject, self._picture(person), consent=consent)
        assert result.state == ("pending" if self.dual else "active")
        if known is None:
            known = self.people[subject] = Person(self._ref(subject))
            self.refs.setdefault(subject, set()).add(known.ref)
        record = Record(
            consent.record_id,
            frozenset(wanted),
            frozenset(consent.sites),
            frozenset(consent.zones),
            self.clock.now,
            self.clock.now + timedelta(days=days),
        )
        record.batches.append(self._batch(result.enrollment_id, person, ACTORS[handle]))
        known.records.append(record)

    def _ended_since(self, ref: str) -> datetime:
        """The latest end that was noted for a reference while only backups held it."""
        return max(self.ended_refs.get(ref, {}).values(), default=datetime.min.replace(tzinfo=UTC))

    def _former(self, subject: str) -> set[str]:
        """References that the subject had in databases that backups may still bring back."""
        present = {person.ref for person in self.people.values()}
        return self.refs.get(subject, set()) - present - self.erased

    def _ref(self, subject: str) -> str:
        core = self.handles[0]._session.resources
        with core.database.read() as connection:
            return core.require_subject(connection, subject).subject_ref

    @rule(subject=subjects, person=people, handle=handles)
    def enroll_more(self, subject: str, person: int, handle: int) -> None:
        watchlist, known = self.handles[handle], self.people.get(subject)
        standing = [] if known is None else [r for r in known.records if r.in_force(self.clock.now)]
        expected: type[FacematchError] | None = None
        if known is not None and known.contested:
            expected = ReferenceRestricted
        elif not standing:
            expected = ConsentRequired
        elif self._refuses(standing[-1].purposes):
            expected = PolicyRefused
        if expected is not None:
            with pytest.raises(expected):
                watchlist.enroll(subject, self._picture(person))
            return
        result = watchlist.enroll(subject, self._picture(person))
        standing[-1].batches.append(self._batch(result.enrollment_id, person, ACTORS[handle]))

    @precondition(lambda self: self._pending())
    @rule(which=st.integers(0, 5), handle=handles)
    def approve(self, which: int, handle: int) -> None:
        waiting = self._pending()
        _, record, batch = waiting[which % len(waiting)]
        expected: type[FacematchError] | None = None
        if batch.actor == ACTORS[handle]:
            expected = SeparationOfDuties
        elif not record.in_force(self.clock.now):
            expected = ConsentRequired
        elif self._refuses(record.purposes):
            expected = PolicyRefused
        if expected is not None:
            with pytest.raises(expected):
                self.handles[handle].approvals.approve(batch.number)
            return
        self.handles[handle].approvals.approve(batch.number)
        batch.pending = False

    @precondition(lambda self: self._pending())
    @rule(which=st.integers(0, 5), handle=handles)
    def reject(self, which: int, handle: int) -> None:
        waiting = self._pending()
        _, record, batch = waiting[which % len(waiting)]
        assert self.handles[handle].approvals.reject(batch.number, reason="not needed").templates == 1
        record.batches.remove(batch)

    # --- consents and time

    @rule(subject=subjects, days=st.integers(1, 60), handle=handles)
    def renew(self, subject: str, days: int, handle: int) -> None:
        evidence = Path(self.folder.name) / f"evidence-{self.steps}"
        evidence.write_text(f"signed {self.steps}")
        known, now = self.people.get(subject), self.clock.now
        if known is None:
            with pytest.raises(SubjectNotFound):
                self.handles[handle].consents.renew(subject, valid_for=timedelta(days=days), evidence=evidence)
            return
        record = known.records[-1]
        expected: type[FacematchError] | None = None
        if not record.in_force(now):
            expected = ConsentTransitionError
        elif self._refuses(record.purposes):
            expected = PolicyRefused
        if expected is not None:
            with pytest.raises(expected):
                self.handles[handle].consents.renew(subject, valid_for=timedelta(days=days), evidence=evidence)
            return
        result = self.handles[handle].consents.renew(subject, valid_for=timedelta(days=days), evidence=evidence)
        record.end = now + timedelta(days=days)
        assert result.valid_until == record.end

    @rule(subject=subjects, verb=st.sampled_from(["withdraw", "revoke", "invalidate"]), handle=handles)
    def end(self, subject: str, verb: str, handle: int) -> None:
        known = self.people.get(subject)
        if known is None or not any(record.is_open for record in known.records):
            with pytest.raises(SubjectNotFound if known is None else ConsentTransitionError):
                end_all(self.handles[handle], verb, subject)
            return
        end_all(self.handles[handle], verb, subject)
        self._ended(subject, verb)

    def _ended(self, subject: str, verb: str) -> None:
        for record in self.people[subject].records:
            if record.is_open:
                record.is_open, record.ended, record.ended_by_somebody = False, self.clock.now, True
                self.ended.add(record.record_id)
        for ref in self._former(subject):
            self.ended_refs.setdefault(ref, {}).setdefault(verb, self.clock.now)

    @rule(subject=subjects, handle=handles)
    def erase(self, subject: str, handle: int) -> None:
        if subject not in self.people:
            former = self._former(subject)
            if not former:
                with pytest.raises(SubjectNotFound):
                    self.handles[handle].erase(subject, reason="asked")
                return
            receipt = self.handles[handle].erase(subject, reason="asked")  # only a backup may still hold them
            assert receipt.templates_erased == 0
            assert receipt.certificate["subject_ref"] in former
            self.erased |= former
            self.certificates.append(receipt.certificate)
            return
        self._erased(subject, self.handles[handle].erase(subject, reason="asked").certificate)

    def _erased(self, subject: str, certificate: Mapping[str, Any] | None) -> None:
        known = self.people.pop(subject)
        self.erased |= {known.ref, *self._former(subject)}
        if certificate is not None:
            assert certificate["subject_ref"] == known.ref
            assert certificate["self_search"]["templates_found"] == 0
            self.certificates.append(certificate)

    @rule(hours=st.integers(-20 * 24, 40 * 24))
    def move_the_clock(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))

    @precondition(lambda self: self.people)
    @rule(data=st.data(), microseconds=st.sampled_from([-1, 0, 1]))
    def move_the_clock_to_a_border(self, data: st.DataObject, microseconds: int) -> None:
        records = [record for person in self.people.values() for record in person.records]
        borders = sorted({moment for record in records for moment in (record.start, record.end)})
        self.clock.now = data.draw(st.sampled_from(borders)) + timedelta(microseconds=microseconds)

    @rule(handle=handles, dry=st.booleans())
    def sweep(self, handle: int, dry: bool) -> None:
        now = self.clock.now
        late = {name for name, person in self.people.items() if any(r.late(now) for r in person.records)}
        overdue = set()
        for name, person in self.people.items():
            ends = [record.ended_at(now) for record in person.records]
            over = [end for end in ends if end is not None]
            if len(over) == len(ends) and now >= max(over) + timedelta(days=self.erase_days):
                overdue.add(name)
        stale = [
            (record, batch)
            for _, record, batch in self._pending()
            if now >= batch.made + timedelta(days=self.pending_days)
        ]
        result = self.handles[handle].apply_retention(dry_run=dry)
        assert set(result.expired) == late
        assert set(result.erased) == overdue
        assert list(result.rejected) == [batch.number for _, batch in stale]
        if dry:
            return
        for name in late:
            for record in self.people[name].records:
                if record.late(now):
                    record.is_open, record.ended = False, record.end
        for record, batch in stale:
            record.batches.remove(batch)
        for certificate in result.certificates:
            self._erased(certificate["subject_id"], certificate)

    # --- complaints, places, policies

    @rule(subject=subjects, handle=handles)
    def complain(self, subject: str, handle: int) -> None:
        known = self.people.get(subject)
        if known is None:
            with pytest.raises(SubjectNotFound):
                self.handles[handle].rights.open_complaint(subject, ground="it is not me")
            return
        known.complaints[self.handles[handle].rights.open_complaint(subject, ground="it is not me").complaint_id] = (
            "open"
        )

    @precondition(lambda self: any("open" in p.complaints.values() for p in self.people.values()))
    @rule(which=st.integers(0, 5), upheld=st.booleans(), handle=handles)
    def decide(self, which: int, upheld: bool, handle: int) -> None:
        waiting = sorted(
            (number, name)
            for name, person in self.people.items()
            for number, state in person.complaints.items()
            if state == "open"
        )
        number, name = waiting[which % len(waiting)]
        self.handles[handle].rights.decide_complaint(number, upheld=upheld)
        self.people[name].complaints[number] = "upheld" if upheld else "dismissed"

    @precondition(lambda self: len(self.stops) < 2)
    @rule(place=places, handle=handles)
    def suspend(self, place: tuple[str | None, str | None], handle: int) -> None:
        made = self.handles[handle].suspensions.add(reason="a fault", site=place[0], zone=place[1])
        self.stops[made.suspension_id] = Stop(*place)

    @precondition(lambda self: self.stops)
    @rule(which=st.integers(0, 5), handle=handles)
    def resume(self, which: int, handle: int) -> None:
        number = sorted(self.stops)[which % len(self.stops)]
        stop = self.stops[number]
        if ACTORS[handle] in stop.asked:
            with pytest.raises(SeparationOfDuties):
                self.handles[handle].suspensions.lift(number)
            return
        stop.asked.append(ACTORS[handle])
        assert self.handles[handle].suspensions.lift(number).lifted is (len(stop.asked) == 2)
        if len(stop.asked) == 2:
            del self.stops[number]

    @precondition(lambda self: self.stops)
    @rule(handle=handles)
    def resume_everything(self, handle: int) -> None:
        for number in sorted(self.stops):
            for turn in (handle, 1 - handle):
                if number in self.stops and ACTORS[turn] not in self.stops[number].asked:
                    self.resume(sorted(self.stops).index(number), turn)

    @rule(zone=st.sampled_from(ZONES), handle=handles)
    def open_zone(self, zone: tuple[str, str], handle: int) -> None:
        if zone in self.open_zones:
            self.handles[handle].zones.close(*zone)
            self.open_zones.remove(zone)
            return
        wanted = Zone(
            site=zone[0],
            zone=zone[1],
            capture_basis="legitimate-interest",
            notice_id="notice-7",
            assessment_ref="dpia-2026-7",
        )
        self.handles[handle].zones.open(wanted)
        self.open_zones.add(zone)

    @rule(wide=st.booleans(), handle=handles)
    def set_policy(self, wide: bool, handle: int) -> None:
        self.handles[handle].policies.set(self.policies[wide])
        self.ruling.append((self.clock.now, wide))

    # --- keeping

    @rule(handle=handles)
    def rotate_keys(self, handle: int) -> None:
        before = self.handles[handle].keys.status().provider_key
        assert self.handles[handle].keys.rotate().provider_key != before

    @rule(handle=handles)
    def renew_templates(self, handle: int) -> None:
        before = self.handles[handle].keys.status().rotation
        assert self.handles[handle].keys.renew_templates().rotation > before

    @precondition(lambda self: len(self.backups) < 3)
    @rule(handle=handles)
    def back_up(self, handle: int) -> None:
        path = Path(self.folder.name) / f"backup-{self.steps}"
        self.handles[handle].backup(path)
        self.backups.append((path, copy.deepcopy(self.people)))

    @precondition(lambda self: self.backups)
    @rule(which=st.integers(0, 5), handle=handles)
    def restore(self, which: int, handle: int) -> None:
        path, people_then = self.backups[which % len(self.backups)]
        self.handles[handle].restore(path)
        self._restored(people_then)

    def _restored(self, people_then: dict[str, Person]) -> None:
        complaints = {person.ref: person.complaints for person in self.people.values()}
        self.people = {n: p for n, p in copy.deepcopy(people_then).items() if p.ref not in self.erased}
        for person in self.people.values():
            person.complaints |= complaints.get(person.ref, {})
            for record in person.records:
                if record.is_open and (record.record_id in self.ended or record.start <= self._ended_since(person.ref)):
                    record.is_open, record.ended, record.ended_by_somebody = False, self._ending_of(record), True
                    self.ended.add(record.record_id)
        new = {stop.suspension_id for stop in self.handles[0].suspensions.list()} - set(self.stops)
        assert len(new) == 1
        self.stops[new.pop()] = Stop(None, None)
        self.restored = True

    def _ending_of(self, record: Record) -> datetime:
        core = self.handles[0]._session.resources
        with core.database.read() as connection:
            found = core.consents.by_record_id(connection, record.record_id)
            assert found is not None
            subject = core.subjects.subject_by_key(connection, found[1])
            stored = core.consents.of(connection, subject)
        return next(s.consent.events[-1].time for s in stored if s.consent.record_id == record.record_id)

    # --- crashes

    @rule()
    def drop_the_handles(self) -> None:
        self._crash()

    @contextmanager
    def _cut(self, owner: object, name: str, when: str) -> Iterator[None]:
        """Fail where a method is called: before it, or when it is done."""
        real: Callable[..., Any] = getattr(owner, name)

        def cut(*args: Any, **options: Any) -> Any:
            if when == "after":
                real(*args, **options)
            raise Cut

        setattr(owner, name, cut)  # on the object alone, which is dropped afterwards
        with pytest.raises(Cut):
            yield
        self._crash()

    def _seam(self, handle: int, step: str) -> tuple[object, str, str]:
        core = self.handles[handle]._session.resources
        owner, name, when = step.split()
        return (
            {"vault": core.vault, "database": core.database, "subjects": core.subjects, "cipher": core.cipher}[owner],
            name,
            when,
        )

    @rule(
        subject=subjects,
        handle=handles,
        step=st.sampled_from(
            [
                ("vault record_tombstones before", False),  # nothing is noted, nothing is committed
                ("subjects begin_generation after", False),
                ("vault record_tombstones after", True),  # noted and not committed: the next opening carries it out
                ("vault note_generation before", True),  # committed
                ("vault note_generation after", True),
            ]
        ),
        verb=st.sampled_from(["withdraw", "revoke", "invalidate", "erase"]),
    )
    def an_ending_is_cut_off(self, subject: str, handle: int, step: tuple[str, bool], verb: str) -> None:
        known = self.people.get(subject)
        if known is None or (verb != "erase" and not any(record.is_open for record in known.records)):
            return
        with self._cut(*self._seam(handle, step[0])):
            end_all(self.handles[handle], verb, subject)
        if step[1] and verb == "erase":
            self._erased(subject, None)
        elif step[1]:
            self._ended(subject, verb)

    @rule(
        subject=subjects,
        handle=handles,
        step=st.sampled_from(
            ["cipher destroy_subject before", "cipher destroy_subject after", "database scrub before"]
        ),
    )
    def an_erasure_is_cut_off_after_its_commit(self, subject: str, handle: int, step: str) -> None:
        if subject in self.people:
            with self._cut(*self._seam(handle, step)):
                self.handles[handle].erase(subject, reason="asked")
            self._erased(subject, None)

    @rule(
        subject=subjects,
        person=people,
        handle=handles,
        step=st.sampled_from(
            ["cipher new_subject after", "subjects add_template before", "subjects begin_generation after"]
        ),
        clean=st.booleans(),
    )
    def an_enrollment_is_cut_off(self, subject: str, person: int, handle: int, step: str, clean: bool) -> None:
        known = self.people.get(subject)
        if self._refuses(frozenset({PURPOSES[0]})):
            return
        if known is not None and (known.contested or known.ended_after(self.clock.now)):
            return
        if known is not None and step.startswith("cipher"):
            return  # no key is made
        consent, core = self._consent(subject, {PURPOSES[0]}, None, 9), self.handles[handle]._session.resources
        if not clean:  # the key that was made is left behind as well

            def gone(_: str) -> bool:
                raise Cut

            setattr(core.cipher, "destroy_subject", gone)  # noqa: B010
        with self._cut(*self._seam(handle, step)):
            self.handles[handle].enroll(subject, self._picture(person), consent=consent)

    @rule(handle=handles, step=st.sampled_from(["vault rotate before", "vault rotate after"]))
    def a_rotation_is_cut_off(self, handle: int, step: str) -> None:
        with self._cut(*self._seam(handle, step)):
            self.handles[handle].keys.rotate()

    @rule(
        handle=handles,
        step=st.sampled_from(
            ["vault make_key after", "subjects renew_templates after", "subjects mark_unscrubbed after"]
        ),
    )
    def a_renewal_of_templates_is_cut_off(self, handle: int, step: str) -> None:
        with self._cut(*self._seam(handle, step)):
            self.handles[handle].keys.renew_templates()

    @precondition(lambda self: self.backups)
    @rule(
        handle=handles,
        which=st.integers(0, 5),
        step=st.sampled_from(
            [
                ("subjects references before", False),
                ("subjects mark_unscrubbed after", False),
                ("vault note_generation after", True),
            ]
        ),
    )
    def a_restore_is_cut_off(self, handle: int, which: int, step: tuple[str, bool]) -> None:
        path, people_then = self.backups[which % len(self.backups)]
        with self._cut(*self._seam(handle, step[0])):
            self.handles[handle].restore(path)
        if step[1]:
            self._restored(people_then)

    # --- what must hold

    def _expected(self, person: int, purpose: str, site: str | None, zone: str | None) -> set[str]:
        now = self.clock.now
        return {
            name
            for name, known in self.people.items()
            if not known.contested
            and any(
                record.covers(purpose, site, zone, now)
                and any(batch.person == person and not batch.pending for batch in record.batches)
                for record in known.records
            )
        }

    @rule(person=people, purpose=purposes, place=places, handle=handles)
    def identify(self, person: int, purpose: str, place: tuple[str | None, str | None], handle: int) -> None:
        site, zone = place
        expected: type[FacematchError] | None = None
        if any(stop.concerns(site, zone) for stop in self.stops.values()):
            expected = Suspended
        elif zone is not None and (site, zone) not in self.open_zones:
            expected = ZoneClosed
        elif (self.zones_required and zone is None) or self._refuses(frozenset({purpose})):
            expected = PolicyRefused
        picture, watchlist = self._picture(person), self.handles[handle]
        if expected is not None:
            with pytest.raises(expected):
                watchlist.identify(picture, purpose=purpose, site=site, zone=zone)
            return
        result = watchlist.identify(picture, purpose=purpose, site=site, zone=zone)
        assert {candidate.subject_id for candidate in result.candidates} == self._expected(person, purpose, site, zone)

    @invariant()
    def a_search_finds_who_may_be_found_and_nobody_else(self) -> None:
        """One search after each step, at another place each time, so that all are tried."""
        if not self.handles:
            return
        self.steps += 1
        turn = self.steps
        self.identify(turn % 3, PURPOSES[turn // 3 % 2], PLACES[turn // 6 % 6], turn % 2)

    @invariant()
    def there_is_a_key_for_every_subject_and_for_nobody_who_was_erased(self) -> None:
        if not self.handles:
            return
        keys = set(self.handles[0]._session.resources.cipher.subject_refs())
        there = {person.ref for person in self.people.values()}
        assert there <= keys
        assert not keys & self.erased
        assert self.restored or keys == there

    @invariant()
    def the_log_is_what_was_written(self) -> None:
        if self.handles and self.steps % 5 == 0:
            assert self.handles[self.steps % 2].audit.verify().findings == ()


class RetailMachine(GovernanceMachine):
    """The same under the strict profile: two people, incidents, open zones only."""

    particulars: ClassVar[dict[str, Any]] = {
        "category": "barred-after-theft",
        "incident_id": "inc-7",
        "source": "live-capture",
    }
    dual = True
    zones_required = True
    erase_days = 0
    pending_days = 7

    def base_policy(self) -> dict[str, Any]:
        # the models of this test measure no quality and no FPIR, and it has two people for everything
        return {
            **Policy.profile("retail-watchlist").to_dict(),
            "separate_roles": {"pairs": []},
            "quality": {"gate": "where-measured", "overrides": True},
            "target_fpir": {"maximum": 0.01, "required": False},
            "report_age": {"required": False, "max_days": 365},
        }


def _run(machine: type[GovernanceMachine], examples: int, steps: int) -> None:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    # shrinking takes minutes where every step writes to disk: a failure is told as it was found
    phases = [Phase.explicit, Phase.reuse, Phase.generate, Phase.target]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=scaled(examples),
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=slow,
            phases=phases,
        ),
    )


def test_the_steps_that_are_cut_off_are_there() -> None:
    owners = {"vault": KeyVault, "database": Database, "subjects": SubjectTable, "cipher": SubjectCipher}
    steps = set(re.findall(r'"(\w+) (\w+) (?:before|after)"', Path(__file__).read_text("utf-8")))
    assert len(steps) > 10
    assert [(owner, name) for owner, name in steps if not hasattr(owners[owner], name)] == []


def test_any_sequence_keeps_what_the_open_profile_promises() -> None:
    _run(GovernanceMachine, 8, 40)


def test_any_sequence_keeps_what_the_strict_profile_promises() -> None:
    _run(RetailMachine, 6, 40)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("machine", [GovernanceMachine, RetailMachine])
def test_long_sequences_keep_what_a_profile_promises(machine: type[GovernanceMachine]) -> None:
    _run(machine, 150, 60)
