"""When a consent is in force, what it covers, and a subject's state; the gallery's columns say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.gallery.metadata import ConsentScope, GalleryMetadata
from facematch.gallery.snapshot import Snapshot
from facematch.governance import from_microseconds
from facematch.governance.consent.scope import covers, in_force, overlaps, subject_state

NAMES = ("a", "b", "c")
MOMENTS = st.integers(0, 6)


@dataclass(frozen=True)
class Record:
    """A consent record in short."""

    is_open: bool
    valid_from: int
    valid_until: int
    active_templates: int = 1
    purposes: frozenset[str] = frozenset("a")
    sites: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()


RECORDS = st.builds(
    Record,
    is_open=st.booleans(),
    valid_from=MOMENTS,
    valid_until=MOMENTS,
    active_templates=st.integers(0, 2),
    purposes=st.frozensets(st.sampled_from(NAMES), min_size=1),
    sites=st.frozensets(st.sampled_from(NAMES)),
    zones=st.frozensets(st.sampled_from(NAMES)),
)
PLACES = st.one_of(st.none(), st.sampled_from(NAMES))


def gallery(subjects: Sequence[Sequence[Record]]) -> Snapshot:
    """A snapshot with these records, in one row a subject, and one template for each active one."""
    records = [(number, record) for number, held in enumerate(subjects) for record in held]
    templates = [(number, key) for key, (number, record) in enumerate(records) for _ in range(record.active_templates)]
    columns = GalleryMetadata(
        subject_keys=np.arange(len(subjects), dtype=np.int64),
        subject_ids=np.asarray([f"s{n}" for n in range(len(subjects))], dtype=object),
        subject_refs=np.asarray([f"ref-{n}" for n in range(len(subjects))], dtype=object),
        consent_keys=np.arange(len(records), dtype=np.int64),
        consent_subject=np.asarray([number for number, _ in records], dtype=np.int64),
        consent_scopes=np.arange(len(records), dtype=np.int64),
        valid_from=np.asarray([record.valid_from for _, record in records], dtype=np.int64),
        valid_until=np.asarray([record.valid_until for _, record in records], dtype=np.int64),
        is_open=np.asarray([record.is_open for _, record in records], dtype=bool),
        template_ids=np.arange(len(templates), dtype=np.int64),
        template_subject=np.asarray([number for number, _ in templates], dtype=np.int64),
        template_consent=np.asarray([key for _, key in templates], dtype=np.int64),
        scopes=tuple(ConsentScope(record.purposes, record.sites, record.zones) for _, record in records),
    )
    nothing = cast("Any", None)
    return Snapshot(1, None, nothing, None, None, 1, None, columns, None, None)


@given(st.lists(st.lists(RECORDS, min_size=1, max_size=3), max_size=4), st.sampled_from(NAMES), PLACES, PLACES, MOMENTS)
def test_the_gallery_reaches_exactly_what_the_rules_say(
    subjects: list[list[Record]], purpose: str, site: str | None, zone: str | None, moment: int
) -> None:
    snapshot = gallery(subjects)
    scope = snapshot.scope(purpose, site, from_microseconds(moment), zone=zone)
    reached = [
        (number, record)
        for number, held in enumerate(subjects)
        for record in held
        for _ in range(record.active_templates)
    ]
    expected = [
        in_force(is_open=record.is_open, valid_from=record.valid_from, valid_until=record.valid_until, moment=moment)
        and covers(record.purposes, record.sites, record.zones, purpose=purpose, site=site, zone=zone)
        for _, record in reached
    ]
    assert scope.templates.ids.tolist() == np.flatnonzero(expected).tolist()
    assert scope.subjects == len({number for (number, _), inside in zip(reached, expected, strict=True) if inside})
    assert scope.holds_at(moment)


@given(st.lists(RECORDS, min_size=1, max_size=4), MOMENTS)
def test_a_subject_is_active_exactly_when_some_search_can_return_it(records: list[Record], moment: int) -> None:
    active = subject_state(records, moment, restricted=False) == "active"
    assert active == (gallery([records]).in_force(from_microseconds(moment)) == 1)
    assert subject_state(records, moment, restricted=True) == "restricted"


@given(RECORDS, RECORDS)
def test_scopes_overlap_exactly_when_one_search_is_covered_by_both(one: Record, other: Record) -> None:
    searches = [(purpose, site) for purpose in NAMES for site in (*NAMES, None)]
    both = any(
        all(covers(r.purposes, r.sites, (), purpose=purpose, site=site, zone=None) for r in (one, other))
        for purpose, site in searches
    )
    assert overlaps(one.purposes, one.sites, other.purposes, other.sites) == both


@pytest.mark.parametrize(
    ("records", "state"),
    [
        ([Record(True, 0, 9)], "active"),
        ([Record(True, 0, 9, active_templates=0)], "pending"),
        ([Record(True, 5, 9)], "pending"),
        ([Record(True, 0, 4)], "expired"),
        ([Record(False, 0, 9)], "withdrawn"),
        ([Record(False, 0, 0)], "requested"),
        ([Record(False, 0, 9), Record(True, 0, 9)], "active"),
        ([Record(True, 0, 3), Record(True, 6, 9)], "pending"),
    ],
)
def test_states_of_a_subject(records: list[Record], state: str) -> None:
    assert subject_state(records, 4, restricted=False) == state


def test_validity_begins_at_its_first_moment_and_ends_before_its_last() -> None:
    held = [in_force(is_open=True, valid_from=2, valid_until=4, moment=moment) for moment in range(6)]
    assert held == [False, False, True, True, False, False]
    assert not in_force(is_open=False, valid_from=2, valid_until=4, moment=3)
