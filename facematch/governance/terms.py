"""Closed vocabularies of governance: lawful bases, sources of samples, capture bases; and words that name no category.

Lawful bases are named after GDPR Articles 6 and 9. A closed list is data, not advice: that a basis is on it does not
say that it holds.
"""

from __future__ import annotations

from typing import Final

from facematch.errors import InvalidArgument
from facematch.governance.names import check_kebab

__all__ = [
    "CAPTURE_BASES",
    "DEMOGRAPHIC_WORDS",
    "EXPLICIT_CONSENT",
    "LAWFUL_BASES",
    "SOURCES",
    "check_capture_basis",
    "check_category",
    "check_lawful_basis",
    "check_source",
]

EXPLICIT_CONSENT: Final = "explicit-consent"

LAWFUL_BASES: Final = (
    EXPLICIT_CONSENT,
    "legal-obligation",
    "legitimate-interest",
    "public-interest",
    "substantial-public-interest",
    "vital-interest",
)
"""On what an enrollment may stand. Anything but explicit consent needs evidence, an assessment, and a policy."""

CAPTURE_BASES: Final = ("consent", "legal-obligation", "legitimate-interest", "public-interest", "vital-interest")
"""On what a camera may take in passers-by, who gave no enrollment consent."""

SOURCES: Final = ("identity-document", "incident-footage", "live-capture", "staff-record", "subject-provided")
"""Sources of the pictures of an enrollment."""

_COLLECTED: Final = frozenset({"scraped", "internet", "social-media", "web"})

_DEMOGRAPHIC: Final = """
    age aged elderly senior seniors youth youths young old teen teens teenager teenagers child children minor minors
    juvenile juveniles boy boys girl girls infant infants
    gender genders sex sexes male males female females man men woman women nonbinary transgender trans intersex
    sexual sexuality orientation gay gays lesbian lesbians bisexual homosexual heterosexual queer lgbt lgbtq
    ethnic ethnicity ethnicities race races racial skin color color black blacks white whites asian asians african
    africans arab arabs hispanic hispanics latino latina latinos caucasian caucasians indigenous aboriginal roma gypsy
    gypsies
    national nationality nationalities citizenship foreign foreigner foreigners immigrant immigrants migrant migrants
    refugee refugees asylum
    religion religions religious faith belief beliefs muslim muslims islam islamic jew jews jewish christian christians
    hindu hindus buddhist buddhists sikh sikhs atheist atheists
    politics political politically activist activists protester protesters union unions unionist unionists
    disability disabilities disabled handicap handicapped
    health medical pregnant pregnancy hiv diagnosis illness disease mental psychiatric addict addicts
    genetic genetics marital caste tribe tribal homeless poor
"""

DEMOGRAPHIC_WORDS: Final = frozenset(_DEMOGRAPHIC.split())
"""Words that no category's name may contain, as one of its parts between hyphens. A list of words finds no meaning:
a category can be disguised all the same. The policy's own list of categories, and the people who approve, stand behind.
"""


def check_lawful_basis(value: object) -> str:
    """Check a lawful basis: one of :data:`LAWFUL_BASES`.

    Raises:
        InvalidArgument: It is none.
    """
    return _member(value, LAWFUL_BASES, "lawful_basis")


def check_capture_basis(value: object) -> str:
    """Check a capture basis: one of :data:`CAPTURE_BASES`.

    Raises:
        InvalidArgument: It is none.
    """
    return _member(value, CAPTURE_BASES, "capture_basis")


def check_source(value: object) -> str:
    """Check the source of the pictures: one of :data:`SOURCES`; ``scraped`` is none of them.

    Raises:
        InvalidArgument: It is none.
    """
    if isinstance(value, str) and value in _COLLECTED:
        raise InvalidArgument(
            f"source {value!r} is refused: pictures collected from the web or social media are never enrolled",
            hint=f"take the picture with the subject present, or use another of: {', '.join(SOURCES)}",
        )
    return _member(value, SOURCES, "source")


def check_category(value: object) -> str:
    """Check an enrollment category: a kebab name such as ``banned-after-incident`` that says nothing demographic.

    Raises:
        InvalidArgument: It is no such name, or a part of it is one of :data:`DEMOGRAPHIC_WORDS`.
    """
    name = check_kebab(value, "a category")
    found = sorted(DEMOGRAPHIC_WORDS.intersection(name.split("-")))
    if found:
        raise InvalidArgument(
            f"category {name!r} is refused: {', '.join(found)} would sort people by who they are",
            hint="name the category by what happened or by what the subject does, for example staff or barred",
        )
    return name


def _member(value: object, members: tuple[str, ...], what: str) -> str:
    name = check_kebab(value, what)
    if name not in members:
        raise InvalidArgument(f"{what} {name!r} is unknown", hint=f"one of: {', '.join(members)}")
    return name
