"""Parts of the verifier that are awkward to reach through an export."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from facematch.governance.audit.verifier import (
    EMPTY_ROOT,
    Finding,
    LogCheck,
    leaf_hash,
    listed,
    out_of_order,
    places,
    root_of,
    span,
)


@given(st.sets(st.integers(0, 60)))
def test_ranges_name_every_number_once(numbers: set[int]) -> None:
    named: list[int] = []
    for place in places(sorted(numbers), "entry"):
        first, _, last = place.removeprefix("entry ").partition(" to ")
        named += range(int(first), int(last or first) + 1)
    assert named == sorted(numbers)


def test_a_span_is_one_place() -> None:
    assert [span("entry", 1, 0), span("entry", 3, 3), span("entry", 3, 10**15)] == [
        [],
        ["entry 3"],
        [f"entry 3 to {10**15}"],
    ]


@given(st.permutations(range(7)))
def test_the_fewest_numbers_are_called_out_of_order(numbers: list[int]) -> None:
    out = out_of_order(numbers)
    rest = [number for number in numbers if number not in out]
    assert rest == sorted(rest)
    longest = max(
        len(part)
        for length in range(1, 8)
        for part in itertools.combinations(numbers, length)
        if list(part) == sorted(part)
    )
    assert len(rest) == longest


def test_few_findings_are_all_listed() -> None:
    findings = [Finding(f"entry {number}", "is missing") for number in range(201)]
    assert listed(findings[:200]) == tuple(findings[:200])
    assert [str(finding) for finding in listed(findings)[200:]] == ["log: 1 more findings are not listed"]


def test_an_empty_log_has_the_empty_root() -> None:
    check = LogCheck([(0, EMPTY_ROOT)])
    assert (check.finish(), check.root(), check.root_at(0)) == ([], EMPTY_ROOT, EMPTY_ROOT)


def test_the_newest_signed_statement_decides_whether_the_entry_or_its_leaf_is_right() -> None:
    entries = [b"a", b"b", b"c"]
    leaves = [leaf_hash(entry) for entry in entries]
    for given_entries, given_leaves, expected in (
        ([b"a", b"x", b"c"], leaves, "entry 2: is not what was written"),
        (entries, [leaves[0], leaf_hash(b"x"), leaves[2]], "node 0/1: is not the leaf hash of entry 2"),
    ):
        check = LogCheck([(3, root_of(leaves))])
        for entry, leaf in zip(given_entries, given_leaves, strict=True):
            check.add(entry, leaf)
        assert [str(finding) for finding in check.finish()] == [expected]
        assert check.root() == root_of(leaves)


def test_without_a_signed_statement_both_are_named() -> None:
    check = LogCheck([])
    check.add(b"a", leaf_hash(b"x"))
    assert [str(finding) for finding in check.finish()] == ["entry 1: does not fit its leaf hash"]
    assert not check.decided


def test_notes_that_are_no_json_say_nothing() -> None:
    for entry in (b'{"action":"prune_audit"', b'{"action":"prune_audit","details":1}', b'{"action":"checkpoint"}'):
        check = LogCheck([])
        check.add(entry, leaf_hash(entry))
        assert (check.finish(), check.noted) == ([], {})


def test_a_sequence_that_rises_has_nothing_out_of_order() -> None:
    assert out_of_order(list(range(1000))) == []
    assert out_of_order([]) == []
