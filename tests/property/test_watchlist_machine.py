"""Random sequences of everything a watchlist can do, on two handles of one file, against a model in plain Python.

The model knows who may be found: an open consent record that has begun and not ended, names the purpose, covers the
site, and has a template of the person who is searched. The watchlist must return exactly these subjects, each time.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from facematch.errors import ConsentRequired, ConsentTransitionError, SubjectNotFound
from facematch.testing import FakeAnalyzer, ManualClock, SyntheticFace, synthetic_consent, synthetic_picture
from facematch.types import Image
from facematch.watchlist import Watchlist
from tests.examples import scaled

SUBJECTS = ("ada", "ben", "cleo", "dan")
PEOPLE = (0, 1, 2)
PURPOSES = ("access", "events", "parking")
SITES = ("north", "south")

subjects = st.sampled_from(SUBJECTS)
people = st.sampled_from(PEOPLE)
purposes = st.sampled_from(PURPOSES)
sites = st.none() | st.sampled_from(SITES)
handles = st.integers(0, 1)


@dataclass
class Record:
    """A consent record as the model sees it."""

    purposes: frozenset[str]
    sites: frozenset[str]
    start: datetime
    end: datetime
    is_open: bool = True
    ended: datetime | None = None
    people: set[int] = field(default_factory=set)

    def in_force(self, now: datetime) -> bool:
        return self.is_open and self.start <= now < self.end

    def covers(self, purpose: str, site: str | None, now: datetime) -> bool:
        return self.in_force(now) and purpose in self.purposes and (not self.sites or site in self.sites)


class WatchlistMachine(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.handles = [self._open("auto"), self._open("exact")]
        self.model: dict[str, list[Record]] = {}
        self.pictures = 0
        self.calls = 1  # the watchlist begins its log
        self.generation = 0

    def _open(self, index: str) -> Watchlist:
        url = f"sqlite:///{Path(self.folder.name) / 'a.db'}"
        return Watchlist.open(url, actor="ana", analyzer=FakeAnalyzer(), clock=self.clock, index=index)

    def _picture(self, person: int) -> Image:
        self.pictures += 1
        return synthetic_picture([SyntheticFace(person, self.pictures)])

    def _changed(self, generation: int) -> None:
        self.generation += 1
        assert generation == self.generation

    def teardown(self) -> None:
        for handle in self.handles:
            handle.close()
        self.folder.cleanup()

    @initialize()
    def somebody_is_enrolled(self) -> None:
        self.enroll("ada", 0, {"access"}, set(), 30, 0)

    @rule(
        subject=subjects,
        person=people,
        wanted=st.sets(purposes, min_size=1),
        places=st.sets(st.sampled_from(SITES)),
        days=st.integers(1, 60),
        handle=handles,
    )
    def enroll(self, subject: str, person: int, wanted: set[str], places: set[str], days: int, handle: int) -> None:
        consent = synthetic_consent(
            subject,
            purposes=sorted(wanted),
            sites=sorted(places),
            now=self.clock.now,
            valid_for=timedelta(days=days),
        )
        self.calls += 1
        if any(record.ended is not None and self.clock.now < record.ended for record in self.model.get(subject, [])):
            with pytest.raises(ConsentRequired):  # the clock has gone back to before the consent was withdrawn
                self.handles[handle].enroll(subject, self._picture(person), consent=consent)
            return
        result = self.handles[handle].enroll(subject, self._picture(person), consent=consent)
        self._changed(result.generation)
        end = self.clock.now + timedelta(days=days)
        record = Record(frozenset(wanted), frozenset(places), self.clock.now, end, people={person})
        self.model.setdefault(subject, []).append(record)

    @rule(subject=subjects, person=people, handle=handles)
    def enroll_more(self, subject: str, person: int, handle: int) -> None:
        self.calls += 1
        standing = [r for r in self.model.get(subject, []) if r.in_force(self.clock.now)]
        if not standing:
            with pytest.raises(ConsentRequired):
                self.handles[handle].enroll(subject, self._picture(person))
            return
        result = self.handles[handle].enroll(subject, self._picture(person))
        self._changed(result.generation)
        standing[-1].people.add(person)

    @rule(subject=subjects, handle=handles)
    def withdraw(self, subject: str, handle: int) -> None:
        self.calls += 1
        records = self.model.get(subject)
        if records is None or not any(record.is_open for record in records):
            expected = SubjectNotFound if records is None else ConsentTransitionError
            with pytest.raises(expected):
                self.handles[handle].withdraw(subject, reason="left")
            return
        self._changed(self.handles[handle].withdraw(subject, reason="left").generation)
        for record in records:
            if record.is_open:
                record.is_open, record.ended = False, self.clock.now

    @rule(subject=subjects, handle=handles)
    def erase(self, subject: str, handle: int) -> None:
        self.calls += 1
        if subject not in self.model:
            with pytest.raises(SubjectNotFound):
                self.handles[handle].erase(subject, reason="asked")
            return
        self._changed(self.handles[handle].erase(subject, reason="asked").generation)
        del self.model[subject]

    @rule(hours=st.integers(-40 * 24, 40 * 24))
    def move_the_clock(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))

    @precondition(lambda self: self.model)
    @rule(data=st.data(), microseconds=st.sampled_from([-1, 0, 1]))
    def move_the_clock_to_a_border(self, data: st.DataObject, microseconds: int) -> None:
        borders = sorted({moment for records in self.model.values() for r in records for moment in (r.start, r.end)})
        self.clock.now = data.draw(st.sampled_from(borders)) + timedelta(microseconds=microseconds)

    @rule(handle=handles, index=st.sampled_from(["auto", "exact"]))
    def reopen(self, handle: int, index: str) -> None:
        self.handles[handle].close()
        self.handles[handle] = self._open(index)

    @rule(person=people, purpose=purposes, site=sites, handle=handles)
    def identify(self, person: int, purpose: str, site: str | None, handle: int) -> None:
        self.calls += 1
        now = self.clock.now
        expected, reachable = set(), set()
        for subject, records in self.model.items():
            covering = [record for record in records if record.covers(purpose, site, now)]
            if covering:
                reachable.add(subject)
            if any(person in record.people for record in covering):
                expected.add(subject)
        result = self.handles[handle].identify(self._picture(person), purpose=purpose, site=site)
        assert {candidate.subject_id for candidate in result.candidates} == expected
        assert result.gallery_size == len(reachable)
        assert result.generation == self.generation

    @rule(subject=subjects, person=people, purpose=purposes, site=sites, handle=handles)
    def verify(self, subject: str, person: int, purpose: str, site: str | None, handle: int) -> None:
        self.calls += 1
        records = self.model.get(subject)
        covering = [r for r in records or () if r.covers(purpose, site, self.clock.now)]
        if not covering:
            with pytest.raises(SubjectNotFound if records is None else ConsentRequired):
                self.handles[handle].verify(subject, self._picture(person), purpose=purpose, site=site)
            return
        result = self.handles[handle].verify(subject, self._picture(person), purpose=purpose, site=site)
        assert result.matched is any(person in record.people for record in covering)

    @rule(handle=handles)
    def list_subjects(self, handle: int) -> None:
        self.calls += 1
        now = self.clock.now
        active = {name for name, records in self.model.items() if any(r.in_force(now) for r in records)}
        listed = self.handles[handle].subjects.list()
        assert [record.subject_id for record in listed] == sorted(self.model)
        assert {record.subject_id for record in listed if record.state == "active"} == active

    @invariant()
    def every_call_was_audited(self) -> None:
        assert len(self.handles[0].audit) == self.calls


TestWatchlistMachine = WatchlistMachine.TestCase
TestWatchlistMachine.settings = settings(max_examples=scaled(30), stateful_step_count=40, deadline=None)
