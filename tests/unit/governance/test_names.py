from __future__ import annotations

import unicodedata

import pytest

from facematch.errors import InvalidArgument
from facematch.governance import check_purpose, check_site, check_subject_id
from facematch.governance.names import check_kebab, check_text, check_zone, same_name


@pytest.mark.parametrize("name", ["s", "s-0042", "a b", "Ünïcode", "x" * 128, "顔"])
def test_names_that_may_be_used(name: str) -> None:
    assert check_subject_id(name) == name
    assert check_site(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "x" * 129, " a", "a\n", "a\x00b", "a\tb", "\u200b", "a\u200bb", "\ud800", "a\u202eb", None, 3, b"a"],
)
def test_names_that_may_not_be_used(name: object) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_subject_id(name)
    assert caught.value.hint


def test_a_decomposed_name_is_refused_because_it_looks_like_the_composed_one() -> None:
    with pytest.raises(InvalidArgument, match="NFC"):
        check_subject_id(unicodedata.normalize("NFD", "é"))


def test_a_refused_subject_id_is_not_repeated_in_the_message() -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_subject_id("Jane Doe\n")
    assert "Jane" not in str(caught.value)


@pytest.mark.parametrize("purpose", ["site-access", "a", "a1-b2", "24h-access"])
def test_purposes_in_kebab_form(purpose: str) -> None:
    assert check_purpose(purpose) == purpose


@pytest.mark.parametrize("purpose", ["Site-Access", "site_access", "site access", "-a", "a-", "a--b", "é", ""])
def test_other_purposes_are_refused(purpose: str) -> None:
    with pytest.raises(InvalidArgument):
        check_purpose(purpose)


@pytest.mark.parametrize("text", ["", "  \n", "x" * 2001, "a\0b", "\ud800", None])
def test_reasons_that_say_nothing_or_cannot_be_stored_are_refused(text: object) -> None:
    with pytest.raises(InvalidArgument, match="reason"):
        check_text(text, "reason")


def test_a_reason_may_have_lines() -> None:
    assert check_text("left the company\non 1 May", "reason") == "left the company\non 1 May"
    assert len(check_text("x" * 2000, "reason")) == 2000


def test_zones_are_named_like_sites() -> None:
    assert check_zone("till 3") == "till 3"
    with pytest.raises(InvalidArgument, match="a zone has whitespace"):
        check_zone(" till")


def test_a_refused_kebab_name_says_what_it_names() -> None:
    assert check_kebab("legal-obligation", "a basis") == "legal-obligation"
    with pytest.raises(InvalidArgument, match="a basis is written in lower-case letters"):
        check_kebab("Legal", "a basis")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("ana", "ana", True),
        ("ana", "Ana", True),
        ("ana", "a n a", True),
        ("ana", "ａｎａ", True),  # noqa: RUF001 - full-width on purpose
        ("STRASSE", "straße", True),
        ("ana", "anna", False),
        ("ana", "bob", False),
    ],
)
def test_names_that_may_be_one_person(first: str, second: str, same: bool) -> None:
    assert same_name(first, second) is same
    assert same_name(second, first) is same
