from __future__ import annotations

import pytest

from facematch.errors import InvalidArgument
from facematch.governance.terms import (
    CAPTURE_BASES,
    LAWFUL_BASES,
    SOURCES,
    check_capture_basis,
    check_category,
    check_lawful_basis,
    check_source,
)

DENIED = [
    "ethnicity",
    "gender",
    "age",
    "religion",
    "nationality",
    "disability",
    "politics",
    "health",
    "sexuality",
    "race",
    "sex",
    "women",
    "children",
    "muslim",
    "immigrant",
    "union",
    "pregnant",
    "genetic",
    "skin",
    "homeless",
]


@pytest.mark.parametrize("basis", LAWFUL_BASES)
def test_lawful_bases_of_the_list(basis: str) -> None:
    assert check_lawful_basis(basis) == basis


@pytest.mark.parametrize("source", SOURCES)
def test_sources_of_the_list(source: str) -> None:
    assert check_source(source) == source


@pytest.mark.parametrize("basis", CAPTURE_BASES)
def test_capture_bases_of_the_list(basis: str) -> None:
    assert check_capture_basis(basis) == basis


@pytest.mark.parametrize("check", [check_lawful_basis, check_source, check_capture_basis])
@pytest.mark.parametrize("value", ["", "curiosity", "Explicit-Consent", "explicit consent", None, 3])
def test_anything_else_is_refused_with_a_hint(check: object, value: object) -> None:
    assert callable(check)
    with pytest.raises(InvalidArgument) as caught:
        check(value)
    assert caught.value.hint


def test_an_unknown_basis_names_the_known_ones() -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_lawful_basis("curiosity")
    assert caught.value.message == "lawful_basis 'curiosity' is unknown"
    assert caught.value.hint == f"one of: {', '.join(LAWFUL_BASES)}"


@pytest.mark.parametrize("source", ["scraped", "social-media", "internet", "web"])
def test_pictures_collected_from_the_web_are_refused_in_plain_words(source: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_source(source)
    assert "pictures collected from the web or social media are never enrolled" in caught.value.message
    assert "live-capture" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["staff", "barred-after-incident", "stage-crew", "agency-worker", "season-ticket"])
def test_categories_that_say_what_somebody_does(name: str) -> None:
    assert check_category(name) == name


@pytest.mark.parametrize("word", DENIED)
@pytest.mark.parametrize("form", ["{}", "{}-group", "barred-{}", "a-{}-b"])
def test_categories_that_sort_people_by_who_they_are_are_refused(word: str, form: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{word} would sort people by who they are") as caught:
        check_category(form.format(word))
    assert caught.value.hint


@pytest.mark.parametrize("name", ["", "Staff", "staff member", "gender_x", None])
def test_categories_are_kebab_names(name: object) -> None:
    with pytest.raises(InvalidArgument, match="category"):
        check_category(name)
